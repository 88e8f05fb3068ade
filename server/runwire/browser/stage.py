"""What an operation works on at the moment: its page or a popup of it, a frame, the answer to the next dialog.

Floor 4; the host's loop only. A dialog blocks its page until it is answered, so each is answered at once: as the test
has decided beforehand, else by dismissing it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from playwright.async_api import Dialog, FrameLocator, Page
from playwright.async_api import Error as PlaywrightError

from runwire.browser.deadline import Deadline
from runwire.browser.downloads import Downloads
from runwire.browser.typed import TypedSecrets
from runwire.errors import BrowserTimeout

MAX_PAGES = 20
"""Most popups that are followed; a page that opens more gets them closed at once."""
POLL_S = 0.05


@dataclass(eq=False)
class Stage:
    """``page`` is the current one of ``pages``, ``scope`` where elements are looked for: the page or a frame of it.

    ``front`` is what a person in front of the screen would see: the window that was opened or worked on last.
    """

    page: Page
    frame: str | None = None
    pages: list[Page] = field(default_factory=list)
    accept_next: bool = False
    next_text: str = ""
    last_dialog: str | None = None
    secrets: TypedSecrets = field(default_factory=lambda: TypedSecrets({}))
    lines: list[str] = field(default_factory=list)
    """Of the last snapshot."""
    on_front: Callable[[], None] | None = None
    downloads: Callable[[], Downloads | None] = lambda: None
    """What the run's pages download, once it keeps that."""
    front: Page = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the page in front."""
        self.front = self.page

    @classmethod
    def of(cls, page: Page, secrets: TypedSecrets, downloads: Callable[[], Downloads | None]) -> Stage:
        """Return the stage of a new page, listening for its dialogs and popups."""
        stage = cls(page, secrets=secrets, downloads=downloads)
        stage._follow(page)
        return stage

    @property
    def scope(self) -> Page | FrameLocator:
        """Where elements are looked for."""
        if self.frame is None:
            return self.page
        quoted = self.frame.replace("\\", "\\\\").replace('"', '\\"')
        kinds = ("name", "title", "id")
        exact = ", ".join(f'iframe[{kind}="{quoted}"]' for kind in kinds)
        return self.page.frame_locator(f'css={exact}, iframe[src*="{quoted}"]')

    @property
    def windows(self) -> list[Page]:
        """The pages that are open, in the order of their opening."""
        return [page for page in self.pages if not page.is_closed()]

    def inside(self, frame: str) -> Stage:
        """Return the same stage, looking inside a frame."""
        return Stage(self.page, frame, self.pages)

    async def switch(self, *, newest: bool, deadline: Deadline) -> None:
        """Go on in the newest page that was opened, or in the first one. Raises BrowserTimeout if none was opened."""
        while newest and len(self.windows) < 2:
            if deadline.passed:
                raise BrowserTimeout(f"no new tab or window was opened within {deadline.seconds:g} s")
            await asyncio.sleep(POLL_S)
        self.page = self.windows[-1 if newest else 0]
        self.bring(self.page)
        await self.page.wait_for_load_state(timeout=deadline.left_ms)
        await self.page.bring_to_front()

    def bring(self, page: Page) -> None:
        """Note which window is in front, for who watches."""
        if page is not self.front:
            self.front = page
            if self.on_front is not None:
                self.on_front()

    async def close(self) -> None:
        """Close the pages, the newest first."""
        for page in reversed(self.windows):
            await page.close()

    def _follow(self, page: Page) -> None:
        self.pages.append(page)
        page.on("dialog", self._answer)
        page.on("popup", self._popup)
        page.on("close", self._closed)

    async def _popup(self, page: Page) -> None:
        if len(self.windows) < MAX_PAGES:
            self._follow(page)
            self.bring(page)
            return
        await _quietly(page.close())

    def _closed(self, page: Page) -> None:
        left = self.windows
        if page is self.page and left:
            self.page, self.frame = left[-1], None
        if page is self.front and left:
            self.bring(self.page)

    async def _answer(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            await _quietly(dialog.accept())
            return
        self.last_dialog = dialog.message
        accept, text, self.accept_next, self.next_text = self.accept_next, self.next_text, False, ""
        await _quietly(dialog.accept(text) if accept else dialog.dismiss())


async def _quietly(doing: Awaitable[None]) -> None:
    """Await what may fail because the page is going away meanwhile: there is nobody left whom it could disturb."""
    with contextlib.suppress(PlaywrightError):
        await doing
