"""What browser runs cost: rows of ``bench.browser`` on the host itself, beside plain Playwright."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Final

from bench.browser_figures import THREADS, Row, a_host, command_of, ms, p, pss_kib
from bench.browser_sides import PLAIN, Site, Steps, Worker, cold, hosted, kept
from runwire.browser.host import BrowserHost
from runwire.browser.processes import descendants
from runwire.protocol.steps.grammar import parse_step

RUNS: Final = 10
"""Runs of each thread."""
ROUNDS: Final = 3
"""How often the sides take turns; the median counts: other programs of the machine disturb one turn or the other."""
SAMPLES: Final = 40
PAUSE_S: Final = 0.15
"""Between two warm pages: the pool stays far below half, as the goal says."""
KIB_A_MB: Final = 1_000_000 / 1024


def opening(site: Site) -> Iterator[Row]:
    """How long a page takes to be had, from asking to the handle."""
    origin = site.origin
    colds = asyncio.run(_opened(cold(origin), 8))
    kepts = asyncio.run(_opened(kept(origin), SAMPLES))
    with a_host(origin) as host:
        warm = asyncio.run(_opened(hosted(host, origin), SAMPLES))
    goal = p(warm, 50) <= 1e-3 and p(warm, 95) <= 5e-3 and p(colds, 50) >= 100 * p(warm, 50)
    shown, second, third = (f"{ms(p(one, 50))} / {ms(p(one, 95))} ms" for one in (warm, kepts, colds))
    yield Row("page, p50 / p95", "≤ 1 / 5 ms, ≥ 100 × faster than cold", shown, second, third, goal)


async def _opened(side: Worker, count: int) -> list[float]:
    """Return how long each page took to open; the first of a side warms it up and is left out."""
    times = []
    async with asyncio.timeout(120), side() as page:
        for _ in range(count + 1):
            began = time.perf_counter()
            async with page():
                times.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_S)
    return times[1:]


def rate(site: Site) -> Iterator[Row]:
    """Six-step runs a second on five threads."""
    origin = site.origin
    cold_rates, kept_rates, host_rates = [], [], []
    with a_host(origin) as host:
        asyncio.run(_opened(hosted(host, origin), 2))
        for _ in range(ROUNDS):
            cold_rates.append(_rate(cold(origin), 3))
            kept_rates.append(_rate(kept(origin), RUNS))
            host_rates.append(_rate(hosted(host, origin), RUNS))
        reuse = host.statistics().reuse_ratio
    hosts, kepts, colds = median(host_rates), median(kept_rates), median(cold_rates)
    met = hosts >= 3 * colds and hosts >= 1.1 * kepts
    yield Row("runs/s, 5 threads", "≥ 3 × cold, ≥ 1.1 × kept", f"{hosts:.1f}", f"{kepts:.1f}", f"{colds:.1f}", met)
    yield Row("reuse ratio", "≥ 0.95", f"{reuse:.2f}", met=reuse >= 0.95)


def _rate(side: Worker, runs: int) -> float:
    """Return runs a second; threads begin together, each with its worker up."""
    ready = threading.Barrier(THREADS + 1, timeout=60)
    ended: list[float] = []

    async def work() -> None:
        async with asyncio.timeout(180), side() as page:
            await asyncio.to_thread(ready.wait)
            for _ in range(runs):
                async with page() as steps:
                    await steps()
            ended.append(time.perf_counter())

    threads = [threading.Thread(target=lambda: asyncio.run(work()), daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join(200)
    if len(ended) < THREADS:
        raise RuntimeError("a thread of the benchmark did not come to its end")
    return THREADS * runs / (max(ended) - began)


def footprint(site: Site) -> Iterator[Row]:
    """Memory of a run, with that many pages open at once; the host's parked pages count. Cold is what kept is then."""
    origin = site.origin
    plain = sum(asyncio.run(_footprint([kept(origin)] * 5)).values()) / 5
    for count, goal_mb, shared_by in ((5, 80, 5), (10, 50, 5), (20, 35, 5), (10, None, 10), (20, None, 10)):
        with a_host(origin, count, shared_by=shared_by) as host:
            parts = asyncio.run(_footprint([hosted(host, origin)] * count))
        size = sum(parts.values()) / count
        other = f"{plain:.0f} MB" if count == 5 else ""
        what = f"memory a run, {count} at once" + ("" if goal_mb else f", {shared_by} in a browser")
        goal, met = ("", None) if goal_mb is None else (f"≤ {goal_mb} MB", size <= goal_mb)
        yield Row(what, goal, f"{size:.0f} MB", other, other, met)
        shown = " / ".join(f"{parts[part]:.0f}" for part in ("driver", "browsers", "pages"))
        yield Row("– driver / browsers / pages in all", "", f"{shown} MB")


