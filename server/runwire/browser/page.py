"""One Playwright page behind the pool's port. Floor 4; the host's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from playwright.async_api import Page

from runwire.browser.camera import REFUSED, Camera
from runwire.browser.cast import Cast, photograph, use
from runwire.browser.deadline import Deadline
from runwire.browser.downloads import Downloads
from runwire.browser.egress_policy import PROXY_HEADER
from runwire.browser.extract import extract
from runwire.browser.perform import perform
from runwire.browser.ports import Shot
from runwire.browser.snapshot import element, snapshot
from runwire.browser.stage import Stage
from runwire.browser.typed import TypedSecrets
from runwire.contracts.browser import ElementFacts, Extraction, Snapshot
from runwire.errors import BrowserError
from runwire.protocol.steps.actions import Action, VerifyDownload
from runwire.protocol.view import Input

RETRY_S = 0.02
"""Pause before a refused screenshot is tried again; a guess, about the time of one paint."""
_DOWNLOAD = "Download is starting"
MAX_TEXT = 100_000
"""Most characters of a page's text that leave the browser."""


class ChromiumPage:
    """A page; ``translated`` maps Playwright's errors at the border."""

    def __init__(
        self,
        page: Page,
        translated: Callable[[], AbstractContextManager[None]],
        camera: Camera,
        secrets: TypedSecrets | None = None,
        *,
        downloads: Callable[[], Downloads | None] = lambda: None,
    ) -> None:
        self._stage = Stage.of(page, secrets or TypedSecrets({}), downloads)
        self._hidden = self._stage.secrets.hidden
        self._translated = translated
        self._camera = camera
        self._cast: Cast | None = None

    async def goto(self, url: str, timeout_s: float) -> int:
        """Open an absolute address, wait for its load event and return the HTTP status; 0 if it is a download."""
        self._stage.bring(self._stage.page)
        try:
            return await self._goto(url, timeout_s)
        except BrowserError as error:
            if _DOWNLOAD in error.message and self._stage.downloads() is not None:
                return 0
            raise

    async def _goto(self, url: str, timeout_s: float) -> int:
        self._camera.ready(self._stage.page)
        with self._translated():
            response = await self._stage.page.goto(url, timeout=timeout_s * 1000)
            if response is not None and PROXY_HEADER in response.headers:
                raise BrowserError(f"{url[:200]} could not be opened: {(await response.text())[:300]}")
            return 0 if response is None else response.status

    async def perform(self, action: Action, timeout_s: float) -> str | None:
        """Do what the action says; return what a ``Remember`` read, or the id of the download that was verified."""
        self._stage.bring(self._stage.page)
        try:
            with self._translated():
                found = await perform(self._stage, action, Deadline(timeout_s))
                return found if isinstance(action, VerifyDownload) else self._hidden(found)
        except BrowserError as error:
            raise self._stage.secrets.hide_in(error) from None  # the other holds it in clear

    async def title(self) -> str:
        """Return the document's title."""
        with self._translated():
            return self._hidden(await self._stage.page.title())

    async def url(self) -> str:
        """Return the address."""
        return self._hidden(self._stage.page.url)

    async def text(self) -> str:
        """Return the visible text."""
        with self._translated():
            text = await self._stage.page.evaluate("n => (document.body?.innerText ?? '').slice(0, n)", MAX_TEXT)
            return self._hidden(str(text))

    async def screenshot(self, timeout_s: float) -> bytes:
        """Return a PNG of the viewport."""
        deadline = Deadline(timeout_s)
        while True:
            try:
                with self._translated():
                    return await self._camera.png(self._stage.page, deadline)
            except BrowserError as error:
                # Chromium refuses while a navigation commits, which is just when a click has been made.
                if REFUSED not in error.message or deadline.passed:
                    raise
            await asyncio.sleep(RETRY_S)

    async def snapshot(self, timeout_s: float) -> Snapshot:
        """Return the page as a screen reader knows it."""
        with self._translated():
            taken = await snapshot(self._stage, Deadline(timeout_s))
        return replace(taken, **{name: self._hidden(getattr(taken, name)) for name in ("url", "title", "text")})

    async def element(self, reference: str, timeout_s: float) -> ElementFacts:
        """Return what a reference of the last snapshot names."""
        with self._translated():
            return await element(self._stage, reference, Deadline(timeout_s))

    async def extract(self, what: Extraction, timeout_s: float) -> list[dict[str, str]]:
        """Return the items."""
        with self._translated():
            return self._hidden(await extract(self._stage.page, what, Deadline(timeout_s)))

    async def cast(self, show: Callable[[Shot], None]) -> None:
        """Begin to film what is in front."""
        self._cast = Cast(self._stage, show)
        with self._translated():
            await self._cast.start()

    async def uncast(self) -> None:
        """Stop filming."""
        cast, self._cast = self._cast, None
        if cast is not None:
            with self._translated():
                await cast.stop()

    async def still(self, timeout_s: float) -> Shot:
        """Photograph what is in front."""
        with self._translated():
            return await photograph(self._stage, timeout_s)

    async def use(self, what: Input) -> None:
        """Do to what is in front what a person does."""
        with self._translated():
            await use(self._stage, what)

    async def close(self) -> None:
        """Close it and its popups; hangs now and then when a navigation commits at this moment."""
        with self._translated():
            await self._stage.close()
