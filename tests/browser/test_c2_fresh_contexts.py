"""The host in real life: fresh contexts, foreign threads, cancellation, limits, ends. Rows C2, C4, E1, E2."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time

import pytest

from runwire.browser.host import BrowserHost
from runwire.browser.processes import descendants
from runwire.contracts.browser import BrowserConfig, BrowserLease, ForeignThread, PageHandle
from runwire.errors import BrowserError, BrowserUnavailable
from runwire.protocol.steps.grammar import parse_step
from tests.browser.conftest import MakeHost, eventually

pytestmark = pytest.mark.timeout(30)
PLAIN = BrowserConfig()


async def test_nothing_starts_before_the_first_lease(make_host: MakeHost) -> None:
    host = make_host()
    assert host.unavailable_reason() is None
    assert host.statistics().drivers == 0
    assert descendants(os.getpid()) == ()
    host.close()


async def test_c2_each_run_has_a_fresh_context(host: BrowserHost, site: str) -> None:
    for number in range(3):  # the later ones come from parked pages
        async with host.lease(f"run{number}", PLAIN) as lease:
            async with lease.page() as page:
                await page.goto(f"{site}/storage.html", timeout_s=5)
                assert "before: ||" in await page.text()
            async with lease.page() as page:  # the same run sees its own storage
                await page.goto(f"{site}/storage.html", timeout_s=5)
                assert "before: left||k=left" in await page.text()


async def test_e2_what_is_raised_in_a_block_comes_out_of_it_and_its_page_is_closed(
    host: BrowserHost, site: str
) -> None:
    class Mistake(Exception):
        pass

    async def mistaken() -> None:
        async with host.lease("mistaken", PLAIN) as lease, lease.page() as page:
            await page.goto(f"{site}/facts.html", timeout_s=5)
            raise Mistake

    def closed() -> int:
        return dict(host.statistics().close_s)["page"].count

    async with host.lease("well", PLAIN) as lease, lease.page():
        pass
    before = closed()
    with pytest.raises(Mistake):
        await mistaken()
    assert closed() == before + 1
    assert host.statistics().leased == 0


async def test_five_runs_at_once_from_threads_of_their_own(make_host: MakeHost, site: str) -> None:
    host, titles = make_host(), []

    async def use(number: int) -> None:
        async with host.lease(f"run{number}", PLAIN) as lease, lease.page() as page:
            await page.goto(f"{site}/samples/shop/index.html", timeout_s=10)
            titles.append(await page.title())

    threads = [threading.Thread(target=lambda n=n: asyncio.run(use(n)), daemon=True) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join, 20)
    assert titles == ["Products · Sample shop"] * 5
    statistics = host.statistics()
    assert (statistics.drivers, statistics.launches, statistics.leased) == (1, 1, 0)


async def test_foreign_thread_is_refused_before_anything_happens(host: BrowserHost, site: str) -> None:
    async with host.lease("run", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        caught: list[BaseException] = []

        async def misuse(handle: PageHandle, owner: BrowserLease) -> None:
            for _ in range(1000):
                try:
                    await handle.goto(f"{site}/storage.html", timeout_s=5)
                except ForeignThread as error:
                    caught.append(error)
            try:
                async with owner.page():
                    pass
            except ForeignThread as error:
                caught.append(error)

        await asyncio.to_thread(lambda: asyncio.run(misuse(page, lease)))
        assert len(caught) == 1001
        assert await page.url() == f"{site}/hidden.html"


async def test_closed_handle_is_refused(host: BrowserHost) -> None:
    async with host.lease("run", PLAIN) as lease:
        async with lease.page() as page:
            pass
        with pytest.raises(BrowserError, match="this page is closed"):
            await page.title()
    with pytest.raises(BrowserError, match="this browser lease is closed"):
        async with lease.page():
            pass


@pytest.mark.parametrize("sentence", ['Verify text "never there"', "Wait for 20 seconds", 'Click "never there"'])
async def test_cancel_in_mid_step_frees_the_slot_within_two_seconds(
    make_host: MakeHost, site: str, sentence: str
) -> None:
    host, in_step = make_host(slots=1), asyncio.Event()

    async def use() -> None:
        async with host.lease("run", PLAIN) as lease, lease.page() as page:
            await page.goto(f"{site}/hidden.html", timeout_s=5)
            in_step.set()
            await page.perform(parse_step(1, sentence).action, timeout_s=20)

    async with host.lease("first", PLAIN):
        pass
    assert await asyncio.to_thread(eventually, lambda: host.statistics().parked == 1, 2.0)
    tasks_before = host.statistics().tasks
    running = asyncio.create_task(use())
    await in_step.wait()
    await asyncio.sleep(0.05)
    running.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with host.lease("next", PLAIN):
        assert time.monotonic() - started < 2
    # What the host was doing for the run has ended too: the watch and Playwright's own few tasks remain.
    assert await asyncio.to_thread(eventually, lambda: host.statistics().tasks <= tasks_before, 2.0)


async def test_cancel_at_any_moment_of_creation_leaks_no_slot(make_host: MakeHost) -> None:
    host = make_host(slots=1, parked_pages=1)
    rng = random.Random(5)  # a fixed seed: the moments differ, the test does not

    async def use() -> None:
        async with host.lease("run", PLAIN) as lease, lease.page():
            await asyncio.sleep(5)

    for _ in range(10):
        running = asyncio.create_task(use())
        await asyncio.sleep(rng.uniform(0, 0.1))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    async with host.lease("last", PLAIN) as lease, lease.page() as page:
        assert await page.title() == ""
    assert host.statistics().leased == 0


async def test_c2_browser_that_does_not_start_is_a_clear_reason(make_host: MakeHost) -> None:
    host = make_host(executable="/bin/false", launch_timeout_s=5.0)
    with pytest.raises(BrowserUnavailable, match="Chromium does not start"):
        async with host.lease("run", PLAIN):
            pass
    missing = make_host(executable="/nonexistent/chromium")
    assert "/nonexistent/chromium" in (missing.unavailable_reason() or "")
    with pytest.raises(BrowserUnavailable, match="is no executable file"):
        async with missing.lease("run", PLAIN):
            pass


async def test_c4_close_is_bounded_and_idempotent_with_runs_alive(make_host: MakeHost, site: str) -> None:
    host, entered = make_host(), asyncio.Event()

    async def use() -> None:
        async with host.lease("run", PLAIN) as lease, lease.page() as page:
            await page.goto(f"{site}/loop.html", timeout_s=5)
            entered.set()
            await page.perform(parse_step(1, 'Click "Freeze"').action, timeout_s=20)

    running = asyncio.create_task(use())
    await entered.wait()
    await asyncio.sleep(0.2)
    started = time.monotonic()
    await asyncio.to_thread(host.close)
    await asyncio.to_thread(host.close)
    assert time.monotonic() - started < 3
    with pytest.raises(BrowserError):
        await running
    with pytest.raises(BrowserUnavailable, match="the server is stopping"):
        async with host.lease("late", PLAIN):
            pass


async def test_own_browser_per_run_is_gone_after_it(make_host: MakeHost, site: str) -> None:
    host = make_host(isolation="browser", slots=2)
    async with host.lease("one", PLAIN) as one, host.lease("two", PLAIN) as two:
        async with one.page() as page, two.page() as other:
            await page.goto(f"{site}/hidden.html", timeout_s=5)
            await other.goto(f"{site}/hidden.html", timeout_s=5)
        assert len({shell.pid for shell in host.statistics().browsers}) == 2
    assert await asyncio.to_thread(_until_no_browsers, host)


async def test_configuration_reaches_the_page(host: BrowserHost, site: str) -> None:
    config = BrowserConfig(locale="de-DE", timezone="Asia/Tokyo", user_agent="Runwire test", color_scheme="dark")
    async with host.lease("run", config) as lease, lease.page() as page:
        await page.goto(f"{site}/facts.html", timeout_s=5)
        assert (await page.text()).split("|") == ["de-DE", "Asia/Tokyo", "Runwire test", "dark"]


def _until_no_browsers(host: BrowserHost) -> bool:
    end = time.monotonic() + 3
    while host.statistics().browsers and time.monotonic() < end:
        time.sleep(0.05)
    return not host.statistics().browsers
