"""F7: plain functions that sleep block their own threads and nobody else: measured against the same server at rest."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support import attempt_agents
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.sockets import Socket, conversing

WITHIN = 1.5
SLACK_S = 0.003
"""What two measurements of the same thing differ by on a machine that does other things too."""


async def _timed(work: Callable[[], Awaitable[object]], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - begun)
    return sorted(taken)


async def _round(http: httpx.AsyncClient, socket: Socket) -> tuple[float, float]:
    """Return the p99 of ``/healthz`` and the median of a whole run, seconds."""

    async def run() -> None:
        run_id = (await socket.ok("run.start", agent="echo", input="hi"))["run_id"]
        await socket.until("end", run_id=run_id)

    health = await _timed(lambda: http.get("/healthz"), 100)
    return health[98], statistics.median(await _timed(run, 9))


async def _sleeping(server: EmbeddedServer, http: httpx.AsyncClient, seconds: float) -> list[str]:
    ids = [await start(http, "sleeps", seconds) for _ in range(3)]
    await eventually_async(lambda: {server.status(run_id) for run_id in ids} == {"RUNNING"}, "they sleep")
    return ids


async def _compare(server: EmbeddedServer, *, rounds: int, sleep_s: float) -> None:
    """Take turns: a round at rest, a round beside three sleepers; compare the medians of all rounds."""
    rest, beside = [], []
    async with server.http() as http, conversing(server) as socket:
        await _round(http, socket)
        for _ in range(rounds):
            rest.append(await _round(http, socket))
            ids = await _sleeping(server, http, sleep_s)
            beside.append(await _round(http, socket))
            assert {server.status(run_id) for run_id in ids} == {"RUNNING"}, "they slept all the while"
            await asyncio.gather(*(http.post(f"/v1/runs/{run_id}/cancel") for run_id in ids))
            for run_id in ids:
                await ended(server, run_id)
    for which, name in enumerate(("the p99 of /healthz", "another run")):
        before = statistics.median(figures[which] for figures in rest)
        after = statistics.median(figures[which] for figures in beside)
        assert after <= max(WITHIN * before, before + SLACK_S), f"{name}: {before * 1e3:.2f} → {after * 1e3:.2f} ms"


async def test_f7_a_plain_function_that_sleeps_10_s_slows_nobody(make_server: MakeServer) -> None:
    server = make_server(agents=attempt_agents.PATHS, cancel_grace_s=0.05, stuck_threads_most=1000)
    await _compare(server, rounds=5, sleep_s=10.0)


@pytest.mark.faults
@pytest.mark.timeout(120)
async def test_f7_many_rounds_beside_sleepers(make_server: MakeServer) -> None:
    server = make_server(agents=attempt_agents.PATHS, cancel_grace_s=0.05, stuck_threads_most=1000)
    await _compare(server, rounds=40, sleep_s=10.0)
