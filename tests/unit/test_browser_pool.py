"""The pool on a scripted browser: slots, parking, failed starts, close order, health. No Chromium, socket or thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runwire.browser.breaker import FAILURES
from runwire.browser.pool import ContextPool
from runwire.browser.seat import Seat
from runwire.browser.secrets import HttpSecret
from runwire.browser.settings import BrowserHostSettings, CloseBounds
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserError, BrowserLost, BrowserTimeout, BrowserUnavailable
from runwire.testing.browser import ScriptedBrowser, ScriptedEgress

SHORT = CloseBounds(page_s=0.01, context_s=0.01, browser_s=0.01, driver_s=0.01, total_s=0.1)
PLAIN = BrowserConfig()


def settings(**changes: Any) -> BrowserHostSettings:
    """Return settings whose bounds are short and whose watch does not run by itself."""
    chosen: dict[str, Any] = {
        "probe_period_s": 3600.0,
        "probe_timeout_s": 0.01,
        "start_timeout_s": 0.02,
        "launch_timeout_s": 0.02,
        "open_timeout_s": 0.02,
        "slot_timeout_s": 0.02,
        "close": SHORT,
        **changes,
    }
    return BrowserHostSettings(**chosen)


@asynccontextmanager
async def pool_on(browser: ScriptedBrowser, **changes: Any) -> AsyncIterator[ContextPool]:
    """Make a pool, and close it after the test."""
    pool = ContextPool(settings(**changes), "chromium", browser.start_driver, lambda: None, ScriptedEgress)
    try:
        yield pool
    finally:
        for name in tuple(browser.hanging):
            browser.resume(name)
        await pool.close()


async def turns(count: int = 30) -> None:
    """Let what is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


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


async def test_no_context_serves_two_runs() -> None:
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


async def test_full_pool_says_so_within_a_bound() -> None:
    async with pool_on(ScriptedBrowser(), slots=1) as pool:
        held = await pool.acquire(PLAIN)
        with pytest.raises(BrowserUnavailable, match="all 1 browser slots were busy"):
            await pool.acquire(PLAIN)
        await pool.release(held, fault=False)


@pytest.mark.parametrize("phase", ["start", "launch", "context", "page"])
async def test_cancel_in_any_phase_of_creation_leaks_nothing(phase: str) -> None:
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


async def test_failed_start_is_a_clear_reason_and_the_next_try_is_free() -> None:
    browser = ScriptedBrowser(failing={"start": BrowserUnavailable("the driver does not start: no such file")})
    async with pool_on(browser) as pool:
        with pytest.raises(BrowserUnavailable, match="no such file"):
            await pool.acquire(PLAIN)
        browser.failing.clear()
        assert (await pool.acquire(PLAIN)).first_page is not None


async def test_hanging_launch_ends_within_its_bound() -> None:
    browser = ScriptedBrowser(hanging={"launch"})
    async with pool_on(browser, launch_timeout_s=-0.99) as pool:
        with pytest.raises(BrowserUnavailable, match="no browser started within"):
            await pool.acquire(PLAIN)


async def test_hanging_page_is_a_time_out_and_frees_the_slot() -> None:
    browser = ScriptedBrowser(hanging={"page"})
    async with pool_on(browser, slots=1) as pool:
        with pytest.raises(BrowserTimeout, match="opened no page"):
            await pool.acquire(PLAIN)
        browser.resume("page")
        assert (await pool.acquire(PLAIN)).first_page is not None


async def test_five_failed_launches_open_the_circuit() -> None:
    browser = ScriptedBrowser(failing={"launch": BrowserUnavailable("it died")})
    async with pool_on(browser) as pool:
        for _ in range(FAILURES):
            with pytest.raises(BrowserUnavailable, match="it died"):
                await pool.acquire(PLAIN)
        with pytest.raises(BrowserUnavailable, match="the next try is in 15 s"):
            await pool.acquire(PLAIN)
        assert browser.calls["launch"] == FAILURES
        assert pool.statistics().circuit == "open"


async def test_close_goes_page_context_browser_driver() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        await pool.close_page(await pool.open_page(seat))
        await pool.release(seat, fault=False)
        await pool.close()
        assert browser.order == ["page", "context", "browser", "driver"]


