"""Captures one page for all who watch it. Floor 4; the host's loop only.

Chromium's own screencast costs next to nothing on a page that stands still, and up to a core on one that moves without
pause, whatever rate is asked for (measured; docs/decisions). Such a page is photographed twice a second instead, until
two photographs are equal. While a person holds control it is always filmed: a hand needs an eye.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable

import structlog

from runwire.browser.ports import PagePort, Shot
from runwire.errors import BrowserError

log = structlog.get_logger(__name__)

CAP_PER_S = 12
"""Frames a second above which a page counts as moving; typing and scrolling stay below it, animations give 50. A
guess."""
OVER_S = 2.0
"""How long it must move before it is photographed instead."""
POLL_S = 0.5
START_S = 3.0
STOP_S = 0.5
RETRY_S = 0.5
"""Pause after a capture that could not be started: the page is going away, or its browser is."""


class Capture:
    """One page's. Made and stopped by its screen."""

    def __init__(self, page: PagePort, show: Callable[[Shot], None], always_film: Callable[[], bool]) -> None:
        self.page = page
        self._show = show
        self._always_film = always_film
        self._stopped = asyncio.Event()
        self._hot = asyncio.Event()
        self._times: deque[float] = deque(maxlen=int(CAP_PER_S * OVER_S))

    def stop(self) -> None:
        """End it soon; nothing is shown any more."""
        self._stopped.set()

    async def run(self) -> None:
        """Show the page until stopped. Raises nothing: a page that cannot be captured is tried again."""
        while not self._stopped.is_set():
            try:
                await self._film()
                await self._photograph()
            except (BrowserError, TimeoutError) as error:
                log.debug("browser.capture_failed", error=str(error))
                await self._wait(self._stopped, RETRY_S)

    async def _film(self) -> None:
        """Film until stopped, or until the page has moved for too long."""
        self._hot.clear()
        self._times.clear()
        try:
            async with asyncio.timeout(START_S):
                await self.page.cast(self._frame)
            stopped, hot = (asyncio.ensure_future(event.wait()) for event in (self._stopped, self._hot))
            try:
                await asyncio.wait((stopped, hot), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopped.cancel()
                hot.cancel()
        finally:
            with contextlib.suppress(BrowserError, TimeoutError):  # the page is gone, and its capture with it
                async with asyncio.timeout(STOP_S):
                    await self.page.uncast()

    def _frame(self, shot: Shot) -> None:
        if self._stopped.is_set():
            return
        self._show(shot)
        now = time.monotonic()
        self._times.append(now)
        full = len(self._times) == self._times.maxlen
        if full and now - self._times[0] <= OVER_S and not self._always_film():
            self._hot.set()

    async def _photograph(self) -> None:
        """Take pictures until stopped, two are equal, or a person takes control."""
        before = b""
        while not self._stopped.is_set() and not self._always_film():
            shot = await self.page.still(START_S)
            if shot.jpeg == before or self._stopped.is_set():
                return
            before = shot.jpeg
            self._show(shot)
            await self._wait(self._stopped, POLL_S)

    @staticmethod
    async def _wait(event: asyncio.Event, limit_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await event.wait()
