"""How an attempt waits for the store, with a loop and without. Floor 5; the run's own thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from runwire.contracts.inbox import Deliver
from runwire.engine.cancellation import StopToken
from runwire.threads import Doorbell, LoopReply, ReplyBox

T = TypeVar("T")

LOOK_S = 60.0
"""How long a blocked thread sleeps at most before it looks whether its run is to stop; a bell wakes it sooner."""


async def answered(ask: Callable[[Deliver[T]], None]) -> T | None:
    """Ask the store and return its answer."""
    reply: LoopReply[T | None] = LoopReply()
    ask(reply.resolve)
    return await reply.wait()


class BlockingWaits:
    """Waits of a thread without a loop, each ended by the run's stop."""

    def __init__(self, bell: Doorbell, stop: StopToken) -> None:
        self._bell = bell
        self._replies = Doorbell()  # its own: an answer of the store is no sign that something has come
        self._stop = stop

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Let the stop end every wait for the time of the block."""
        self._stop.arm(self._wake)
        try:
            yield
        finally:
            self._stop.arm(None)

    def _wake(self) -> None:
        self._bell.ring()
        self._replies.ring()

    def leave_if_stopped(self) -> None:
        """Raise CancelledError if the run is to stop."""
        if self._stop.reason is not None:
            raise asyncio.CancelledError("the run was asked to stop")

    def answered(self, ask: Callable[[Deliver[T]], None]) -> T | None:
        """Ask the store and return its answer, however long a slot takes; armed."""
        bell, box = self._replies, ReplyBox[T | None]()
        seen = bell.rings

        def deliver(value: T | None, error: BaseException | None) -> None:
            box.resolve(value, error)
            bell.ring()

        ask(deliver)
        while not box.ready:
            seen = bell.wait_blocking(seen, LOOK_S)
            self.leave_if_stopped()
        return box.wait(0)
