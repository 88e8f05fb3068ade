"""Pictures of one context's windows, by Chromium's own command. Floor 4; the host's loop only.

Playwright's screenshot asks the page four things before and after, one after the other, and Chromium packs its PNG as
small as it can: half of the time (docs/performance.md). Here the picture is asked for at once and packed quickly; it is
the same to the last pixel, and one and a half to three times as large.
"""

from __future__ import annotations

import asyncio
import base64
from weakref import WeakKeyDictionary

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from runwire.browser.deadline import Deadline
from runwire.errors import BrowserTimeout

FONTS_S = 2.0
"""How long fonts that are being loaded are waited for; then the picture shows what is there. A guess."""
REFUSED = "Unable to capture screenshot"
"""What Chromium says while a navigation commits."""
_FONTS = "document.fonts.status === 'loading' && document.fonts.ready.then(() => true)"
_PNG = {"format": "png", "optimizeForSpeed": True}


class Camera:
    """``exact``: a CSS pixel is a pixel of the picture; the size of any other is known to Playwright alone."""

    def __init__(self, *, exact: bool) -> None:
        self._exact = exact
        self._sessions: WeakKeyDictionary[Page, asyncio.Future[CDPSession]] = WeakKeyDictionary()

    def ready(self, page: Page) -> None:
        """Make ready for the window's first picture; does not wait."""
        if self._exact:
            self._session(page)

    async def png(self, page: Page, deadline: Deadline) -> bytes:
        """Return what the window shows, its fonts loaded.

        Raises Playwright's Error, with ``REFUSED`` in it if another try is worth it; BrowserTimeout.
        """
        if not self._exact:
            return await page.screenshot(timeout=deadline.left_ms)
        try:
            async with asyncio.timeout(deadline.left_s):
                return await self._captured(page)
        except TimeoutError as error:
            raise BrowserTimeout(f"the page gave no picture within {deadline.seconds:g} s") from error
        except PlaywrightError as error:
            if REFUSED not in error.message:
                self._sessions.pop(page, None)  # it may be what has failed; the next picture makes another
            raise

    async def _captured(self, page: Page) -> bytes:
        session = await asyncio.shield(self._session(page))
        fonts = asyncio.ensure_future(_fonts_were_loading(session))
        try:
            taken = await session.send("Page.captureScreenshot", _PNG)
            if await fonts:
                taken = await session.send("Page.captureScreenshot", _PNG)
        finally:
            fonts.cancel()
        return base64.b64decode(taken["data"])

    def _session(self, page: Page) -> asyncio.Future[CDPSession]:
        opening = self._sessions.get(page)
        if opening is None:
            opening = self._sessions[page] = asyncio.ensure_future(page.context.new_cdp_session(page))
            opening.add_done_callback(lambda opened: opened.cancelled() or opened.exception())
        return opening


async def _fonts_were_loading(session: CDPSession) -> bool:
    """Return whether there was something to wait for, and wait for it. Asked beside the picture, it costs no time."""
    try:
        async with asyncio.timeout(FONTS_S):
            answer = await session.send("Runtime.evaluate", {"expression": _FONTS, "awaitPromise": True})
    except TimeoutError:
        return True
    except PlaywrightError:  # the page goes elsewhere: its picture, if there is one, shows no such fonts
        return False
    return answer["result"].get("value") is True