async def _footprint(sides: Sequence[Worker]) -> dict[str, float]:
    """Return megabytes by part of the tree while all have done their steps and hold their page."""
    async with asyncio.timeout(120), AsyncExitStack() as stack:
        for side in sides:
            page = await stack.enter_async_context(side())
            steps: Steps = await stack.enter_async_context(page())
            await steps()
        await asyncio.sleep(0.5)
        sizes: defaultdict[str, float] = defaultdict(float)
        for pid in descendants(os.getpid()):
            words = command_of(pid)
            part = "driver" if b"run-driver" in words else "pages" if b"--type=renderer" in words else "browsers"
            sizes[part] += pss_kib(pid) / KIB_A_MB
        return sizes


def operations(site: Site) -> Iterator[Row]:
    """What a run pays for a page of its own for an operation, and for a step's picture."""
    origin = site.origin
    with a_host(origin) as host:
        pages, pictures = asyncio.run(_operations(host, origin))
    yield Row("page per operation, p50", "≤ 10 ms", f"{ms(p(pages, 50))} ms", met=p(pages, 50) <= 10e-3)
    yield Row("a step's screenshot, p50", "≤ 25 ms", f"{ms(p(pictures, 50))} ms", met=p(pictures, 50) <= 25e-3)


async def _operations(host: BrowserHost, origin: str) -> tuple[list[float], list[float]]:
    pages, pictures = [], []
    async with asyncio.timeout(60), host.lease("bench", PLAIN) as lease:
        for _ in range(SAMPLES):
            began = time.perf_counter()
            async with lease.page() as page:
                opened = time.perf_counter() - began
                await page.goto(f"{origin}/greet", timeout_s=5)
                pictures.append(await _timed(page.screenshot))
                began = time.perf_counter()
            pages.append(opened + time.perf_counter() - began)
    return pages[1:], pictures[1:]


async def _timed(doing: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await doing()
    return time.perf_counter() - began


def cancelling(site: Site) -> Iterator[Row]:
    """From the cancellation in the middle of a step until the slot is free."""
    origin = site.origin
    with a_host(origin) as host:
        times = asyncio.run(_cancelled(host, origin))
    met = p(times, 95) <= 1 and max(times) <= 2
    yield Row("cancel → slot free, p95 / longest", "≤ 1 / 2 s", f"{p(times, 95):.3f} / {max(times):.3f} s", met=met)


async def _cancelled(host: BrowserHost, origin: str) -> list[float]:
    times = []
    for _ in range(20):
        in_step = asyncio.Event()
        running = asyncio.create_task(_waiting_run(host, origin, in_step))
        await asyncio.wait_for(in_step.wait(), 10)
        await asyncio.sleep(0.02)
        began = time.perf_counter()
        running.cancel()
        await asyncio.wait([running], timeout=10)
        while host.statistics().leased:  # noqa: ASYNC110  # the host's own thread frees it; it sends no signal
            await asyncio.sleep(0.001)
        times.append(time.perf_counter() - began)
    return times


async def _waiting_run(host: BrowserHost, origin: str, in_step: asyncio.Event) -> None:
    async with host.lease("bench", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{origin}/greet", timeout_s=5)
        in_step.set()
        await page.perform(parse_step(1, 'Verify text "never there"').action, timeout_s=30)
