"""Actions and expectations on real pages."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError

from runwire.browser.camera import Camera
from runwire.browser.chromium import translated
from runwire.browser.host import BrowserHost
from runwire.browser.page import ChromiumPage
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserError, BrowserTimeout
from runwire.protocol.steps.actions import Navigate
from runwire.protocol.steps.grammar import parse_step

pytestmark = pytest.mark.timeout(30)

PASSING = [
    'Verify text "Came late"',
    'Verify text "Line one goes on"',
    'Verify text "secret text" is not visible',
    'Verify element "Pay" is enabled',
    'Check "Gift"',
    'Verify element "Gift" is checked',
    'Uncheck "Gift"',
    'Verify element "Gift" is not checked',
    "Verify value of Quantity is 2",
    'Fill "Quantity" with "7"',
    'Verify value of "Quantity" is 7',
    'Type "abc" into "Search here"',
    'Press Enter on "Search here"',
    'Verify text "Searched abc"',
    'Hover over "Menu"',
    'Verify text "Opened by hovering"',
    'Double-click "Menu"',
    'Verify text "Clicked twice"',
    'Right-click "Menu"',
    'Verify text "Other button"',
    'Click "Add" in "Pear"',
    'Verify text "Added Pear"',
    'Click 1st "Add"',
    'Verify text "Added Apple"',
    'Click last "Add"',
    'Verify text "Added Pear"',
    'Verify number of button "Add" is 2',
    'Verify attribute "href" of test id "home-link" contains "#x"',
    'Click test id "home-link"',
    'Verify URL contains "#x"',
    "Go back",
    'Verify URL does not contain "#x"',
    'Scroll to "Home"',
    'Clear "Quantity"',
    'Verify value of "Quantity" is ""',
    'Click css "#gift"',
    'Verify title is "States"',
    'Verify title is not "Other"',
    'Wait for "Menu"',
    "Wait for 10ms seconds",
    "Reload",
    'Wait for "Came late" to disappear',
    'Verify text "Came late"',
]


async def test_each_sentence_does_what_it_says(host: BrowserHost, site: str) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        for index, sentence in enumerate(PASSING, start=1):
            await page.perform(parse_step(index, sentence).action, timeout_s=2)


async def test_what_can_be_scrolled_is_scrolled_and_things_are_dragged(host: BrowserHost, site: str) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/boxes.html", timeout_s=5)
        for sentence in (
            "Wait for the page to load",
            'Drag the "Card" button onto "Done"',
            'I should see "Dropped"',
            "Scroll down",
            'Verify text "in between"',
            "Scroll to the bottom of the page",
            'Verify text "at the bottom"',
            "Scroll up",
            'Verify text "in between"',
            "Scroll to the top",
            'Verify text "at the top"',
        ):
            await page.perform(parse_step(1, sentence).action, timeout_s=2)


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ('Click "Pya"', '"Pya" was not found within 0.5 s on {site}/hidden.html; nearest is button "Pay"'),
        (
            'Click "Add"',
            '"Add" fits 2 elements (button "Add" in "Apple", button "Add" in "Pear"); say which: "Add" in "Apple"',
        ),
        ('Click "Add" in "Plum"', '; nothing on the page says "Plum"'),
        (
            'Fill "Pay" with "x"',
            'field "Pay" was not found within 0.5 s on {site}/hidden.html; nearest is button "Pay"',
        ),
        ('Fill "Zzz" with "x"', '; the page shows field "Quantity", '),
        ('In frame "pay": Click "Pay"', 'there is no frame "pay" on the page, nor any other'),
        ('Verify dialog "Really?"', "no dialog was opened within 0.5 s"),
        ('Click 3rd "Add"', '3rd "Add" was looked for, but only 2 such elements are visible'),
        ('Verify text "secret text"', 'the text "secret text" was not found within 0.5 s'),
        ('Verify text "Came late" is not visible', 'the text "Came late" was still visible after 0.5 s'),
        ('Verify title is "Shop"', 'the title was expected to be "Shop" within 0.5 s, but is "States"'),
        ('Verify value of "Quantity" is 3', 'expected to be "3" within 0.5 s, but is "2"'),
        ('Verify element "Gift" is checked', '"Gift" was expected to be "checked" within 0.5 s, but is "not checked"'),
        ('Select "x" from "Quantity"', '"Quantity" is no list of options; click it, then click what it opens'),
        ("Go forward", "there is no page to go forward to"),
        ('Click css "!!"', "css"),
    ],
)
async def test_failure_says_what_was_looked_for(host: BrowserHost, site: str, sentence: str, message: str) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        await page.perform(parse_step(1, 'Verify text "Came late"').action, timeout_s=2)
        with pytest.raises(BrowserError) as caught:
            await page.perform(parse_step(1, sentence).action, timeout_s=0.5)
    assert message.format(site=site) in caught.value.message


async def test_endless_script_is_a_time_out_and_the_next_run_is_unharmed(host: BrowserHost, site: str) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/loop.html", timeout_s=5)
        with pytest.raises(BrowserTimeout):
            await page.perform(parse_step(1, 'Click "Freeze"').action, timeout_s=0.5)
        with pytest.raises(BrowserTimeout):
            await page.perform(parse_step(2, 'Verify text "x"').action, timeout_s=0.5)
    async with host.lease("run2", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)


@pytest.mark.parametrize("sentence", ['Click "Leave"', 'Press Enter on "Word"'])
async def test_what_closes_its_own_window_is_done_and_the_run_goes_on_in_the_one_behind(
    host: BrowserHost, site: str, sentence: str
) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/leaving.html", timeout_s=5)
        for step in ('Click "Open"', "Switch to new tab", "Verify URL contains #window", sentence):
            await page.perform(parse_step(1, step).action, timeout_s=3)
        assert await page.url() == f"{site}/leaving.html"
        assert (await page.screenshot(timeout_s=3)).startswith(b"\x89PNG")


async def test_dialogs_and_popups_do_not_hold_a_run(host: BrowserHost, site: str) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/popups.html", timeout_s=5)
        for sentence in ('Click "Alert"', 'Verify text "after alert"', 'Click "Storm"', 'Verify title is "Popups"'):
            await page.perform(parse_step(1, sentence).action, timeout_s=3)


async def test_page_tells_title_address_text_and_picture(host: BrowserHost, site: str) -> None:
    async with host.lease("run", BrowserConfig(width=400, height=300)) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        assert await page.title() == "States"
        assert await page.url() == f"{site}/hidden.html"
        assert "Quantity" in await page.text()
        picture = await page.screenshot()
        assert (picture[:4], int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (b"\x89PNG", 400, 300)


async def test_name_that_begins_with_the_text_comes_before_one_that_contains_it(host: BrowserHost, site: str) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/samples/shop/index.html", timeout_s=5)
        await page.perform(parse_step(1, 'Click "Cart"').action, timeout_s=3)  # "Cart (0)", not one of "Add to cart"
        await page.perform(parse_step(2, 'Verify URL contains "cart.html"').action, timeout_s=3)


async def test_a_picture_has_the_pixels_of_the_device(host: BrowserHost, site: str) -> None:
    handy = BrowserConfig(width=400, height=600, scale=2, mobile=True)
    async with host.lease("run", handy) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        picture = await page.screenshot()
        assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (800, 1200)


async def test_a_font_that_does_not_come_holds_a_picture_up_for_a_while_only(
    host: BrowserHost, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runwire.browser.camera.FONTS_S", 0.3)
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        with pytest.raises(BrowserTimeout):  # its load event waits for the font too
            await page.goto(f"{site}/fonts.html", timeout_s=0.5)
        began = time.monotonic()
        assert (await page.screenshot()).startswith(b"\x89PNG")
        assert 0.3 <= time.monotonic() - began < 3.0


class NavigatingPage:
    """As much of a Playwright page as a screenshot needs: refuses the first, as while a navigation commits."""

    def __init__(self) -> None:
        self.asked = 0

    def on(self, event: str, listener: object) -> None:
        """Hear nothing."""

    async def screenshot(self, **options: float) -> bytes:
        """Refuse once."""
        self.asked += 1
        if self.asked == 1:
            raise PlaywrightError("Protocol error (Page.captureScreenshot): Unable to capture screenshot")
        return b"picture"


async def test_picture_refused_while_a_navigation_commits_is_taken_again() -> None:
    page: Any = NavigatingPage()
    assert await ChromiumPage(page, translated, Camera(exact=False)).screenshot(2.0) == b"picture"


async def test_missing_server_is_told_not_shown(host: BrowserHost, site: str) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        with pytest.raises(BrowserError, match="not public"):
            await page.perform(Navigate("http://127.0.0.1:1/"), timeout_s=3)
