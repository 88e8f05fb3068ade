"""What the pool asks of a driver: the inner seam that Playwright and the scripted double both fill. Floor 4.

The host's loop only. Everything here may fail with BrowserError or hang: whoever calls bounds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runwire.browser.downloads import DownloadBounds
from runwire.browser.egress_policy import EgressPolicy
from runwire.browser.secrets import HttpSecret
from runwire.contracts.browser import BrowserConfig, Download, ElementFacts, Extraction, Recording, Snapshot
from runwire.protocol.steps.actions import Action
from runwire.protocol.view import Input


@dataclass(frozen=True, slots=True)
class OwnSpec:
    """What makes a browser a run's own: its only way out, the run's wishes, and the folders of the extensions that it
    may be given.
    """

    proxy: str
    config: BrowserConfig
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """What a browser is launched with; only ``own`` holds wishes of a user. ``secrets`` are what its pages may be
    given, ``downloads`` what of theirs is kept. ``own`` is None for a browser that runs share.
    """

    executable: str
    headless: bool
    sandbox: bool
    wrapper: str
    timeout_s: float
    secrets: Mapping[str, HttpSecret] = field(default_factory=dict)
    downloads: DownloadBounds = field(default_factory=DownloadBounds)
    own: OwnSpec | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of a page's viewport, whose size is in CSS pixels; ``filmed``: by the screencast."""

    width: int
    height: int
    jpeg: bytes
    filmed: bool


class PagePort(Protocol):
    """One page, with the windows that it opens: what people see of it is the window in front."""

    async def goto(self, url: str, timeout_s: float) -> int:
        """Open an absolute address and return the HTTP status, 0 without a request."""

    async def perform(self, action: Action, timeout_s: float) -> str | None:
        """Do what the action says; return what a ``Remember`` read."""

    async def title(self) -> str:
        """Return the document's title."""

    async def url(self) -> str:
        """Return the address."""

    async def text(self) -> str:
        """Return the visible text."""

    async def screenshot(self, timeout_s: float) -> bytes:
        """Return a PNG."""

    async def snapshot(self, timeout_s: float) -> Snapshot:
        """Return the page as a screen reader knows it."""

    async def element(self, reference: str, timeout_s: float) -> ElementFacts:
        """Return what a reference of the last snapshot names."""

    async def extract(self, what: Extraction, timeout_s: float) -> list[dict[str, str]]:
        """Return the items."""

    async def cast(self, show: Callable[[Shot], None]) -> None:
        """Begin to film what is in front, through navigations and from window to window, until :meth:`uncast`."""

    async def uncast(self) -> None:
        """Stop filming. Idempotent."""

    async def still(self, timeout_s: float) -> Shot:
        """Photograph what is in front."""

    async def use(self, what: Input) -> None:
        """Do to what is in front what a person does."""

    async def close(self) -> None:
        """Close it; may hang."""


class ContextPort(Protocol):
    """One browser context: nothing of it is shared with another."""

    async def new_page(self) -> PagePort:
        """Open a page."""

    def record(self) -> None:
        """Begin to record console and network. Idempotent."""

    def recorded(self) -> Recording:
        """Return what was recorded so far."""

    async def begin_trace(self) -> None:
        """Begin to trace what is done."""

    async def end_trace(self, *, keep: bool) -> bytes | None:
        """End the trace, and return it if it is to be kept."""

    async def keep_downloads(self) -> None:
        """Begin to keep downloads, if any are to be. Idempotent."""

    async def downloads(self, end_s: float | None) -> list[Download]:
        """Return those that have ended since the last call; with ``end_s`` open ones are cancelled after that time."""

    def downloading(self) -> tuple[str, ...]:
        """Return the names of downloads that have begun and not ended."""

    async def close(self) -> None:
        """Close it with all its pages; may hang."""

    def discard(self) -> None:
        """Remove what it has left on the disk. Idempotent."""


class ShellPort(Protocol):
    """One browser process."""

    @property
    def pid(self) -> int | None:
        """The process, if known."""

    @property
    def connected(self) -> bool:
        """False is certain, True is not."""

    async def cdp_url(self) -> str:
        """Return the WebSocket that a run's own browser listens at; may hang."""

    async def new_context(self, config: BrowserConfig, proxy: str, secret: HttpSecret | None) -> ContextPort:
        """Make a context whose every connection goes through ``proxy`` (``http://127.0.0.1:PORT``); ``secret`` is what
        answers its origin's HTTP authentication."""

    async def probe(self) -> None:
        """Ask the browser something cheap; hangs if it is frozen."""

    async def close(self) -> None:
        """Close it; may hang."""

    def discard(self) -> bool:
        """Remove what it has left on the disk, once it has ended; return whether something stayed. May block for some
        ms.
        """


class DriverPort(Protocol):
    """The process that speaks to the browsers."""

    @property
    def pid(self) -> int | None:
        """The process, if known."""

    async def launch(self, spec: LaunchSpec) -> ShellPort:
        """Launch a browser."""

    async def probe(self) -> None:
        """Ask the driver itself something cheap; hangs if it is frozen."""

    async def stop(self) -> None:
        """End it; may hang."""


class EgressPort(Protocol):
    """One context's only way out."""

    @property
    def url(self) -> str:
        """The proxy's address."""

    @property
    def denied(self) -> Sequence[str]:
        """Why the last few connections were refused."""

    async def start(self) -> None:
        """Make it ready, closed: nothing passes yet."""

    def admit(self, policy: EgressPolicy) -> None:
        """Let a run out as far as its policy goes."""

    async def check(self, url: str) -> None:
        """Raises BrowserError, with the reason, if a page at ``url`` could not get out."""

    async def close(self) -> None:
        """Cut everything."""


StartDriver = Callable[[], Awaitable[DriverPort]]
