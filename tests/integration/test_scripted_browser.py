"""The host on a scripted browser: failed starts, guarded steps, close order, double stop. Without Chromium.

The host's own thread, loop and proxies are real. What hangs is given up within milliseconds.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from runwire.browser.host import BrowserHost
from runwire.browser.page_lease import FINISH_LIMIT_S
from runwire.browser.settings import BrowserHostSettings, CloseBounds
from runwire.contracts.browser import BrowserConfig, BrowserLease, ForeignThread, PageHandle
from runwire.contracts.live_view import Picture
from runwire.errors import BrowserError, BrowserLost, BrowserUnavailable, Conflict
from runwire.protocol.view import KeyInput
from runwire.testing.browser import ScriptedBrowser
from tests.support.deadlines import eventually_async

PLAIN = BrowserConfig()
SHORT = CloseBounds(page_s=0.02, context_s=0.02, browser_s=0.02, driver_s=0.02, total_s=0.5)
THREAD = "runwire-browsers"
URL = "http://127.0.0.1/"
CLOSES = ("page.close", "context.close", "browser.close", "driver.close")


@contextmanager
def host_on(browser: ScriptedBrowser, **changes: Any) -> Iterator[BrowserHost]:
    """Give a host on a scripted browser; fails if its thread is left."""
    chosen: dict[str, Any] = {"executable": "/bin/true", "parked_pages": 0, "probe_period_s": 60.0, "close": SHORT}
    chosen["allow_hosts"] = ("127.0.0.1",)
    host = BrowserHost(BrowserHostSettings(**{**chosen, **changes}), start_driver=browser.start_driver)
    try:
        yield host
    finally:
        host.close()
        assert THREAD not in {thread.name for thread in threading.enumerate()}


async def use(host: BrowserHost) -> None:
    """Be a run of one page."""
    async with host.lease("run", PLAIN) as lease, lease.page() as page:
        await page.title()


async def test_the_order_of_closing_is_page_context_browser_driver() -> None:
    browser = ScriptedBrowser()
    with host_on(browser) as host:
        await use(host)
    assert browser.order == ["page", "context", "browser", "driver"]
    assert browser.open.total() == 0


async def test_a_context_that_does_not_close_keeps_neither_its_run_nor_the_next_one_waiting() -> None:
    browser = ScriptedBrowser(hanging={"context.close"})
    patient = replace(SHORT, context_s=20.0)
    with host_on(browser, slots=1, close=patient) as host:
        began = time.monotonic()
        await use(host)
        await use(host)
        assert time.monotonic() - began < 2 * FINISH_LIMIT_S + 1.0
        assert browser.calls["context.close"] == 2


async def test_what_runs_hold_and_what_is_parked_closes_before_any_browser() -> None:
    browser = ScriptedBrowser()

    async def hold(host: BrowserHost, name: str) -> None:
        async with host.lease(name, PLAIN):
            await asyncio.Event().wait()

    with host_on(browser, parked_pages=2, slots=7, runs_per_browser=5) as host:
        runs = [asyncio.create_task(hold(host, f"run{number}")) for number in range(6)]
        await eventually_async(lambda: host.statistics().leased == len(runs), "all runs hold a context")
        host.close()
        for run in runs:
            run.cancel()
        await asyncio.wait(runs)
    assert browser.open.total() == 0
    kinds = [part for part in browser.order if part != "page"]
    assert kinds == sorted(kinds, key=["context", "browser", "driver"].index)


@pytest.mark.parametrize("hanging", CLOSES)
async def test_a_step_that_hangs_keeps_no_other_from_its_turn(hanging: str) -> None:
    browser = ScriptedBrowser(hanging={hanging})
    with host_on(browser) as host:
        await use(host)
        began = time.monotonic()
        host.close()
        assert time.monotonic() - began < 2.0
    assert browser.order == ["page", "context", "browser", "driver"]


@pytest.mark.parametrize("failing", CLOSES)
async def test_a_step_that_fails_keeps_no_other_from_its_turn(failing: str) -> None:
    browser = ScriptedBrowser(failing={failing: RuntimeError("closing is broken")})
    with host_on(browser) as host:
        await use(host)
    assert browser.order == ["page", "context", "browser", "driver"]


@pytest.mark.parametrize("phase", ["start", "launch", "context", "page"])
async def test_a_failed_start_is_told_holds_nothing_and_the_next_one_works(phase: str) -> None:
    browser = ScriptedBrowser(failing={phase: BrowserUnavailable(f"no {phase} today")})
    with host_on(browser, slots=1) as host:
        with pytest.raises(BrowserUnavailable, match=f"no {phase} today"):
            await use(host)
        assert (host.statistics().leased, host.statistics().waiting, browser.open["context"]) == (0, 0, 0)
        browser.failing.clear()
        await use(host)
    assert browser.open.total() == 0


async def test_a_host_is_stopped_twice_by_two_threads_at_once() -> None:
    browser = ScriptedBrowser()
    with host_on(browser) as host:
        await use(host)
        await asyncio.gather(*(asyncio.to_thread(host.close) for _ in range(2)))
        host.close()
        with pytest.raises(BrowserUnavailable, match="the server is stopping"):
            await use(host)
    assert browser.calls["driver.close"] == browser.calls["browser.close"] == 1


async def test_a_host_is_stopped_while_it_starts() -> None:
    browser = ScriptedBrowser(hanging={"launch"})
    with host_on(browser) as host:
        running = asyncio.create_task(use(host))
        await eventually_async(lambda: browser.calls["launch"] == 1, "it is being launched")
        await asyncio.to_thread(host.close)
        with pytest.raises(BrowserError):
            await running


async def test_nobody_who_watches_waits_for_the_hosts_start(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(2.0)
        over.set()

    monkeypatch.setattr("runwire.browser.host.sweep_folders", slow)
    seen, left = list[Picture](), list[Picture]()
    with host_on(ScriptedBrowser()) as host:

        async def show_a_page() -> None:
            async with host.lease("run", PLAIN) as lease, lease.page():
                await eventually_async(lambda: bool(seen), "who watched before the start sees it")

        running = asyncio.create_task(asyncio.to_thread(asyncio.run, show_a_page()))
        await eventually_async(begun.is_set, "the host is being started")
        await host.watch("run", seen.append)
        await host.watch("run", left.append)
        host.unwatch("run", left.append)
        host.use("run", KeyInput(key="a"))
        host.release("run")
        host.reclaim("another")
        with pytest.raises(Conflict):
            await host.hold("run", 0.1)
        assert host.statistics().leases == 0
        assert not over.is_set(), "the host still starts"
        go_on.set()
        await running
    assert left == []


async def test_a_foreign_thread_is_refused_a_thousand_times_before_anything_happens() -> None:
    browser, refused = ScriptedBrowser(), 0

    async def misuse(lease: BrowserLease, page: PageHandle) -> None:
        nonlocal refused
        for _ in range(500):
            with pytest.raises(ForeignThread):
                await page.goto(URL, timeout_s=1.0)
            with pytest.raises(ForeignThread):
                async with lease.page():
                    pass
            refused += 2

    with host_on(browser) as host:
        async with host.lease("run", PLAIN) as lease, lease.page() as page:
            await asyncio.to_thread(lambda: asyncio.run(misuse(lease, page)))
            assert (refused, browser.calls["goto"], browser.calls["page"]) == (1000, 0, 1)
            assert await page.goto(URL, timeout_s=1.0) == 200


async def test_a_run_whose_browser_dies_closes_nothing_that_is_gone() -> None:
    browser = ScriptedBrowser()
    with host_on(browser) as host:
        async with host.lease("run", PLAIN) as lease, lease.page() as page:
            browser.shells[0].closed = True
            with pytest.raises(BrowserLost):
                await page.title()
        assert "page" not in browser.order
        assert "context" not in browser.order
        await use(host)
        assert host.statistics().launches == 2
