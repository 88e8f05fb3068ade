"""Pages that do their worst, and what runs leave to each other: nothing. Rows C2, C4; issue of browser runs, item 8."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from runwire.browser.host import BrowserHost
from runwire.browser.processes import descendants
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserError, BrowserLost, BrowserTimeout, Conflict
from runwire.protocol.steps.grammar import parse_step
from tests.browser.conftest import MakeHost, eventually

pytestmark = pytest.mark.timeout(60)
PLAIN = BrowserConfig()


async def do(page: object, *sentences: str, limit_s: float = 5.0) -> None:
    for sentence in sentences:
        await page.perform(parse_step(1, sentence).action, timeout_s=limit_s)  # type: ignore[attr-defined]  # a PageHandle


def renderers() -> list[int]:
    """Return the renderers among the processes of this test."""
    found = []
    for pid in descendants(os.getpid()):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"--type=renderer" in arguments:
            found.append(pid)
    return found


async def test_c2_no_worker_cache_cookie_or_database_goes_from_run_to_run(make_host: MakeHost, site: str) -> None:
    """Also not to a run whose page was parked while the other run was still going on."""
    host = make_host()
    async with host.lease("first", PLAIN) as lease, lease.page() as page:
        for before in ("before: ||||", "before: worker|left|left|left|k=left"):
            await page.goto(f"{site}/worker.html", timeout_s=5)
            await do(page, 'Verify title is "Worker ready"')
            assert before in await page.text()
        assert await asyncio.to_thread(eventually, lambda: host.statistics().parked > 0, 5.0)
        async with host.lease("beside", PLAIN) as other, other.page() as second:
            await second.goto(f"{site}/worker.html", timeout_s=5)
            await do(second, 'Verify text "before: ||||"')
    async with host.lease("after", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/worker.html", timeout_s=5)
        await do(page, 'Verify text "before: ||||"')
    assert host.statistics().launches == 1


@pytest.mark.parametrize(
    "worst",
    [['Click "Storm"', "Wait 0.3 seconds"], ['Click "Download"', "Wait 0.3 seconds"], ['Click "Alerts"'], []],
    ids=["popup storm", "open download", "alerts without end", "asks before it closes"],
)
async def test_c4_a_nasty_page_is_closed_within_its_bound_and_leaves_nothing(
    make_host: MakeHost, site: str, worst: list[str]
) -> None:
    host = make_host()
    async with host.lease("warm", PLAIN):
        pass
    async with host.lease("run", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/nasty.html", timeout_s=5)
        with contextlib.suppress(BrowserTimeout):  # a click that opens sixty windows may take its time
            await do(page, *worst)
        leaving = time.monotonic()
    assert time.monotonic() - leaving < 4.0
    async with host.lease("next", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        assert await page.title() == "States"
    assert await asyncio.to_thread(eventually, lambda: host.statistics().leased == 0, 3.0)


async def test_e3_killed_renderer_is_told_and_the_next_run_is_unharmed(make_host: MakeHost, site: str) -> None:
    host = make_host(parked_pages=0)
    async with host.lease("run", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        for pid in renderers():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(BrowserError):
            await do(page, 'Click "Never there"', limit_s=3)
    async with host.lease("next", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
    assert host.statistics().leased == 0


async def test_c4_what_an_ended_run_still_holds_is_taken_back(make_host: MakeHost, site: str) -> None:
    """A thread that hangs in code of its own never leaves its lease; its run has ended long ago."""
    host = make_host(slots=1)
    holding = asyncio.Event()

    async def hold() -> None:
        async with host.lease("stuck", PLAIN) as lease, lease.page() as page:
            await page.goto(f"{site}/hidden.html", timeout_s=5)
            holding.set()
            await asyncio.Event().wait()

    stuck = asyncio.create_task(hold())
    await holding.wait()
    host.reclaim("another")
    host.reclaim("stuck")
    async with host.lease("next", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
    stuck.cancel()
    await asyncio.wait((stuck,))
    assert host.statistics().leased == 0


async def test_c4_a_page_of_200_mb_is_read_within_bounds(host: BrowserHost, site: str) -> None:
    async with host.lease("run", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/large.html", timeout_s=20)
        assert len(await page.text(timeout_s=20)) <= 100_000


async def test_c4_a_watched_run_that_loses_its_browser_ends_its_capture(make_host: MakeHost, site: str) -> None:
    host, seen = make_host(probe_period_s=0.3, probe_timeout_s=0.3), list[object]()
    with pytest.raises(Conflict):
        await host.hold("run", 0.1)
    await host.watch("run", seen.append)
    async with host.lease("run", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        assert await asyncio.to_thread(eventually, lambda: bool(seen), 3.0)
        (shell,) = host.statistics().browsers
        assert shell.pid is not None
        os.kill(shell.pid, signal.SIGKILL)
        with pytest.raises(BrowserLost):
            await do(page, 'Verify text "never there"', limit_s=10)
    host.unwatch("run", seen.append)
    async with host.lease("run", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
