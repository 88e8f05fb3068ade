"""Mission E3: errors are counted for each browser; the unhealthy, frozen and stale leave, each with its reason."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import pytest

from runwire.browser.closing import CloseCounts
from runwire.browser.fleet import Fleet
from runwire.browser.health import Health
from runwire.browser.owned import OwnedTasks
from runwire.errors import BrowserLost
from runwire.testing.browser import ScriptedBrowser
from tests.support.clock import ManualClock
from tests.support.pools import PLAIN, pool_on, round_of, settings, turns


async def test_e3_three_lost_runs_in_a_row_make_a_browser_suspect() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        seats = [await pool.acquire(PLAIN) for _ in range(3)]
        for seat in seats:
            await pool.release(seat, fault=True)
        assert [(shell.health, shell.errors) for shell in pool.statistics().browsers] == [("suspect", 3)]
        await round_of(pool)
        assert [shell.health for shell in pool.statistics().browsers] == ["healthy"], "it has answered"


async def test_e3_only_three_in_a_row_make_it_suspect() -> None:
    async with pool_on(ScriptedBrowser(), parked_pages=0) as pool:
        seen = []
        for fault in (True, True, False, True, True, True):
            await pool.release(await pool.acquire(PLAIN), fault=fault)
            seen += [shell.health for shell in pool.statistics().browsers]  # before a probe says that it is well
            await turns()
        assert seen == ["healthy"] * 5 + ["suspect"]
        assert [(shell.health, shell.errors) for shell in pool.statistics().browsers] == [("healthy", 5)]


async def test_e3_reasons_reuse_and_close_times_are_told() -> None:
    browser, clock = ScriptedBrowser(), ManualClock()
    async with pool_on(browser, clock.monotonic, parked_pages=1, max_runs=4) as pool:
        assert pool.statistics().reuse_ratio == 1.0
        for _ in range(4):
            seat = await pool.acquire(PLAIN)
            await pool.close_page(await pool.open_page(seat))
            await pool.release(seat, fault=False)
            await turns()
        statistics = pool.statistics()
        assert (statistics.leases, statistics.launches, statistics.reuse_ratio, statistics.warm_ratio) == (
            4,
            1,
            0.75,
            0.75,
        )
        assert {part: times.count for part, times in statistics.close_s} == {"page": 4, "context": 4, "proxy": 4}
        await round_of(pool)
        assert pool.statistics().removed == {"worn": 1}


async def test_e3_silent_browser_leaves_the_pool_and_the_next_run_gets_another() -> None:
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


async def test_e3_browser_that_answers_again_stays() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        await pool.acquire(PLAIN)
        await round_of(pool)
        assert [shell.health for shell in pool.statistics().browsers] == ["healthy"]


async def test_e3_silent_driver_is_replaced_with_all_its_browsers() -> None:
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


async def test_e3_page_of_a_lost_browser_says_lost() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser) as pool:
        seat = await pool.acquire(PLAIN)
        page = await pool.open_page(seat)
        browser.shells[0].closed = True
        with pytest.raises(BrowserLost):
            await page.title(1.0)
        await pool.release(seat, fault=True)
        assert browser.calls["discard"] == 1, "what it had downloaded goes although nothing of it can be closed"


async def test_e3_browser_with_a_hung_context_takes_no_more_runs() -> None:
    browser = ScriptedBrowser(hanging={"context.close"})
    async with pool_on(browser, parked_pages=0) as pool:
        await pool.release(await pool.acquire(PLAIN), fault=False)
        browser.resume("context.close")
        await pool.acquire(PLAIN)
        assert len(browser.shells) == 2
        assert pool.statistics().removed == {"hung": 1}


async def test_e3_worn_browser_drains_before_it_goes() -> None:
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


@pytest.mark.parametrize(("waited_s", "health"), [(0.0, Health.BAD), (1.0, Health.HEALTHY)])
async def test_e3_silence_of_a_machine_without_time_is_not_held_against_the_browser(
    waited_s: float, health: Health
) -> None:
    """Each look tells that the processes have waited that much longer for a processor."""
    browser, looks = ScriptedBrowser(hanging={"probe"}), itertools.count()

    def cpu_wait_s(_pids: Collection[int]) -> float:
        if (number := next(looks)) == 3:  # the second time that it is asked again
            browser.resume("probe")
        return number * waited_s

    fleet = Fleet(settings(), "chromium", browser.start_driver, OwnedTasks(), CloseCounts(), cpu_wait_s=cpu_wait_s)
    shell = await fleet.launch()
    bad = await fleet.watch_round()
    assert (shell.health, bad) == (health, [shell] if health is Health.BAD else [])
    browser.resume("probe")
    await fleet.stop()
