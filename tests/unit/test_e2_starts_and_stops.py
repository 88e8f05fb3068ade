"""Mission E2: a failed start cleans up after itself, a second stop is harmless, a time-out is an error of its own."""

from __future__ import annotations

import asyncio

import pytest

from runwire.errors import BrowserTimeout, BrowserUnavailable
from runwire.testing.browser import ScriptedBrowser
from tests.support.pools import PLAIN, pool_on, turns


async def test_e2_failed_start_is_a_clear_reason_and_the_next_try_is_free() -> None:
    browser = ScriptedBrowser(failing={"start": BrowserUnavailable("the driver does not start: no such file")})
    async with pool_on(browser) as pool:
        with pytest.raises(BrowserUnavailable, match="no such file"):
            await pool.acquire(PLAIN)
        browser.failing.clear()
        assert (await pool.acquire(PLAIN)).first_page is not None


async def test_e2_hanging_launch_ends_within_its_bound() -> None:
    browser = ScriptedBrowser(hanging={"launch"})
    async with pool_on(browser, launch_timeout_s=-0.99) as pool:
        with pytest.raises(BrowserUnavailable, match="no browser started within"):
            await pool.acquire(PLAIN)


async def test_e2_hanging_page_is_a_time_out_and_frees_the_slot() -> None:
    browser = ScriptedBrowser(hanging={"page"})
    async with pool_on(browser, slots=1) as pool:
        with pytest.raises(BrowserTimeout, match="opened no page"):
            await pool.acquire(PLAIN)
        browser.resume("page")
        assert (await pool.acquire(PLAIN)).first_page is not None


@pytest.mark.parametrize("phase", ["start", "launch", "context", "page"])
async def test_e2_cancel_in_any_phase_of_creation_leaks_nothing(phase: str) -> None:
    browser = ScriptedBrowser(hanging={phase})
    async with pool_on(browser, slots=1, start_timeout_s=9.0, launch_timeout_s=9.0, open_timeout_s=9.0) as pool:
        waiting = asyncio.create_task(pool.acquire(PLAIN))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert browser.calls[phase] == 1
        browser.resume(phase)  # creation is never cancelled: its late result is adopted
        await turns()
        made = 1 if phase in ("context", "page") else 0
        assert (pool.statistics().parked, browser.open["context"], browser.open["page"]) == (made, made, made)
        seat = await pool.acquire(PLAIN)
        assert (pool.statistics().launches, pool.statistics().warm) == (1, made)
        await pool.release(seat, fault=False)
    assert browser.open.total() == 0


async def test_e2_double_close_is_harmless_and_closed_pool_refuses() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        seat = await pool.acquire(PLAIN)
        await pool.close()
        await pool.close()
        await pool.release(seat, fault=False)
        assert browser.calls["driver.close"] == 1
        with pytest.raises(BrowserUnavailable, match="the server is stopping"):
            await pool.acquire(PLAIN)


async def test_e2_unnoticed_death_costs_one_try_not_the_run() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        await pool.release(await pool.acquire(PLAIN), fault=False)
        browser.shells[0].closed = True
        seat = await pool.acquire(PLAIN)
        assert seat.shell.port is browser.shells[1]
