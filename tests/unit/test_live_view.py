"""Screens on a scripted browser: one capture, the page in front, inputs in order. No Chromium, socket or thread."""

from __future__ import annotations

import pytest

from runwire.browser.screen import INPUTS
from runwire.contracts.browser import BrowserConfig
from runwire.contracts.live_view import Picture
from runwire.errors import Conflict
from runwire.protocol.view import KeyInput
from runwire.testing.browser import ScriptedBrowser, ScriptedPage
from tests.support.pools import pool_on, turns

PLAIN = BrowserConfig()


async def test_one_capture_from_the_first_viewer_to_the_last() -> None:
    browser, seen = ScriptedBrowser(), dict[str, list[Picture]](a=[], b=[])
    async with pool_on(browser) as pool:
        seat = await pool.acquire(PLAIN)
        pool.show(seat, "run")
        await pool.open_page(seat)
        await turns()
        assert browser.calls["cast"] == 0
        one, two = seen["a"].append, seen["b"].append
        pool.screens.watch("run", one)
        await turns()
        pool.screens.watch("run", two)
        await turns()
        assert browser.calls["cast"] == 1
        assert [picture.number for picture in seen["b"]] == [1], "a late viewer gets the newest picture at once"
        pool.screens.unwatch("run", one)
        await turns()
        assert browser.calls["uncast"] == 0
        pool.screens.unwatch("run", two)
        await turns()
        assert browser.calls["uncast"] == 1
        await pool.release(seat, fault=False)


async def test_the_view_goes_from_page_to_page_and_back() -> None:
    browser, seen = ScriptedBrowser(), list[Picture]()
    async with pool_on(browser) as pool:
        pool.screens.watch("run", seen.append)
        seat = await pool.acquire(PLAIN)
        pool.show(seat, "run")
        first = await pool.open_page(seat)
        await turns()
        second = await pool.open_page(seat)
        await turns()
        assert isinstance(first.port, ScriptedPage)
        assert isinstance(second.port, ScriptedPage)
        assert (first.port.show, second.port.show is None) == (None, False)
        await pool.close_page(second)
        await turns()
        assert first.port.show is not None
        await pool.close_page(first)
        await pool.release(seat, fault=False)
        pool.screens.unwatch("run", seen.append)
        assert [picture.number for picture in seen] == [1, 2, 3]


async def test_inputs_come_in_order_before_the_agent_goes_on_and_only_while_held() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        with pytest.raises(Conflict):
            await pool.screens.hold("run", 0.01)
        seat = await pool.acquire(PLAIN)
        pool.show(seat, "run")
        page = await pool.open_page(seat)
        assert isinstance(page.port, ScriptedPage)
        pool.screens.use("run", KeyInput(key="x"))
        assert await pool.screens.hold("run", 0.1)
        for number in range(INPUTS + 5):
            pool.screens.use("run", KeyInput(key=str(number)))
        pool.screens.release("run")
        await page.goto("http://a.test/", 1.0)
        assert page.port.used == [KeyInput(key=str(number)) for number in range(INPUTS)]
        await pool.release(seat, fault=False)
