"""Chromium's screencast of the window in front, and a person's hands in it. Floor 4; the host's loop only."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from runwire.browser.ports import Shot
from runwire.browser.stage import Stage
from runwire.protocol.view import Input, KeyInput, MouseInput, TextInput, WheelInput

QUALITY = 60
"""JPEG quality of pictures: text stays sharp, a page takes 10 to 80 KB."""
LONGEST = 1_600
"""Most pixels of a picture's side; a larger viewport is scaled down."""


class Cast:
    """The screencast of one stage; each frame is acknowledged at once, so Chromium sends the next when there is one."""

    def __init__(self, stage: Stage, show: Callable[[Shot], None]) -> None:
        self._stage = stage
        self._show = show
        self._session: CDPSession | None = None
        self._page: Page | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()
        self._ended = False

    async def start(self) -> None:
        """Begin with the window in front, and follow it. Raises Playwright's Error."""
        self._stage.on_front = lambda: self._spawn(self._move)
        async with self._lock:
            await self._attach()

    async def stop(self) -> None:
        """End it. Raises Playwright's Error if the window has gone: then there is nothing to end."""
        self._ended = True
        self._stage.on_front = None
        for task in tuple(self._tasks):
            task.cancel()
        async with self._lock:
            await self._detach()

    async def _move(self) -> None:
        async with self._lock:
            if not self._ended and self._stage.front is not self._page:
                await self._detach()
                await self._attach()

    async def _attach(self) -> None:
        page = self._page = self._stage.front
        session = self._session = await page.context.new_cdp_session(page)
        session.on("Page.screencastFrame", lambda frame: self._frame(session, frame))
        options = {"format": "jpeg", "quality": QUALITY, "maxWidth": LONGEST, "maxHeight": LONGEST}
        await session.send("Page.startScreencast", options)

    async def _detach(self) -> None:
        session, self._session, self._page = self._session, None, None
        if session is not None:
            with contextlib.suppress(PlaywrightError):  # its window is closed
                await session.detach()  # and with the session its screencast ends

    def _frame(self, session: CDPSession, frame: dict[str, Any]) -> None:
        if session is not self._session:
            return
        facts = frame["metadata"]
        size = round(facts["deviceWidth"]), round(facts["deviceHeight"])
        self._show(Shot(*size, base64.b64decode(frame["data"]), filmed=True))
        self._spawn(partial(_acknowledge, session, frame["sessionId"]))

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def photograph(stage: Stage, timeout_s: float) -> Shot:
    """Return a picture of the window in front. Raises Playwright's Error."""
    page = stage.front
    jpeg = await page.screenshot(type="jpeg", quality=QUALITY, timeout=timeout_s * 1000)
    size = page.viewport_size
    return Shot(*((size["width"], size["height"]) if size else (0, 0)), jpeg, filmed=False)


async def use(stage: Stage, what: Input) -> None:
    """Do it to the window in front. Raises Playwright's Error, such as ``Unknown key``."""
    page = stage.front
    match what:
        case MouseInput(action="move"):
            await page.mouse.move(what.x, what.y)
        case MouseInput(action="down" | "up"):
            await page.mouse.move(what.x, what.y)
            press = page.mouse.down if what.action == "down" else page.mouse.up
            await press(button=what.button, click_count=what.clicks)
        case MouseInput():
            await page.mouse.click(what.x, what.y, button=what.button, click_count=2 if what.action == "double" else 1)
        case WheelInput():
            await page.mouse.move(what.x, what.y)
            await page.mouse.wheel(what.dx, what.dy)
        case KeyInput(action="press"):
            await page.keyboard.press(what.key)
        case KeyInput():
            await (page.keyboard.down if what.action == "down" else page.keyboard.up)(what.key)
        case TextInput():
            await page.keyboard.insert_text(what.text)


async def _acknowledge(session: CDPSession, number: int) -> None:
    await session.send("Page.screencastFrameAck", {"sessionId": number})


async def _quietly(work: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(PlaywrightError):  # the window is going away
        await work()