@pytest.mark.parametrize("hanging", ["page.close", "context.close", "browser.close", "driver.close"])
async def test_one_hung_close_stops_no_other(hanging: str) -> None:
    browser = ScriptedBrowser(hanging={hanging})
    async with pool_on(browser, parked_pages=0, slots=1) as pool:
        seat = await pool.acquire(PLAIN)
        await pool.close_page(await pool.open_page(seat))
        await pool.release(seat, fault=False)
        again = await pool.acquire(PLAIN)  # a hung close holds no slot
        await pool.release(again, fault=False)
        await pool.close()
        assert pool.statistics().hung_closes[hanging.partition(".")[0]] >= 1
        assert [part for part in browser.order if part in ("browser", "driver")][-2:] == ["browser", "driver"]


async def test_failing_close_stops_no_other() -> None:
    browser = ScriptedBrowser(failing={f"{part}.close": BrowserError("x") for part in ("page", "context", "browser")})
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        await pool.close_page(await pool.open_page(seat))
        await pool.release(seat, fault=False)
        await pool.close()
        assert browser.order == ["page", "context", "browser", "driver"]


async def test_browser_with_a_hung_context_takes_no_more_runs() -> None:
    browser = ScriptedBrowser(hanging={"context.close"})
    async with pool_on(browser, parked_pages=0) as pool:
        await pool.release(await pool.acquire(PLAIN), fault=False)
        browser.resume("context.close")
        await pool.acquire(PLAIN)
        assert len(browser.shells) == 2
        assert pool.statistics().removed == {"hung": 1}


async def test_double_close_is_harmless_and_closed_pool_refuses() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        seat = await pool.acquire(PLAIN)
        await pool.close()
        await pool.close()
        await pool.release(seat, fault=False)
        assert browser.calls["driver.close"] == 1
        with pytest.raises(BrowserUnavailable, match="the server is stopping"):
            await pool.acquire(PLAIN)


async def round_of(pool: ContextPool) -> None:
    """Have the watch look once."""
    await pool.watch_once()
    await turns()


async def test_silent_browser_leaves_the_pool_and_the_next_run_gets_another() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        seat = await pool.acquire(PLAIN)
        await turns()
        browser.hanging.add("probe")
        await round_of(pool)
        browser.resume("probe")
        assert pool.statistics().removed == {"silent": 1}
        assert pool.statistics().parked == 0
        other = await pool.acquire(PLAIN)
        assert other.shell is not seat.shell


async def test_browser_that_answers_again_stays() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        await pool.acquire(PLAIN)
        await round_of(pool)
        assert [shell.health for shell in pool.statistics().browsers] == ["healthy"]


async def test_silent_driver_is_replaced_with_all_its_browsers() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        await pool.acquire(PLAIN)
        await turns()
        browser.hanging |= {"probe", "driver.probe", "driver.close"}
        await round_of(pool)
        for name in tuple(browser.hanging):
            browser.resume(name)
        await pool.acquire(PLAIN)
        assert pool.statistics().drivers == 2


async def test_page_of_a_lost_browser_says_lost() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        seat = await pool.acquire(PLAIN)
        page = await pool.open_page(seat)
        browser.shells[0].closed = True
        with pytest.raises(BrowserLost):
            await page.title(1.0)
        await pool.release(seat, fault=True)
        assert browser.calls["discard"] == 1, "what it had downloaded goes although nothing of it can be closed"


async def test_unnoticed_death_costs_one_try_not_the_run() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        await pool.release(await pool.acquire(PLAIN), fault=False)
        browser.shells[0].closed = True
        seat = await pool.acquire(PLAIN)
        assert seat.shell.port is browser.shells[1]


async def test_worn_browser_drains_before_it_goes() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, max_runs=1, parked_pages=0) as pool:
        first = await pool.acquire(PLAIN)
        second = await pool.acquire(PLAIN)
        await pool.release(first, fault=False)
        await round_of(pool)
        assert [shell.health for shell in pool.statistics().browsers] == ["draining"]
        assert await (await pool.open_page(second)).title(1.0)
        await pool.release(second, fault=False)
        await turns()
        assert pool.statistics().removed == {"worn": 1}


async def test_idle_parked_pages_are_reaped() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_idle_s=0.0) as pool:
        await pool.acquire(PLAIN)
        await turns()
        assert pool.statistics().parked == 2
        await round_of(pool)
        assert (pool.statistics().parked, browser.open["context"]) == (0, 1)


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


async def test_three_lost_runs_in_a_row_make_a_browser_suspect() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        seats = [await pool.acquire(PLAIN) for _ in range(3)]
        for seat in seats:
            await pool.release(seat, fault=True)
        assert [(shell.health, shell.errors) for shell in pool.statistics().browsers] == [("suspect", 3)]


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
