"""A double for the browsers that an agent is given. Floor 9; runs on the loop of the test.

:class:`ScriptedPool` fills the outer contract: its pages do what they are told and note it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from runwire.contracts.browser import (
    BrowserConfig,
    BrowserLease,
    Download,
    ElementFacts,
    Extraction,
    OwnBrowser,
    PageHandle,
    Recording,
    Snapshot,
    Video,
)
from runwire.errors import BrowserError, BrowserUnavailable
from runwire.protocol.steps.actions import Action, Remember
from runwire.testing.browser import PNG


@dataclass(eq=False)
class ScriptedPool:
    """Fills BrowserPool for an agent under test. ``answers`` maps an action to what performing it raises."""

    answers: Mapping[Action, Exception] = field(default_factory=dict)
    sample_origin: str | None = "http://samples.test"
    unavailable: str | None = None
    full: str | None = None
    pages: list[PageHandle] = field(default_factory=list)
    open: Counter[str] = field(default_factory=Counter)
    configs: list[BrowserConfig] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)
    under_way: list[Download] = field(default_factory=list)
    downloading: tuple[str, ...] = ()
    trace: bytes | None = None
    video: Video = field(default_factory=lambda: Video(b"WebM"))
    no_video: BrowserError | None = None
    films: list[str] = field(default_factory=list)
    elements: Mapping[str, ElementFacts] = field(default_factory=dict)

    def unavailable_reason(self, *, whole: bool = False) -> str | None:
        """Return what the script says."""
        return self.unavailable

    def full_reason(self) -> str | None:
        """Return what the script says."""
        return self.full

    def handle(self) -> PageHandle:
        """Return the handle that the next page is; a subclass may give another."""
        return ScriptedHandle(self.answers, elements=self.elements, downloading=self.downloading)

    @asynccontextmanager
    async def lease(
        self, run_id: str, config: BrowserConfig, *, limit: asyncio.Timeout | None = None
    ) -> AsyncIterator[BrowserLease]:
        """Lend a scripted context."""
        if self.unavailable is not None:
            raise BrowserUnavailable(self.unavailable)
        self.open["lease"] += 1
        self.configs.append(config)
        try:
            yield _ScriptedLease(self)
        finally:
            self.open["lease"] -= 1

    @asynccontextmanager
    async def own(
        self, run_id: str, config: BrowserConfig, *, extensions: tuple[str, ...] = ()
    ) -> AsyncIterator[OwnBrowser]:
        """Lend a browser that nobody listens in; whatever is not at ``http://`` or ``https://`` is refused."""
        if self.unavailable is not None:
            raise BrowserUnavailable(self.unavailable)
        self.open["own"] += 1
        self.configs.append(config)
        try:
            yield _ScriptedOwn()
        finally:
            self.open["own"] -= 1


@dataclass(eq=False)
class _ScriptedOwn:
    cdp_url: str = "ws://127.0.0.1:9/devtools/browser/scripted"

    async def check(self, url: str) -> None:
        """Raises BrowserError for anything but http and https."""
        if not url.startswith(("http://", "https://")):
            raise BrowserError(f"{url!r} may not be opened: only http and https addresses are")


@dataclass(eq=False)
class _ScriptedLease:
    pool: ScriptedPool

    async def record(self) -> None:
        """Do nothing."""

    async def recorded(self) -> Recording:
        """Return a line of each."""
        return Recording(b'{"type":"log"}\n', b'{"status":200}\n')

    async def begin_trace(self) -> None:
        """Do nothing."""

    async def end_trace(self, *, failed: bool) -> bytes | None:
        """Return the script's trace, if the run has failed."""
        return self.pool.trace if failed else None

    async def begin_video(self) -> None:
        """Note it, or raise what the script says."""
        if self.pool.no_video is not None:
            raise self.pool.no_video
        self.pool.films.append("begun")

    async def end_video(self, *, keep: bool = True, end_s: float = 5.0) -> Video | None:
        """Note it; return the script's video if it is to be kept."""
        self.pool.films.append("kept" if keep else "dropped")
        return self.pool.video if keep else None

    async def keep_downloads(self) -> None:
        """Do nothing."""

    async def downloads(self, *, end_s: float | None = None) -> list[Download]:
        """Return what the script says, once; what is under way only at the end."""
        ended, self.pool.downloads = self.pool.downloads, []
        if end_s is not None:
            ended, self.pool.under_way = [*ended, *self.pool.under_way], []
        return ended

    @asynccontextmanager
    async def page(self) -> AsyncIterator[PageHandle]:
        """Open a scripted page."""
        handle = self.pool.handle()
        self.pool.pages.append(handle)
        self.pool.open["page"] += 1
        try:
            yield handle
        finally:
            self.pool.open["page"] -= 1


@dataclass(eq=False)
class ScriptedHandle:
    """Fills PageHandle; ``log`` holds addresses and actions in the order in which they came."""

    answers: Mapping[Action, Exception]
    log: list[str | Action] = field(default_factory=list)
    elements: Mapping[str, ElementFacts] = field(default_factory=dict)
    downloading: tuple[str, ...] = ()

    async def goto(self, url: str, *, timeout_s: float) -> int:
        """Note the address."""
        self.log.append(url)
        return 200

    async def perform(self, action: Action, *, timeout_s: float) -> str | None:
        """Note the action, or raise what the script says; a ``Remember`` reads ``remembered``."""
        self.log.append(action)
        if action in self.answers:
            raise self.answers[action]
        return "remembered" if isinstance(action, Remember) else None

    async def title(self, *, timeout_s: float = 5.0) -> str:
        """Return a title."""
        return "Scripted page"

    async def url(self, *, timeout_s: float = 5.0) -> str:
        """Return the last address."""
        return next((entry for entry in reversed(self.log) if isinstance(entry, str)), "about:blank")

    async def text(self, *, timeout_s: float = 5.0) -> str:
        """Return some text."""
        return "Scripted text"

    async def screenshot(self, *, timeout_s: float = 5.0) -> bytes:
        """Return a picture."""
        return PNG

    async def snapshot(self, *, timeout_s: float = 5.0) -> Snapshot:
        """Return a snapshot with the elements that the test gave."""
        lines = (f'- {one.role} "{one.name}" [ref={reference}]' for reference, one in self.elements.items())
        return Snapshot(await self.url(), await self.title(), "\n".join(lines), downloading=self.downloading)

    async def element(self, reference: str, *, timeout_s: float = 5.0) -> ElementFacts:
        """Return the test's element. Raises BrowserError if it gave none of this name."""
        if reference not in self.elements:
            raise BrowserError(f"there is no element {reference} on the page any more; look at the page again")
        return self.elements[reference]

    async def extract(self, what: Extraction, *, timeout_s: float) -> list[dict[str, str]]:
        """Return no item; a subclass may have some."""
        return []
