"""The handles that a run holds: they know whose they are and hop to the host's thread. Floor 4; the owner's loop only.

The owner's thread and loop are checked before any coroutine is built: Playwright itself raises in a foreign thread *and
still does what was asked*.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

import structlog

from runwire.browser.egress import CONNECT_TIMEOUT_S
from runwire.browser.host_thread import HostThread, settled
from runwire.browser.own import OwnSeat
from runwire.browser.pool import ContextPool
from runwire.browser.seat import ANSWER_GRACE_S, Seat, SeatPage
from runwire.browser.turnstile import Turnstile
from runwire.contracts.browser import (
    Download,
    ElementFacts,
    Extraction,
    ForeignThread,
    PageHandle,
    Recording,
    Snapshot,
    Video,
)
from runwire.errors import BrowserError, IllegalTransition
from runwire.protocol.steps.actions import Action
from runwire.threads import LoopMailbox

T = TypeVar("T")
log = structlog.get_logger(__name__)

OPEN_LIMIT_S = 6.0
"""Bound on opening one more page: the host's own (5 s) and a little."""


READ_LIMIT_S = 5.0
"""Bound on reading the files that were downloaded since the last look; a guess, they are in the page cache."""
TRACE_LIMIT_S = 10.0
"""Bound on beginning or ending a trace: the driver writes it to the disk. A guess."""
VIDEO_END_S = 5.0
"""Longest that an encoder is waited for; a guess, it needs 50 ms on a quiet machine."""
END_MOST_S = 5.0
"""Longest that open downloads are waited for."""


class LeaseState(StrEnum):
    """Where a lease or a page handle is in its life."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


TRANSITIONS: Final = MappingProxyType(
    {
        LeaseState.OPEN: frozenset({LeaseState.CLOSING}),
        LeaseState.CLOSING: frozenset({LeaseState.CLOSED}),
        LeaseState.CLOSED: frozenset[LeaseState](),
    }
)
"""Every move that exists."""


class Ownership:
    """The one thread and loop that may use a handle, and whether it may still."""

    def __init__(self, what: str) -> None:
        """Bind to the calling thread and its running loop."""
        self._what = what
        self._thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self.state = LeaseState.OPEN

    def check(self) -> None:
        """Raises ForeignThread outside the owner's thread and loop, BrowserError if the handle was closed."""
        if threading.get_ident() != self._thread or asyncio.get_running_loop() is not self._loop:
            raise ForeignThread(f"{self._what} belongs to another thread or event loop; nothing was done")
        if self.state is not LeaseState.OPEN:
            raise BrowserError(f"{self._what} is {self.state}; it cannot be used any more")

    def advance(self, target: LeaseState) -> None:
        """Move on. Raises IllegalTransition."""
        if target not in TRANSITIONS[self.state]:
            raise IllegalTransition("browser lease", self.state, target)
        self.state = target


class Patience:
    """How long a call may take beside its own limit: as long as a person had the pages, and the limit once more, since
    what they interrupted begins anew.
    """

    def __init__(self, turnstile: Turnstile, limit_s: float) -> None:
        self._turnstile = turnstile
        self._limit_s = limit_s
        self._counted_s = 0.0

    async def begin(self, make: Callable[[], Awaitable[T]]) -> T:
        """Run ``make()`` and count from now; on the host's loop."""
        self._counted_s = self._turnstile.held_s
        return await make()

    async def more(self) -> float:
        """Return how many seconds are granted since the last time; on the host's loop."""
        grown_s = self._turnstile.held_s - self._counted_s
        self._counted_s += grown_s
        return grown_s + self._limit_s if grown_s > 0 else 0.0


