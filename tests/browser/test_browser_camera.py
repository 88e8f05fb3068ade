"""How pictures are asked for, on a session that is played."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError

from runwire.browser.camera import Camera
from runwire.browser.deadline import Deadline


class PlayedPage:
    """A window with the sessions that were opened to it: its fonts may be loading, its first picture may fail."""

    def __init__(self, *, fonts_loading: bool = False, fails_first: bool = False) -> None:
        self.context = self
        self.sessions = 0
        self.pictures = 0
        self._fonts_loading = fonts_loading
        self._fails_first = fails_first

    async def new_cdp_session(self, page: object) -> PlayedPage:
        """Open a session."""
        self.sessions += 1
        return self

    async def send(self, method: str, options: dict[str, object]) -> dict[str, Any]:
        """Answer."""
        if method == "Runtime.evaluate":
            return {"result": {"value": self._fonts_loading}}
        self.pictures += 1
        if self._fails_first and self.pictures == 1:
            raise PlaywrightError("Target closed")
        return {"data": base64.b64encode(b"picture %d" % self.pictures).decode()}


async def test_fonts_that_were_loading_are_in_the_picture() -> None:
    page: Any = PlayedPage(fonts_loading=True)
    assert await Camera(exact=True).png(page, Deadline(1.0)) == b"picture 2"


async def test_one_session_is_kept_until_a_picture_fails() -> None:
    page: Any = PlayedPage(fails_first=True)
    camera = Camera(exact=True)
    with pytest.raises(PlaywrightError):
        await camera.png(page, Deadline(1.0))
    camera.ready(page)
    assert [await camera.png(page, Deadline(1.0)) for _ in range(2)] == [b"picture 2", b"picture 3"]
    assert page.sessions == 2
