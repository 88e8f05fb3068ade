"""The seam to browsers. Floor 3: typed handles, no Playwright object ever crosses it.

A runner never holds a browser: it holds handles whose calls hop to the browser host's own thread and back. A run gets a
fresh context; each operation gets a page of its own. What a page is told to do are the actions of the step language
(:mod:`runwire.protocol.steps.actions`), so that a written test, a model and a program speak the same words.

A lease, its pages and every call on them belong to the thread and loop that entered the lease: from any other they
raise :class:`ForeignThread`, and nothing has happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from runwire.errors import ForeignThread
from runwire.protocol.steps.target import Target

if TYPE_CHECKING:
    from runwire.protocol.steps.actions import Action

__all__ = [
    "BrowserConfig",
    "BrowserLease",
    "BrowserPool",
    "Download",
    "ElementFacts",
    "Extraction",
    "ForeignThread",
    "OwnBrowser",
    "PageHandle",
    "Recording",
    "Snapshot",
    "Target",
    "Video",
]


@dataclass(frozen=True, slots=True)
class BrowserConfig:
    """Options that a context is created with; pages are parked per configuration. Sizes in CSS pixels.

    ``only_hosts`` narrows where the run may go (host names, ``*.example.org``); empty means anywhere that the server
    allows. ``http_auth`` names a secret of the server, ``storage_state`` is JSON text (cookies, local storage).
    ``scale`` is device pixels a CSS pixel. Nothing here can widen what the server allows.
    """

    width: int = 1280
    height: int = 720
    locale: str | None = None
    timezone: str | None = None
    user_agent: str | None = None
    color_scheme: Literal["light", "dark", "no-preference"] | None = None
    only_hosts: tuple[str, ...] = ()
    scale: float = 1.0
    mobile: bool = False
    touch: bool = False
    http_auth: str | None = None
    storage_state: str | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """What to read from a page. ``item`` is a CSS selector of what repeats; empty: the page is the one item.

    ``fields`` maps a name to where its text is in an item: a CSS selector, with ``@name`` behind it for an attribute
    (``a@href``; ``@href`` alone is the item's own; links come as absolute addresses).
    """

    item: str
    fields: Mapping[str, str]
    limit: int = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A page as a screen reader knows it: roles, names and values as an indented list, with references (``[ref=e5]``)
    that :meth:`PageHandle.element` takes. At most 20,000 characters; what passwords hold is left out. ``dialog`` is
    what the last dialog of the page said; ``downloading`` names what the run's pages download and have not ended yet.
    """

    url: str
    title: str
    text: str
    dialog: str | None = None
    downloading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ElementFacts:
    """One element, and what using it would mean, as far as the page tells.

    ``target`` finds it again, on another day too; ``frame`` names the frame that it is in. ``href`` is where a link
    leads; ``form_action`` and ``submit_label`` belong to the form that it is part of, ``submits``: using it sends that.
    """

    target: Target
    role: str
    name: str
    frame: str | None = None
    href: str | None = None
    form_action: str | None = None
    submit_label: str | None = None
    submits: bool = False
    file_field: bool = False


class PageHandle(Protocol):
    """One page, for one operation.

    Every call raises BrowserTimeout when ``timeout_s`` seconds have passed, BrowserLost when the browser has died or
    frozen, BrowserError when the page refused (the message says what was looked for and what was found nearest), and
    ForeignThread outside the owner's thread. Cancelling a call stops the waiting at once; what the browser has begun
    ends with its page. While a person has taken over, calls wait, and their limits do not run.
    """

    async def goto(self, url: str, *, timeout_s: float) -> int:
        """Open the absolute ``url``, wait for its load event and return the HTTP status (0 if there was no request).

        BrowserError if it may not be or cannot be reached.
        """

    async def perform(self, action: Action, *, timeout_s: float) -> str | None:
        """Do what the action says, waiting for its element; a ``Verify…`` waits until it is true.

        Returns what a ``Remember`` read, the ``id`` of the :class:`Download` that a ``VerifyDownload`` found, else
        None. Addresses in a ``Navigate`` must be absolute; variables are the caller's business: the action holds their
        values already.
        """

    async def title(self, *, timeout_s: float = 5.0) -> str:
        """Return the document's title."""

    async def url(self, *, timeout_s: float = 5.0) -> str:
        """Return the current address."""

    async def text(self, *, timeout_s: float = 5.0) -> str:
        """Return the visible text of the page, at most 100,000 characters."""

    async def screenshot(self, *, timeout_s: float = 5.0) -> bytes:
        """Return a PNG of the viewport."""

    async def snapshot(self, *, timeout_s: float = 5.0) -> Snapshot:
        """Return the page as a screen reader knows it."""

    async def element(self, reference: str, *, timeout_s: float = 5.0) -> ElementFacts:
        """Return what a reference of the last snapshot names. BrowserError if it is none, or no longer there."""

    async def extract(self, what: Extraction, *, timeout_s: float) -> list[dict[str, str]]:
        """Wait for the first item and return all of them, at most ``limit``, in their order.

        A field that is not there is not in its item's dictionary; a text has at most 2,000 characters.
        """


@dataclass(frozen=True, slots=True)
class Recording:
    """What pages said on their console and what they fetched, as JSON lines, the newest 1,000 of each: addresses
    without queries, typed secrets by their names.
    """

    console: bytes
    network: bytes


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a page has downloaded, under the name that the page gave it; ``data`` is None if it is not kept, and
    ``refused`` says why. ``id`` is the browser's.
    """

    name: str
    data: bytes | None
    refused: str = ""
    id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Video:
    """What a run's pages showed, as WebM in real time; ``data`` is None if there is none. ``reason`` says why that is
    so, or why the video ends before the run does.
    """

    data: bytes | None
    reason: str = ""


class BrowserLease(Protocol):
    """A fresh browser context that belongs to one run, until the ``async with`` block ends."""

    async def record(self) -> None:
        """Begin to record console and network; before that nothing is."""

    async def recorded(self) -> Recording:
        """Return what was recorded so far."""

    async def begin_trace(self) -> None:
        """Begin a trace if the server's administrator wants some. Raises as a page's calls do."""

    async def end_trace(self, *, failed: bool) -> bytes | None:
        """End it; return it (Playwright's ZIP, with all that was typed) if one of a run that ended so is wanted.

        Raises as a page's calls do.
        """

    async def begin_video(self) -> None:
        """Begin to film what a person in front of the screen would see, of all pages of the lease, from the first one
        on, within the server's bounds. A lease is filmed once.

        Raises BrowserUnavailable if this server films no runs (the message names what mends it), BrowserError if it
        films as many as it may.
        """

    async def end_video(self, *, keep: bool = True, end_s: float = 5.0) -> Video | None:
        """End it; return it if it is to be kept, None if not, or if none was begun. An encoder gets ``end_s`` seconds
        (at most 5) to end. The end of the lease ends a film too, and nothing is kept then.
        """

    async def keep_downloads(self) -> None:
        """Begin to keep what pages download, within the server's bounds; before that nothing is. Needs an open page.

        Raises as a page's calls do.
        """

    async def downloads(self, *, end_s: float | None = None) -> list[Download]:
        """Return the downloads that have ended since the last call, kept or refused. With ``end_s`` those still open
        get that many seconds (at most 5) and are cancelled then. Raises as a page's calls do.
        """

    def page(self) -> AbstractAsyncContextManager[PageHandle]:
        """Open a page for one operation; closing it begins when the block ends, whatever happened in it, and is over
        when the lease has ended.
        """


class OwnBrowser(Protocol):
    """A whole Chromium that belongs to one run, until the ``async with`` block ends: for agents that speak CDP."""

    @property
    def cdp_url(self) -> str:
        """The browser's own WebSocket (``ws://127.0.0.1:…/devtools/browser/…``). Whoever knows it rules the browser."""

    async def check(self, url: str) -> None:
        """Raises BrowserError, with the reason, if a page at ``url`` could not be reached; only http and https can."""


class BrowserPool(Protocol):
    """The server's browsers. Any thread may ask for a lease."""

    @property
    def sample_origin(self) -> str | None:
        """Origin (``http://127.0.0.1:8700``) that relative addresses resolve against, or None if none is served."""

    def unavailable_reason(self, *, whole: bool = False) -> str | None:
        """Return why no browser can be had here, with the one command that mends it, or None. ``whole``: one that can
        be a run's own.
        """

    def full_reason(self) -> str | None:
        """Return why one more browser run should stay queued for now (memory, descriptors), or None. Cheap."""

    def lease(
        self, run_id: str, config: BrowserConfig, *, limit: asyncio.Timeout | None = None
    ) -> AbstractAsyncContextManager[BrowserLease]:
        """Give ``run_id`` a fresh context. ``limit``, the caller's own, stands still while a person has taken over.

        Entering raises BrowserUnavailable, within a bound, if none can be started. Leaving closes the context within a
        bound (about 1.5 s); what does not close is counted and cleaned up by the host, and never raised.
        """

    def own(
        self, run_id: str, config: BrowserConfig, *, extensions: tuple[str, ...] = ()
    ) -> AbstractAsyncContextManager[OwnBrowser]:
        """Give ``run_id`` a whole Chromium with a profile of its own, which nobody shares, watches live or takes over.

        Everything that it loads passes the same check as a lease's pages. It listens for CDP on a random port of the
        loopback; web pages cannot use that port. It dies with the block, with the server and with the driver, and its
        profile is removed. It keeps no downloads.

        Args:
            run_id: whose it is.
            config: of it ``width``, ``height``, ``locale``, ``user_agent``, ``scale`` and ``only_hosts`` count.
            extensions: folders of unpacked extensions that may be loaded by CDP and may use CDP themselves.

        Entering raises BrowserUnavailable, within a bound, if none can be started. Leaving closes it within a bound
        (about 1.5 s) and never raises.
        """
