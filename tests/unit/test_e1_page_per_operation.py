"""Mission E1: a page for each operation, closed whatever happens; page, context, browser, driver, each step guarded."""

from __future__ import annotations

import asyncio

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.contracts.agent import AgentFailure
from runwire.contracts.browser import PageHandle
from runwire.errors import BrowserError, BrowserLost
from runwire.protocol.steps.actions import Action
from runwire.testing.browser import ScriptedBrowser
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedHandle, ScriptedPool
from tests.support.pools import PLAIN, pool_on, turns


async def test_e1_each_operation_has_a_page_of_its_own() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        pages = [await pool.open_page(seat) for _ in range(3)]
        assert len({id(page.port) for page in pages}) == browser.open["page"] == 3
        for page in pages:
            await pool.close_page(page)
        assert browser.open["page"] == 0
        await pool.release(seat, fault=False)


class _Failing(ScriptedPool):
    """Its pages fail in the way that ``error`` says."""

    error: BaseException = BrowserLost("the browser was lost")

    def handle(self) -> PageHandle:
        """Return such a page."""
        error = self.error

        class Handle(ScriptedHandle):
            async def perform(self, action: Action, *, timeout_s: float) -> str | None:
                raise error

        return Handle({})


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (BrowserLost("the browser was lost"), AgentFailure),
        (RuntimeError("a mistake of ours"), RuntimeError),
        (asyncio.CancelledError(), asyncio.CancelledError),
    ],
    ids=["lost", "mistake", "cancelled"],
)
async def test_e1_a_tests_page_is_closed_whatever_happens_in_it(
    error: BaseException, raised: type[BaseException]
) -> None:
    pool = _Failing()
    pool.error = error
    with pytest.raises(raised):
        await BrowserTestAgent().run(RecordingContext(pool), {"steps": ['Click "A"']})
    assert len(pool.pages) == 1
    assert pool.open.total() == 0


async def test_e1_close_goes_page_context_browser_driver() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        await pool.close_page(await pool.open_page(seat))
        await pool.release(seat, fault=False)
        await pool.close()
        assert browser.order == ["page", "context", "browser", "driver"]


@pytest.mark.parametrize("hanging", ["page.close", "context.close", "browser.close", "driver.close"])
async def test_e1_one_hung_close_stops_no_other(hanging: str) -> None:
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


async def test_e1_failing_close_stops_no_other() -> None:
    browser = ScriptedBrowser(failing={f"{part}.close": BrowserError("x") for part in ("page", "context", "browser")})
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        await pool.close_page(await pool.open_page(seat))
        await pool.release(seat, fault=False)
        await pool.close()
        assert browser.order == ["page", "context", "browser", "driver"]


async def test_e1_one_page_after_the_other_is_opened_ahead_and_a_run_of_one_page_pays_for_no_second() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        seen = []
        for opened in (1, 3, 4):  # its own, its own and the one ahead, the next ahead
            page = await pool.open_page(seat)
            seen.append(page.port)
            await turns()
            assert browser.calls["page"] == opened
            pool.end_page(page)
            await turns()
        assert len(set(map(id, seen))) == 3
        await pool.release(seat, fault=False)
        assert (browser.open["page"], browser.open["context"]) == (0, 0)


async def test_e1_a_page_that_cannot_be_opened_ahead_is_opened_when_it_is_wanted() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        await pool.close_page(await pool.open_page(seat))
        await pool.close_page(await pool.open_page(seat))
        browser.failing["page"] = BrowserError("not now")
        await turns()
        del browser.failing["page"]
        assert await (await pool.open_page(seat)).title(1.0)


async def test_e1_the_context_waits_for_its_pages_and_for_none_that_hangs() -> None:
    browser = ScriptedBrowser(hanging={"page.close"})
    async with pool_on(browser, parked_pages=0) as pool:
        seat = await pool.acquire(PLAIN)
        pool.end_page(await pool.open_page(seat))
        releasing = asyncio.create_task(pool.release(seat, fault=False))
        await turns()
        assert browser.order == ["page"]
        await releasing
        assert browser.order == ["page", "context"]
        assert pool.statistics().hung_closes == {"page": 1}