class StandingClock:
    """Lets a time limit of the owner's stand still while a person has the pages. Made on the owner's loop."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit
        self._left_s: float | None = None
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._news: LoopMailbox[bool] = LoopMailbox(self._loop, self._note)
        self.note = self._news.put
        """Call it with whether a person has the pages; any thread."""

    def _note(self, held: bool) -> None:
        if self._ended or self._limit.expired():
            return
        when = self._limit.when()
        if held and when is not None:
            self._left_s = when - self._loop.time()
            self._limit.reschedule(None)
        elif not held and self._left_s is not None:
            self._limit.reschedule(self._loop.time() + self._left_s)
            self._left_s = None

    def end(self) -> None:
        """Leave the limit alone from now on; on the owner's loop."""
        self._ended = True


class LeasedContext:
    """A run's context. Made by the host on the owner's loop."""

    def __init__(self, thread: HostThread, pool: ContextPool, seat: Seat) -> None:
        self._thread = thread
        self._pool = pool
        self._seat = seat
        self.ownership = Ownership("this browser lease")

    @asynccontextmanager
    async def page(self) -> AsyncIterator[PageHandle]:
        """Open a page for one operation; it is closed when the block ends, whatever happened in it. Nobody waits for
        that: a close takes tens of milliseconds, and hangs now and then.
        """
        self.ownership.check()
        patience = Patience(self._seat.turnstile, OPEN_LIMIT_S)
        opened = await self._thread.call(
            lambda: patience.begin(lambda: self._pool.open_page(self._seat)), limit_s=OPEN_LIMIT_S, more=patience.more
        )
        log.debug("page.open", browser=self._seat.shell.number)
        handle = LeasedPage(self._thread, opened, self.ownership)
        try:
            yield handle
        finally:
            handle.ownership.advance(LeaseState.CLOSING)
            self._thread.post(lambda: self._pool.end_page(opened))
            handle.ownership.advance(LeaseState.CLOSED)

    async def record(self) -> None:
        """Begin to record console and network."""

        async def record() -> None:
            self._seat.context.record()

        self.ownership.check()
        await self._thread.call(record, limit_s=ANSWER_GRACE_S)

    async def recorded(self) -> Recording:
        """Return what was recorded so far."""

        async def recorded() -> Recording:
            return self._seat.context.recorded()

        self.ownership.check()
        return await self._thread.call(recorded, limit_s=ANSWER_GRACE_S)

    async def begin_trace(self) -> None:
        """Begin a trace if some are wanted."""
        self.ownership.check()
        if self._pool.trace != "off":
            limit_s = TRACE_LIMIT_S
            await self._thread.call(lambda: self._seat.begin_trace(limit_s), limit_s=limit_s + ANSWER_GRACE_S)

    async def end_trace(self, *, failed: bool) -> bytes | None:
        """End it, and return it if it is wanted."""
        self.ownership.check()
        if self._pool.trace == "off":
            return None
        limit_s, keep = TRACE_LIMIT_S, failed or self._pool.trace == "on"
        return await self._thread.call(
            lambda: self._seat.end_trace(limit_s, keep=keep), limit_s=limit_s + ANSWER_GRACE_S
        )

    async def begin_video(self) -> None:
        """Begin to film."""

        async def begin() -> None:
            self._seat.begin_video(self._pool.films)

        self.ownership.check()
        await self._thread.call(begin, limit_s=ANSWER_GRACE_S)

    async def end_video(self, *, keep: bool = True, end_s: float = VIDEO_END_S) -> Video | None:
        """End the film, and return it if it is to be kept."""
        self.ownership.check()
        limit_s = min(end_s, VIDEO_END_S)
        return await self._thread.call(lambda: self._seat.end_video(limit_s, keep=keep), limit_s=limit_s + READ_LIMIT_S)

    async def keep_downloads(self) -> None:
        """Begin to keep what pages download."""
        self.ownership.check()
        limit_s = OPEN_LIMIT_S
        await self._thread.call(lambda: self._seat.keep_downloads(limit_s), limit_s=limit_s + ANSWER_GRACE_S)

    async def downloads(self, *, end_s: float | None = None) -> list[Download]:
        """Return the downloads that have ended since the last call."""
        self.ownership.check()
        limit_s = READ_LIMIT_S + min(end_s or 0.0, END_MOST_S)
        return await self._thread.call(
            lambda: self._seat.downloads(None if end_s is None else min(end_s, END_MOST_S), limit_s),
            limit_s=limit_s + ANSWER_GRACE_S,
        )


