"""Half an hour of load with faults (``make soak``): nothing lost, nothing doubled, nothing grown.

Rounds of a few seconds: runs that speak at different speeds are followed by clients whose connections are cut, a few
are cancelled, and in the first half of the time every fifth round the server is killed or stopped in the middle of it.
After each round the judge looks at every stream and at the database, and old runs are pruned; descriptors, threads and
memory must be where they were after the server's first rounds. ``RUNWIRE_SOAK_S`` shortens it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.follower import Follower
from tests.faults.history import History
from tests.faults.journal import read_journals
from tests.faults.procfs import Held, held
from tests.faults.server import ColdStart, Server

SOAK_S = float(os.environ.get("RUNWIRE_SOAK_S", "1800"))
SLOTS = 10
SETTINGS = {"MAX_RUNNING": str(SLOTS), "CANCEL_GRACE_S": "1"}
RUNS = 20
FOLLOWERS_A_RUN = 3
ROUND_S = 60.0
WARM_ROUNDS = 8
GROWTH_KIB = 24_576
"""Memory that a server may gain since it was warm: SQLite's page caches (8 MiB, 2 for each reader) fill slowly."""


@pytest.mark.faults
@pytest.mark.soak
@pytest.mark.timeout(SOAK_S + 300)
async def test_half_an_hour_of_faults_loses_nothing_and_grows_nothing(
    template: Path, tmp_path: Path, chance: random.Random
) -> None:
    # A fresh interpreter: pages that a fork shares with its parent become its own with time, which looks like growth.
    async with Server(ColdStart(), tmp_path / "data", template, SETTINGS) as server:
        await soak(server, chance)


async def soak(server: Server, chance: random.Random) -> None:
    """Let rounds follow each other until the time is over; watch the last server for growth."""
    until = time.monotonic() + SOAK_S
    warm: Held | None = None
    entries = born = 0
    for number in itertools.count(1):
        young = time.monotonic() < until - SOAK_S / 2  # the second half's server is the one that is watched for growth
        fault = {0: signal.SIGKILL, 5: signal.SIGTERM}.get(number % 10) if young else None
        entries += await _round(server, chance, fault)
        if fault is not None:
            warm, born = None, number
        elif warm is not None:
            _check_growth(warm, held(server.pid))
        elif number - born >= WARM_ROUNDS:
            warm = held(server.pid)
        if time.monotonic() >= until:
            break
    print(f"{number} rounds, {entries} entries, {held(server.pid)}")


async def _round(server: Server, chance: random.Random, fault: signal.Signals | None) -> int:
    """Start, follow, cut, cancel and perhaps kill; judge; return how many entries were followed."""
    runs = [await _start(server, chance) for _ in range(RUNS)]
    followers = [Follower(lambda: server.address, run_id, chance) for run_id in runs for _ in range(FOLLOWERS_A_RUN)]
    async with asyncio.timeout(ROUND_S), asyncio.TaskGroup() as group:
        for follower in followers:
            group.create_task(follower.to_the_end(ROUND_S))
        group.create_task(_disturb(server, chance, followers, runs, fault))
    history = History(acknowledged=[told for told in read_journals(server.journals) if told.run_id in set(runs)])
    for follower in followers:
        follower.tell(history, cuts=True)
    logs = server.logs()
    history.check({run_id: logs[run_id] for run_id in runs})
    assert await server.admin("db", "prune", "--older-than", "0m") == 0
    return sum(len(follower.entries) for follower in followers)


async def _start(server: Server, chance: random.Random) -> str:
    script = {
        "count": chance.choice([5, 50, 400]),
        "interval_s": chance.choice([0.0, 0.005, 0.02]),
        "flush_every": chance.choice([1, 7, 50]),
        "pad_bytes": chance.choice([0, 100, 5_000]),
        "journals": str(server.journals),
    }
    return await server.run(chance.choice(["journaled", "journaled-again"]), script)


async def _disturb(
    server: Server,
    chance: random.Random,
    followers: list[Follower],
    runs: list[str],
    fault: signal.Signals | None,
) -> None:
    """Cut a third of the connections, cancel two runs, and end the server in the middle of it if it is its turn."""
    for follower in chance.sample(followers, len(followers) // 3):
        await asyncio.sleep(chance.random() * 0.1)
        if follower.sockets:
            follower.socket.cut()
    for run_id in chance.sample(runs, 2):
        await server.request("POST", f"/v1/runs/{run_id}/cancel")
    if fault is signal.SIGKILL:
        await server.kill()
        assert await server.start(), server.log
    elif fault is signal.SIGTERM:
        server.signal(signal.SIGTERM)
        await server.ended(25.0)
        assert await server.start(), server.log


def _check_growth(warm: Held, now: Held) -> None:
    assert now.threads <= warm.threads + SLOTS, (warm, now)  # warm runner threads, one for each slot, wait a minute
    assert now.descriptors <= warm.descriptors + 3 * SLOTS + 5, (warm, now)  # each has a loop with three descriptors
    assert now.children == warm.children, (warm, now)
    assert now.memory_kib <= warm.memory_kib + GROWTH_KIB, (warm, now)
