"""A context that a run can sit on: browser, context, proxy, a first page. Floor 4; the host's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from runwire.browser.closing import CloseCounts, close_within
from runwire.browser.egress_policy import check_page_address
from runwire.browser.film import Film, Films
from runwire.browser.ports import ContextPort, EgressPort, PagePort
from runwire.browser.screen import Screen
from runwire.browser.settings import CloseBounds
from runwire.browser.shell import Shell
from runwire.browser.turnstile import Turnstile
from runwire.contracts.browser import BrowserConfig, Download, ElementFacts, Extraction, Snapshot, Video
from runwire.errors import BrowserError, BrowserLost, BrowserTimeout
from runwire.protocol.steps.actions import Action, InFrame, Navigate, only_looks

T = TypeVar("T")

ANSWER_GRACE_S = 0.5
"""How much longer than its own limit an operation may take: looking around for a failure message is bounded by it
too.
"""


@dataclass(eq=False, slots=True)
class Seat:
    """A fresh context. ``parked_at`` is when it was made (monotonic); ``first_page`` is there until it is taken,
    ``ahead`` the one after that, for a run that has ended a page; ``closing`` are pages and a film that are being
    closed; ``screen`` is the run's once there is one, ``film`` what films it.
    """

    shell: Shell
    config: BrowserConfig
    context: ContextPort
    proxy: EgressPort
    first_page: PagePort | None
    parked_at: float
    closed: bool = False
    ended_pages: int = 0
    ahead: asyncio.Task[PagePort] | None = None
    closing: set[asyncio.Task[Any]] = field(default_factory=set)
    screen: Screen | None = None
    film: Film | None = None
    turnstile: Turnstile = field(default_factory=Turnstile)

    async def open_page(self, limit_s: float) -> SeatPage:
        """Return the waiting page, or a new one. Raises BrowserLost or BrowserTimeout."""
        async with self.turnstile.turn(acts=True):
            page, self.first_page = self.first_page, None
            if page is None:
                async with _bounded(self.shell, "opening a page", limit_s):
                    page = await self._page_ahead() or await self.context.new_page()
        if self.screen is not None:
            self.screen.opened(page)
        return SeatPage(self, page)

    async def begin_trace(self, limit_s: float) -> None:
        """Begin to trace what is done. Raises BrowserLost or BrowserTimeout."""
        async with _bounded(self.shell, "beginning a trace", limit_s):
            await self.context.begin_trace()

    async def end_trace(self, limit_s: float, *, keep: bool) -> bytes | None:
        """End the trace, and return it if it is to be kept. Raises BrowserLost or BrowserTimeout."""
        async with _bounded(self.shell, "ending a trace", limit_s):
            return await self.context.end_trace(keep=keep)

    def begin_video(self, films: Films) -> None:
        """Begin to film the run's screen. Raises BrowserUnavailable or BrowserError."""
        if self.screen is None or self.film is not None:
            raise BrowserError("a context is filmed once, while a run has it")
        self.film = films.begin(self.screen)

    async def end_video(self, limit_s: float, *, keep: bool) -> Video | None:
        """End the film, and return it if it is to be kept; None too if there was none."""
        if self.film is not None and keep:
            return await self.film.end(limit_s)
        self.cut_film()
        return None

    def cut_film(self) -> None:
        """Begin to end a film that nobody will have; closing the context waits for that. Idempotent."""
        if self.film is not None and not (cut := self.film.cut()).done():
            self.closing.add(cut)

    async def _page_ahead(self) -> PagePort | None:
        """Return the page that was opened ahead, if one was and it could be."""
        ahead, self.ahead = self.ahead, None
        try:
            return None if ahead is None else await asyncio.shield(ahead)
        except BrowserError:  # the page that is opened instead says what is wrong
            return None

    async def keep_downloads(self, limit_s: float) -> None:
        """Begin to keep downloads. Raises BrowserLost or BrowserTimeout."""
        async with _bounded(self.shell, "keeping downloads", limit_s):
            await self.context.keep_downloads()

    async def downloads(self, end_s: float | None, limit_s: float) -> list[Download]:
        """Return the downloads that have ended since the last call. Raises BrowserLost or BrowserTimeout."""
        async with _bounded(self.shell, "the downloads", limit_s):
            return await self.context.downloads(end_s)

    async def close(self, counts: CloseCounts, bounds: CloseBounds) -> bool:
        """Close the context with its pages, then its way out; return False if the context hung. Idempotent."""
        if self.closed:
            return True
        self.closed = True
        closed = True
        self.cut_film()
        try:
            if self.closing:
                await asyncio.wait(self.closing, timeout=bounds.page_s)
            if self.shell.port.connected:
                closed = await close_within(counts, "context", self.context.close, bounds.context_s)
        finally:  # also when the host ends while the context hangs
            try:
                await close_within(counts, "proxy", self.proxy.close, bounds.page_s)
            finally:
                self.context.discard()
        return closed


