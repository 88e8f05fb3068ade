"""What it costs to film a run: rows of ``bench.browser``. Filmed and not filmed in turns, on one host."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Final

from bench.browser_figures import Row, a_host, p, pss_kib
from bench.browser_sides import PLAIN, Site
from bench.procfs import cpu_s
from runwire.browser.host import BrowserHost
from runwire.browser.processes import descendants
from runwire.contracts.browser import BrowserLease, Video
from runwire.protocol.steps.grammar import parse_step

FILMED_S: Final = 8.0
TURNS: Final = 3
CANCELS: Final = 20
CANCELLED_S: Final = 0.6
"""What ``browser-test`` gives the encoder of a cancelled run."""


def filming(site: Site) -> Iterator[Row]:
    """The processor's part of a film, and how much later a cancelled run's slot is free."""
    with a_host(site.origin) as host:
        for what, path in (("a still page", "/greet"), ("a page that always moves", "/moving")):
            more, memory_mib, video_bytes = asyncio.run(_cost(host, site.origin + path))
            shown = f"{max(more, 0.0):.2f} cores, {memory_mib:.0f} MiB, {video_bytes / 1000:.0f} kB for {FILMED_S:g} s"
            yield Row(f"to film {what} costs", "", shown)
        times = asyncio.run(_cancels(host, site.origin))
    shown = f"{p(times, 95):.3f} / {max(times):.3f} s"
    yield Row(
        "filmed: cancel → slot free, p95 / longest", "≤ 1 / 2 s", shown, met=p(times, 95) <= 1 and max(times) <= 2
    )


async def _cost(host: BrowserHost, url: str) -> tuple[float, float, int]:
    """Return the cores that filming takes beyond a run that is not filmed, the encoder's memory, the video's bytes."""
    plain, filmed, memory_mib, video = [], [], 0.0, Video(b"")
    for _ in range(TURNS):
        async with _run(host, url):
            plain.append(await _cores())
        async with _run(host, url) as lease:
            await lease.begin_video()
            filmed.append(await _cores())
            memory_mib = max(pss_kib(pid) for pid in _encoders()) / 1024
            video = await lease.end_video() or video
    return median(filmed) - median(plain), memory_mib, len(video.data or b"")


@asynccontextmanager
async def _run(host: BrowserHost, url: str) -> AsyncIterator[BrowserLease]:
    async with host.lease("bench", PLAIN) as lease, lease.page() as page:
        await page.goto(url, timeout_s=10)
        yield lease


async def _cores() -> float:
    """Return the cores that this process and all below it keep busy, the start of an encoder included."""
    before, began = _spent(), time.perf_counter()
    await asyncio.sleep(FILMED_S)
    after = _spent()
    return sum(after[pid] - before.get(pid, 0.0) for pid in after) / (time.perf_counter() - began)


def _spent() -> dict[int, float]:
    spent = {}
    for pid in (os.getpid(), *descendants(os.getpid())):
        try:
            spent[pid] = cpu_s(pid)
        except OSError:  # it has just ended
            continue
    return spent


def _encoders() -> list[int]:
    found = []
    for pid in descendants(os.getpid()):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"\0matroska\0" in file.read():
                    found.append(pid)
        except OSError:  # as above
            continue
    return found


async def _cancels(host: BrowserHost, origin: str) -> list[float]:
    times = []
    for _ in range(CANCELS):
        filmed = asyncio.Event()
        running = asyncio.create_task(_cancelled(host, origin, filmed))
        await asyncio.wait_for(filmed.wait(), 10)
        began = time.perf_counter()
        running.cancel()
        await asyncio.wait([running], timeout=10)
        times.append(time.perf_counter() - began)
    return times


async def _cancelled(host: BrowserHost, origin: str, filmed: asyncio.Event) -> None:
    """Be a run that is cancelled in a step: its film is ended and read, then its context is closed."""
    async with host.lease("bench", PLAIN) as lease:
        await lease.begin_video()
        try:
            async with lease.page() as page:
                await page.goto(f"{origin}/moving", timeout_s=10)
                while not _encoders():  # noqa: ASYNC110  # it sends no signal
                    await asyncio.sleep(0.01)
                filmed.set()
                await page.perform(parse_step(1, 'Verify text "never there"').action, timeout_s=30)
        finally:
            await lease.end_video(end_s=CANCELLED_S)
