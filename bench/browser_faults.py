"""What faults cost and wear leaves: rows of ``bench.browser`` that kill, freeze and repeat."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.browser_figures import Row, a_host, command_of, p, pss_kib
from bench.browser_sides import PLAIN, Site, hosted
from runwire.browser.host import BrowserHost
from runwire.browser.processes import descendants, is_alive
from runwire.browser.settings import BrowserHostSettings
from runwire.contracts.browser import PageHandle
from runwire.errors import BrowserLost


def recovery(site: Site) -> Iterator[Row]:
    """From the fault to the next run's navigated page; the host is used again and again meanwhile."""
    origin = site.origin
    period_s = BrowserHostSettings().probe_period_s
    faults: tuple[tuple[str, signal.Signals, int, float], ...] = (
        ("browser killed", signal.SIGKILL, 8, 0.8),
        ("browser frozen", signal.SIGSTOP, 4, period_s + 1.4),
        ("driver killed", signal.SIGKILL, 4, 1.5),
    )
    for what, sent, count, goal_s in faults:
        with a_host(origin) as host:
            times = asyncio.run(_recovered(host, origin, what.startswith("driver"), sent, count))
        yield Row(f"{what} → next page, p90", f"≤ {goal_s:g} s", f"{p(times, 90):.2f} s", met=p(times, 90) <= goal_s)


async def _recovered(host: BrowserHost, origin: str, driver: bool, sent: signal.Signals, count: int) -> list[float]:
    times = []
    await _navigated(host, origin)
    for _ in range(count):
        await asyncio.sleep(0.5)
        os.kill(_driver_pid() if driver else _browser_pid(host), sent)
        began = time.perf_counter()
        await asyncio.wait_for(_navigated(host, origin), 30)
        times.append(time.perf_counter() - began)
    return times


async def _navigated(host: BrowserHost, origin: str) -> None:
    """Try until a new run has a navigated page, as a client would that runs its test again."""
    while True:
        try:
            async with host.lease("bench", PLAIN) as lease, lease.page() as page:
                await _go(page, origin)
                return
        except BrowserLost:
            continue


async def _go(page: PageHandle, origin: str) -> None:
    await page.goto(f"{origin}/greet", timeout_s=10)


def _browser_pid(host: BrowserHost) -> int:
    return next(shell.pid for shell in host.statistics().browsers if shell.pid is not None)


def _driver_pid() -> int:
    for pid in descendants(os.getpid()):
        if b"run-driver" in command_of(pid):
            return pid
    raise RuntimeError("there is no driver process")


DYING = """
import asyncio
from runwire.browser.host import BrowserHost
from runwire.browser.settings import BrowserHostSettings
from runwire.contracts.browser import BrowserConfig

async def main():
    host = BrowserHost(BrowserHostSettings())
    async def hold(name):
        async with host.lease(name, BrowserConfig()) as lease, lease.page() as page:
            print(await page.title(), flush=True)
            await asyncio.sleep(60)
    await asyncio.gather(*(hold(f"run{number}") for number in range(5)))

asyncio.run(main())
"""
"""A process with five live runs."""
FIRST_RUNS = 50
"""Runs before growth is measured: what is loaded once is loaded by then."""


def death(_site: Site) -> Iterator[Row]:
    """From the end of the process that owns the browsers until none of them is left."""
    times = []
    for sent in (signal.SIGKILL, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        with subprocess.Popen(
            [sys.executable, "-c", DYING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as owner:
            try:
                for _ in range(5):
                    assert owner.stdout is not None
                    owner.stdout.readline()
                pids = descendants(owner.pid)
                owner.send_signal(sent)
                owner.wait(10)
                began = time.perf_counter()
                while any(map(is_alive, pids)) and time.perf_counter() - began < 30:
                    time.sleep(0.005)
                times.append(time.perf_counter() - began)
            finally:
                owner.kill()
    what = "owner of 5 runs killed, quit, hung up, terminated → none alive, longest"
    yield Row(what, "≤ 2 s", f"{max(times):.2f} s", met=max(times) <= 2)


def growth(site: Site, runs: int) -> Iterator[Row]:
    """How much memory many runs one after the other leave behind in one browser and in this process."""
    with a_host(site.origin) as host:
        asyncio.run(_repeated(host, site.origin, FIRST_RUNS))
        before = _sizes(host)
        asyncio.run(_repeated(host, site.origin, runs))
        after = _sizes(host)
        reuse = host.statistics().reuse_ratio
    grown, ours_mib = after[0] / before[0] - 1, (after[1] - before[1]) / 1024
    met = grown <= 0.1 and ours_mib <= 10
    shown = f"{grown:+.1%}, {ours_mib:+.1f} MiB"
    yield Row(f"{runs:,} runs: Chromium and this process grow by", "≤ 10 %, ≤ 10 MB", shown, met=met)
    yield Row(f"{runs:,} runs: reuse ratio", "≥ 0.95", f"{reuse:.3f}", met=reuse >= 0.95)


async def _repeated(host: BrowserHost, origin: str, runs: int) -> None:
    async with hosted(host, origin)() as page:
        for _ in range(runs):
            async with asyncio.timeout(30), page() as steps:
                await steps()
    await asyncio.sleep(1.0)  # what was parked and closed has settled


def _sizes(host: BrowserHost) -> tuple[int, int]:
    """Return KiB of Chromium (without its pages, which come and go) and of this process."""
    pid = _browser_pid(host)
    return sum(
        map(pss_kib, (pid, *(one for one in descendants(pid) if b"--type=renderer" not in command_of(one))))
    ), pss_kib(os.getpid())