class LeasedPage:
    """One page of a run's context."""

    def __init__(self, thread: HostThread, page: SeatPage, lease: Ownership) -> None:
        self._thread = thread
        self._page = page
        self._lease = lease
        self.ownership = Ownership("this page")

    async def goto(self, url: str, *, timeout_s: float) -> int:
        """Open the absolute ``url``, wait for its load event and return the HTTP status."""
        return await self._hop(lambda: self._page.goto(url, timeout_s), timeout_s)

    async def perform(self, action: Action, *, timeout_s: float) -> str | None:
        """Do what the action says; return what a ``Remember`` read."""
        return await self._hop(lambda: self._page.perform(action, timeout_s), timeout_s)

    async def title(self, *, timeout_s: float = 5.0) -> str:
        """Return the document's title."""
        return await self._hop(lambda: self._page.title(timeout_s), timeout_s)

    async def url(self, *, timeout_s: float = 5.0) -> str:
        """Return the current address."""
        return await self._hop(lambda: self._page.url(timeout_s), timeout_s)

    async def text(self, *, timeout_s: float = 5.0) -> str:
        """Return the visible text of the page."""
        return await self._hop(lambda: self._page.text(timeout_s), timeout_s)

    async def screenshot(self, *, timeout_s: float = 5.0) -> bytes:
        """Return a PNG of the viewport."""
        return await self._hop(lambda: self._page.screenshot(timeout_s), timeout_s)

    async def snapshot(self, *, timeout_s: float = 5.0) -> Snapshot:
        """Return the page as a screen reader knows it."""
        return await self._hop(lambda: self._page.snapshot(timeout_s), timeout_s)

    async def element(self, reference: str, *, timeout_s: float = 5.0) -> ElementFacts:
        """Return what a reference of the last snapshot names."""
        return await self._hop(lambda: self._page.element(reference, timeout_s), timeout_s)

    async def extract(self, what: Extraction, *, timeout_s: float) -> list[dict[str, str]]:
        """Wait for the first item and return all of them."""
        return await self._hop(lambda: self._page.extract(what, timeout_s), timeout_s)

    async def _hop(self, make: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        self._lease.check()
        self.ownership.check()
        limit_s = timeout_s + ANSWER_GRACE_S
        patience = Patience(self._page.seat.turnstile, limit_s)
        return await self._thread.call(lambda: patience.begin(make), limit_s=limit_s, more=patience.more)


class LeasedBrowser:
    """A run's own browser. Made by the host on the owner's loop."""

    def __init__(self, thread: HostThread, seat: OwnSeat) -> None:
        self._thread = thread
        self._seat = seat
        self.ownership = Ownership("this browser")

    @property
    def cdp_url(self) -> str:
        """The WebSocket that it listens at."""
        return self._seat.cdp_url

    async def check(self, url: str) -> None:
        """Raises BrowserError, with the reason, if a page at ``url`` could not be reached."""
        self.ownership.check()
        await self._thread.call(lambda: self._seat.check(url), limit_s=CONNECT_TIMEOUT_S)


FINISH_LIMIT_S = 0.5
"""How long a run waits for its context to close, which takes some 30 ms; one that hangs is closed without the run."""
OWN_FINISH_LIMIT_S = 1.8
"""The same for a browser of its own, which is gone then; the host's own bounds are below it."""


async def finish(thread: HostThread, make: Callable[[], Awaitable[None]], limit_s: float = FINISH_LIMIT_S) -> None:
    """Have the host close something and wait for it, within a bound.

    The closing goes on at the host even if the caller is cancelled meanwhile, or does not wait for its end. Nothing is
    raised but the caller's own cancellation: a failed clean-up never changes what a run has found.
    """
    try:
        closing = thread.submit(make)
    except BrowserError:  # the host has ended, and everything with it
        return
    await settled(closing, limit_s)
