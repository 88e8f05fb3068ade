"""A client as the protocol wants it: comes back with ``after`` and ``epoch`` until 1000. Test's loop.

Written apart from the project's clients: the judge needs every socket's raw frames, and no client's mercy.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.faults.frames import Entry, entries_in, parse_frame
from tests.faults.history import History
from tests.faults.observer import Address, Observer, Wish, follow


@dataclass(slots=True)
class Follower:
    """One run, followed over any number of sockets. ``entries`` is what an application would have been given."""

    address: Callable[[], Address]
    run_id: str
    chance: random.Random
    wish: Wish = field(default_factory=Wish)
    entries: list[Entry] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    sockets: list[tuple[Observer, int | None]] = field(default_factory=list)
    resets: int = 0
    epoch: str | None = None

    @property
    def cursor(self) -> int | None:
        """The last seq that the application holds; None before the first."""
        return self.entries[-1].seq if self.entries else None

    @property
    def socket(self) -> Observer:
        """The newest socket."""
        return self.sockets[-1][0]

    async def open(self) -> Observer:
        """Open one socket that goes on where the last one ended."""
        after = self.cursor
        wish = replace(self.wish, after=after, epoch=self.epoch)
        observer = await follow(self.address(), self.run_id, wish)
        self.sockets.append((observer, after))
        taken = 0

        def take() -> None:
            nonlocal taken
            for text, moment in zip(observer.texts[taken:], observer.times[taken:], strict=True):
                self._take(text, moment)
            taken = len(observer.texts)

        observer.on_text = take
        take()
        return observer

    def _take(self, text: bytes, moment: float) -> None:
        for entry in entries_in(text):
            self.entries.append(entry)
            self.arrived.append(moment)
        if text.startswith((b'{"type":"connected"', b'{"type":"reset"')):
            frame = parse_frame(text)
            self.epoch = frame.epoch or self.epoch
            if frame.type == "reset":
                self.resets += 1
                self.entries.clear()
                self.arrived.clear()

    async def to_the_end(self, timeout_s: float, first_delay_s: float = 0.05) -> None:
        """Follow until a socket is closed with 1000, coming back as often as it takes. Raises TimeoutError."""
        attempt = 0
        async with asyncio.timeout(timeout_s):
            while True:
                held = len(self.entries)
                try:
                    code = await (await self.open()).ended(timeout_s)
                    if code == 1000:
                        return
                except (ConnectionError, TimeoutError):
                    pass
                attempt = 0 if len(self.entries) > held else attempt + 1
                await asyncio.sleep(self.chance.random() * min(1.0, first_delay_s * 2 ** min(attempt, 6)))

    def tell(self, history: History, *, cuts: bool, pruned: bool = False) -> None:
        """Add every socket to the history, and check that the application got each entry once, in order.

        ``cuts``: connections were cut or the server killed, so that a socket may have ended without a close frame;
        ``pruned``: the first entries may be gone.
        """
        for observer, after in self.sockets:
            history.add(observer, self.run_id, after, whole=observer.close_code is not None if cuts else None)
        seqs = [entry.seq for entry in self.entries]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True, f"given out of order: {seqs[:50]}"
        assert pruned or not seqs or seqs[0] == 1, f"the first entry given was {seqs[0]}"
