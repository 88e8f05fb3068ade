"""The pool on a scripted browser: slots, parking, configurations. No Chromium, socket or thread."""

from __future__ import annotations

import asyncio

import pytest

from runwire.browser.pool import QUEUE_S
from runwire.browser.seat import Seat
from runwire.browser.secrets import HttpSecret
from runwire.browser.settings import CloseBounds
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserUnavailable
from runwire.testing.browser import ScriptedBrowser
from tests.support.clock import ManualClock
from tests.support.pools import PLAIN, pool_on, turns


async def test_parked_page_is_taken_and_replaced() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        first = await pool.acquire(PLAIN)
        await turns()
        assert pool.statistics().parked == 2
        second = await pool.acquire(PLAIN)
        await turns()
        statistics = pool.statistics()
        assert (statistics.leases, statistics.warm, statistics.parked, statistics.launches) == (2, 1, 2, 1)
        assert first.context is not second.context
    assert browser.open.total() == 0


async def test_pages_are_parked_per_configuration() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        await pool.acquire(PLAIN)
        await turns()
        narrow = await pool.acquire(BrowserConfig(only_hosts=("a.test",)))
        german = await pool.acquire(BrowserConfig(locale="de-DE"))
        assert pool.statistics().warm == 1  # where it may go is no matter of making, a locale is
        assert narrow.config == PLAIN
        assert german.config.locale == "de-DE"


async def test_slots_bound_the_runs_and_a_waiter_is_served_first_come() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, slots=1, parked_pages=0, slot_timeout_s=5.0) as pool:
        held = await pool.acquire(PLAIN)
        order: list[str] = []

        async def wait(name: str) -> Seat:
            seat = await pool.acquire(PLAIN)
            order.append(name)
            return seat

        first, second = asyncio.create_task(wait("first")), asyncio.create_task(wait("second"))
        await turns()
        assert (order, pool.statistics().waiting) == ([], 2)
        await pool.release(held, fault=False)
        await pool.release(await first, fault=False)
        await pool.release(await second, fault=False)
        assert order == ["first", "second"]


async def test_a_context_that_does_not_close_holds_no_slot() -> None:
    browser = ScriptedBrowser()
    patient = CloseBounds(page_s=30.0, context_s=30.0)
    async with pool_on(browser, slots=1, parked_pages=0, close=patient) as pool:
        ended = await pool.acquire(PLAIN)
        browser.hanging.add("context.close")
        closing = asyncio.create_task(pool.release(ended, fault=False))
        await turns()
        following = await pool.acquire(PLAIN)
        assert (closing.done(), pool.statistics().leased) == (False, 1)
        browser.resume("context.close")
        await closing
        await pool.release(following, fault=False)
        assert browser.open["context"] == 0


async def test_no_page_is_parked_beside_full_slots_unless_runs_queue_for_them() -> None:
    browser, clock = ScriptedBrowser(), ManualClock()
    async with pool_on(browser, clock.monotonic, slots=2) as pool:
        first = await pool.acquire(PLAIN)
        await turns()
        await pool.acquire(PLAIN)
        await turns()
        assert pool.statistics().parked == 0
        await pool.release(first, fault=False)
        await turns()
        assert pool.statistics().parked == 1
        following = await pool.acquire(PLAIN)  # at once: there is a queue
        await turns()
        assert (pool.statistics().parked, pool.statistics().warm) == (1, 2)
        clock.pass_s(QUEUE_S)
        await pool.release(following, fault=False)
        clock.pass_s(QUEUE_S)
        await pool.acquire(PLAIN)
        await turns()
        assert pool.statistics().parked == 0


async def test_full_pool_says_so_within_a_bound() -> None:
    async with pool_on(ScriptedBrowser(), slots=1) as pool:
        held = await pool.acquire(PLAIN)
        with pytest.raises(BrowserUnavailable, match="all 1 browser slots were busy"):
            await pool.acquire(PLAIN)
        await pool.release(held, fault=False)


async def test_own_browser_per_run_dies_with_the_run() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, isolation="browser", slots=2) as pool:
        first, second = await pool.acquire(PLAIN), await pool.acquire(PLAIN)
        assert first.shell is not second.shell
        await pool.release(first, fault=False)
        await pool.release(second, fault=False)
        assert browser.open["browser"] == 0


async def test_cancelled_runs_with_browsers_of_their_own_never_launch_more_than_there_are_slots() -> None:
    browser = ScriptedBrowser(hanging={"launch"})
    async with pool_on(browser, isolation="browser", slots=2, start_timeout_s=9.0, launch_timeout_s=9.0) as pool:
        for _ in range(6):
            waiting = asyncio.create_task(pool.acquire(PLAIN))
            await turns()
            waiting.cancel()
            await asyncio.wait([waiting])
        assert browser.calls["launch"] == 2  # what was cancelled is still being launched, to be closed
        browser.resume("launch")
        await turns()
        assert browser.open["browser"] == 0
        for _ in range(2):
            await pool.acquire(PLAIN)
        assert browser.open["browser"] == 2


async def test_pages_of_many_configurations_are_parked_within_one_bound() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_in_all=3) as pool:
        for number in range(6):
            await pool.release(await pool.acquire(BrowserConfig(width=1000 + number)), fault=False)
            await turns()
        assert pool.statistics().parked == 3
        assert browser.open["context"] == 3
        newest = await pool.acquire(BrowserConfig(width=1005))
        assert pool.statistics().warm == 1
        await pool.release(newest, fault=False)


async def test_no_page_is_parked_in_a_browser_with_windows_where_each_is_seen() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, headless=False) as pool:
        seat = await pool.acquire(PLAIN)
        await turns()
        assert (pool.statistics().parked, browser.open["page"]) == (0, 1)
        await pool.release(seat, fault=False)
        await turns()
        assert (pool.statistics().parked, browser.open["context"]) == (0, 0)


async def test_a_context_that_logs_somebody_in_is_never_parked() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        await pool.release(await pool.acquire(BrowserConfig(storage_state="{}")), fault=False)
        await turns()
        assert (pool.statistics().parked, browser.open["context"]) == (0, 0)


async def test_a_secret_is_given_to_its_context_and_an_unknown_one_is_told() -> None:
    browser, secret = ScriptedBrowser(), HttpSecret("u", "p", "https://a.test")
    async with pool_on(browser, secrets={"staging": secret}) as pool:
        await pool.release(await pool.acquire(BrowserConfig(http_auth="staging")), fault=False)
        assert browser.configs[0][1] == secret
        with pytest.raises(BrowserUnavailable, match="no secret 'other'"):
            await pool.acquire(BrowserConfig(http_auth="other"))
        assert browser.open["proxy"] == 0
