"""Mission E4: idle pages are closed, rapid re-creation is broken off, pages are reused only when safe."""

from __future__ import annotations

import pytest

from runwire.browser.breaker import FAILURES
from runwire.errors import BrowserUnavailable
from runwire.testing.browser import ScriptedBrowser
from tests.support.clock import ManualClock
from tests.support.pools import PLAIN, pool_on, round_of, turns


async def test_e4_pages_that_nobody_took_for_a_minute_are_closed() -> None:
    browser, clock = ScriptedBrowser(), ManualClock()
    async with pool_on(browser, clock.monotonic) as pool:
        await pool.acquire(PLAIN)
        await turns()
        clock.pass_s(59)
        await round_of(pool)
        assert (pool.statistics().parked, browser.open["context"]) == (2, 3)
        clock.pass_s(2)
        await round_of(pool)
        assert (pool.statistics().parked, browser.open["context"]) == (0, 1), "the run's own page stays"


async def test_e4_five_failed_launches_open_the_circuit_for_15_s_then_one_may_try() -> None:
    browser, clock = ScriptedBrowser(failing={"launch": BrowserUnavailable("it died")}), ManualClock()
    async with pool_on(browser, clock.monotonic) as pool:
        for _ in range(FAILURES):
            with pytest.raises(BrowserUnavailable, match="it died"):
                await pool.acquire(PLAIN)
        with pytest.raises(BrowserUnavailable, match="the next try is in 15 s"):
            await pool.acquire(PLAIN)
        assert (browser.calls["launch"], pool.statistics().circuit) == (FAILURES, "open")
        clock.pass_s(15)
        with pytest.raises(BrowserUnavailable, match="it died"):
            await pool.acquire(PLAIN)
        with pytest.raises(BrowserUnavailable, match="the next try is in 15 s"):
            await pool.acquire(PLAIN)
        assert browser.calls["launch"] == FAILURES + 1, "one trial, and the door is closed again"
        clock.pass_s(15)
        browser.failing.clear()
        await pool.acquire(PLAIN)
        assert pool.statistics().circuit == "closed"


async def test_e4_failures_that_lie_far_apart_open_nothing() -> None:
    browser, clock = ScriptedBrowser(failing={"launch": BrowserUnavailable("it died")}), ManualClock()
    async with pool_on(browser, clock.monotonic) as pool:
        for _ in range(2 * FAILURES):
            with pytest.raises(BrowserUnavailable, match="it died"):
                await pool.acquire(PLAIN)
            clock.pass_s(20)
        assert pool.statistics().circuit == "closed"


async def test_e4_a_browser_that_has_served_an_hour_goes_when_its_runs_have_ended() -> None:
    browser, clock = ScriptedBrowser(), ManualClock()
    async with pool_on(browser, clock.monotonic, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        clock.pass_s(3_601)
        await round_of(pool)
        assert [shell.health for shell in pool.statistics().browsers] == ["draining"]
        await pool.release(seat, fault=False)
        await turns()
        assert pool.statistics().removed == {"worn": 1}


async def test_e4_a_run_gets_its_waiting_page_once_and_new_ones_of_the_same_context_after_it() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        first = await pool.open_page(seat)
        await pool.close_page(first)
        second = await pool.open_page(seat)
        assert second.port is not first.port
        pages = [part for part in browser.parts if part.kind == "page"]
        assert [id(page.parent) for page in pages] == [id(seat.context)] * 2
        await pool.release(seat, fault=False)


async def test_e4_no_context_serves_two_runs() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        seen = set()
        for _ in range(10):
            seat = await pool.acquire(PLAIN)
            seen.add(id(seat.context))
            await pool.release(seat, fault=False)
            assert seat.closed
            await turns()
        assert browser.calls["context.close"] == 10
        assert pool.statistics().launches == 1
