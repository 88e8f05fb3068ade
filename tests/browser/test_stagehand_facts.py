"""What an element is, asked of a page whose scripts have changed what they could to make it look harmless."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect

from runwire.agents.stagehand.facts import facts_of, question
from runwire.agents.stagehand.witness import Witness, witness_at
from runwire.contracts.browser import BrowserConfig, ElementFacts
from tests.browser.conftest import WHOLE, MakeHost
from tests.browser.test_own_browser_egress import Page

pytestmark = pytest.mark.timeout(30)


async def asked(witness: Witness, page: Page, selector: str | None) -> ElementFacts | None:
    return facts_of(await witness.tell(page.target_id, question(selector)))


async def is_gone(page: Page, browser: Page) -> None:
    """Wait until a page that was closed is known no more."""
    async with asyncio.timeout(5):
        while True:
            targets = (await browser.send("Target.getTargets"))["targetInfos"]
            if page.target_id not in [one["targetId"] for one in targets]:
                return
            await asyncio.sleep(0.02)


async def test_a_page_cannot_make_up_what_its_elements_are(make_host: MakeHost, site: str) -> None:
    host = make_host(executable=WHOLE)
    async with (
        host.own("run", BrowserConfig()) as own,
        connect(own.cdp_url, proxy=None) as socket,
        witness_at(own.cdp_url) as witness,
    ):
        page = Page(socket)
        await page.open()
        await page.text_at(f"{site}/lying.html")
        selector = "xpath=/html[1]/body[1]/form[1]/button[1]/text()[1]"
        told = facts_of(await page.tell(question(selector)))
        assert told is not None
        assert (told.role, told.name) == ("heading", "Next"), "its own world lies"
        button = await asked(witness, page, selector)
        assert button is not None
        assert (button.role, button.name, button.href, button.submits) == ("button", "Delete account", None, True)
        assert button.form_action == f"{site}/pay"
        inner = await asked(witness, page, "xpath=/html[1]/body[1]/iframe[1]/html[1]/body[1]/button[1]")
        assert inner is not None
        assert inner.name == "Erase"
        shadow = await asked(witness, page, "xpath=/html[1]/body[1]/div[1]//button[1]")
        assert shadow is None, "in the shadow tree lies another button than in the light"
        for selector in ("xpath=/html[1]/body[1]/b[7]", "xpath=][", "xpath=/html[1]/body[1]/iframe[1]"):
            assert await asked(witness, page, selector) is None

        for what, name in (("#delete", "Delete account"), ("input", "Query"), ("closed", None), ("iframe", None)):
            await page.tell(f"focusOn({what!r})")
            focused = await asked(witness, page, None)
            assert (focused and focused.name) == name, what
        await page.tell("document.querySelector('iframe').contentDocument.querySelector('button').focus()")
        focused = await asked(witness, page, None)
        assert focused is not None
        assert focused.name == "Erase"

        other = Page(socket)
        await other.open()
        assert await asked(witness, other, None) is None
        await other.send("Page.close")
        await is_gone(other, Page(socket))
        assert await asked(witness, other, None) is None
        assert await asked(witness, page, None) is not None