@dataclass(eq=False, slots=True)
class SeatPage:
    """A page of a seat: bounded, its addresses checked."""

    seat: Seat
    port: PagePort

    async def goto(self, url: str, timeout_s: float) -> int:
        """Open an absolute address that the run may visit; return the HTTP status."""
        await self._admitted(url)
        async with self._act(f"opening {url[:200]}", timeout_s):
            try:
                return await self.port.goto(url, timeout_s)
            except BrowserError as error:
                # Of a refused tunnel Chromium says only that it failed; the proxy knows why.
                if "ERR_TUNNEL" in error.message and self.seat.proxy.denied:
                    raise BrowserError(f"{url[:200]} may not be visited: {self.seat.proxy.denied[-1]}") from error
                raise

    async def perform(self, action: Action, timeout_s: float) -> str | None:
        """Do what the action says; return what a ``Remember`` read."""
        if isinstance(action, Navigate):
            await self.goto(action.url, timeout_s)
            return None
        if isinstance(action, InFrame) and isinstance(action.action, Navigate | InFrame):
            raise BrowserError("a frame is not navigated, and frames are not nested in a sentence")
        if only_looks(action):
            return await self._look("the action", timeout_s, lambda: self.port.perform(action, timeout_s))
        async with self._act("the action", timeout_s):
            return await self.port.perform(action, timeout_s)

    async def title(self, timeout_s: float) -> str:
        """Return the title."""
        return await self._look("the title", timeout_s, self.port.title)

    async def url(self, timeout_s: float) -> str:
        """Return the address."""
        return await self._look("the address", timeout_s, self.port.url)

    async def text(self, timeout_s: float) -> str:
        """Return the visible text."""
        return await self._look("the text", timeout_s, self.port.text)

    async def screenshot(self, timeout_s: float) -> bytes:
        """Return a PNG."""
        return await self._look("the screenshot", timeout_s, lambda: self.port.screenshot(timeout_s))

    async def snapshot(self, timeout_s: float) -> Snapshot:
        """Return the page as a screen reader knows it."""
        taken = await self._look("the snapshot", timeout_s, lambda: self.port.snapshot(timeout_s))
        return replace(taken, downloading=self.seat.context.downloading())

    async def element(self, reference: str, timeout_s: float) -> ElementFacts:
        """Return what a reference of the last snapshot names."""
        return await self._look("the element", timeout_s, lambda: self.port.element(reference, timeout_s))

    async def extract(self, what: Extraction, timeout_s: float) -> list[dict[str, str]]:
        """Return the items."""
        return await self._look("reading the items", timeout_s, lambda: self.port.extract(what, timeout_s))

    async def close(self, counts: CloseCounts, bounds: CloseBounds) -> None:
        """Close the page within its bound; one that hangs goes with its context."""
        self.seat.ended_pages += 1
        if self.seat.screen is not None:
            self.seat.screen.closed(self.port)
        if not self.seat.closed and self.seat.shell.port.connected:
            await close_within(counts, "page", self.port.close, bounds.page_s)

    async def _admitted(self, url: str) -> None:
        check_page_address(url)
        await self.seat.proxy.check(url)

    @asynccontextmanager
    async def _act(self, what: str, timeout_s: float) -> AsyncIterator[None]:
        """Let an operation through that may change the page. What it waits for a person is not its own time."""
        async with self.seat.turnstile.turn(acts=True), self._in_time(what, timeout_s):
            yield

    async def _look(self, what: str, timeout_s: float, look: Callable[[], Awaitable[T]]) -> T:
        """Do what only reads the page. A person need not wait for its end, and may use up its time: it looks again."""
        turnstile = self.seat.turnstile
        while True:
            async with turnstile.turn(acts=False):
                holds = turnstile.holds
                try:
                    async with self._in_time(what, timeout_s):
                        return await look()
                except BrowserTimeout:
                    if turnstile.holds == holds:
                        raise

    def _in_time(self, what: str, timeout_s: float) -> AbstractAsyncContextManager[None]:
        return _bounded(self.seat.shell, what, timeout_s + ANSWER_GRACE_S)


@asynccontextmanager
async def _bounded(shell: Shell, what: str, limit_s: float) -> AsyncIterator[None]:
    """Bound an operation, and call it lost rather than late or wrong if the browser under it is gone."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        raise BrowserTimeout(f"{what} took longer than {limit_s:g} s") from error
    except BrowserLost:
        raise
    except BrowserError as error:
        if not (shell.in_pool and shell.port.connected):
            raise BrowserLost(f"the browser was lost: {error.message}") from error
        raise
