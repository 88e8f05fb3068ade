"""Many clients on bad networks, and a server that dies under a thousand of them. Minutes; marked ``faults``.

The jitter profile: 200 clients, each on a run of two messages a second, whose TCP is aborted about every 15 s and who
is then offline for 2 s. Delivery must be complete, without a double or a hole, and no entry may arrive later than the
offline time plus a quarter of a second: the time that reconnecting and catching up may cost.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.conftest import StartServer
from tests.faults.follower import Follower
from tests.faults.history import History
from tests.faults.journal import read_journals
from tests.faults.observer import Observer
from tests.faults.server import ColdStart, Server

CLIENTS = 200
LENGTH_S = 60.0
OFFLINE_S = 2.0
BETWEEN_CUTS_S = 15.0
SLACK_S = 0.25
SUBSCRIBERS = 1_000
BACK_S = 3.0
START_S = 0.8
"""What a start of the server may take; what a busy machine adds to it is not the clients' doing."""


@dataclass(slots=True)
class Commuter:
    """A client whose connection is cut now and then."""

    follower: Follower
    chance: random.Random
    cuts: int = 0
    lateness_s: list[float] = field(default_factory=list)

    async def ride(self) -> None:
        """Follow to the end, being cut and staying offline in between."""
        while True:
            observer = await self.follower.open()
            try:
                code = await observer.ended(self.chance.uniform(0.5, 1.5) * BETWEEN_CUTS_S)
            except TimeoutError:
                self.cuts += 1
                observer.cut()
                await asyncio.sleep(OFFLINE_S)
                continue
            assert code == 1000, f"closed with {code}"
            return

    def latest_s(self) -> float:
        """Return how late the latest event came after its making."""
        return max(
            moment - float(entry.raw.split(b'"t":')[1].partition(b",")[0])
            for entry, moment in zip(self.follower.entries, self.follower.arrived, strict=True)
            if entry.type == "event"
        )


@pytest.mark.faults
@pytest.mark.timeout(150)
async def test_the_jitter_profile_is_delivered_whole_and_in_time(
    new_server: StartServer, chance: random.Random
) -> None:
    server = new_server()
    await server.start()
    script = {"count": int(LENGTH_S * 2), "interval_s": 0.5, "flush_every": 10, "journals": str(server.journals)}
    commuters = []
    for _ in range(CLIENTS):
        run_id = await server.run("journaled", {**script, "delay_s": chance.uniform(1.0, 2.0)})
        follower = Follower(lambda: server.address, run_id, chance)
        commuters.append(Commuter(follower, random.Random(chance.random())))
    async with asyncio.timeout(LENGTH_S + 40), asyncio.TaskGroup() as group:
        for commuter in commuters:
            group.create_task(commuter.ride())
    latest = sorted(commuter.latest_s() for commuter in commuters)
    cuts = sum(commuter.cuts for commuter in commuters)
    print(f"{cuts} cuts; the slowest entry took {latest[-1]:.3f} s, the median client's slowest {latest[100]:.3f} s")
    history = History(acknowledged=read_journals(server.journals))
    for commuter in commuters:
        commuter.follower.tell(history, cuts=True)
    history.check(server.logs())
    assert cuts > CLIENTS * 2
    assert latest[-1] <= OFFLINE_S + SLACK_S


@dataclass(slots=True)
class Returner:
    """One of a thousand subscribers; notes when it stands at the last seq again."""

    follower: Follower
    back_at: float = 0.0

    async def come_back(self, last_seq: int) -> None:
        """Reconnect as the project's clients do: exponential back-off with full jitter from 0.2 s."""
        attempt = 0
        while True:
            try:
                observer = await self.follower.open()
                await observer.until(lambda: (self.follower.cursor or 0) >= last_seq, 10.0)
            except (ConnectionError, TimeoutError):
                await asyncio.sleep(self.follower.chance.random() * min(10.0, 0.2 * 2**attempt))
                attempt += 1
                continue
            self.back_at = time.monotonic()
            return


@pytest.mark.faults
@pytest.mark.timeout(90)
async def test_a_server_killed_under_a_thousand_subscribers_has_them_all_back_in_three_seconds(
    template: Path, tmp_path: Path, chance: random.Random
) -> None:
    """The second server is a fresh interpreter, as an operator's supervisor would start it."""
    async with Server(ColdStart(), tmp_path / "data", template) as server:
        await kill_under_a_thousand(server, chance)


async def kill_under_a_thousand(server: Server, chance: random.Random) -> None:
    """Let a thousand follow, kill the server, start it again, and see when each stands at the last seq."""
    script = {"count": 1_000_000, "interval_s": 0.05, "flush_every": 10, "journals": str(server.journals)}
    run_id = await server.run("journaled-again", script)
    returners = [Returner(Follower(lambda: server.address, run_id, chance)) for _ in range(SUBSCRIBERS)]
    gate = asyncio.Semaphore(50)
    await asyncio.gather(*(_opened(returner, gate) for returner in returners))
    await asyncio.gather(*(returner.follower.socket.until_seq(20, 20.0) for returner in returners))
    last_seq = max(returner.follower.cursor or 0 for returner in returners)
    killed = time.monotonic()
    await server.kill()
    coming = asyncio.gather(*(returner.come_back(last_seq) for returner in returners))
    assert await server.start(), server.log
    started_s = time.monotonic() - killed
    await coming
    took = sorted(returner.back_at - killed for returner in returners)
    back = f"median {took[500]:.2f} s, p95 {took[950]:.2f} s, last {took[-1]:.2f} s"
    print(f"listening after {started_s:.2f} s; back after: {back}")
    history = History()
    for returner in returners:
        history.add(returner.follower.sockets[0][0], run_id, whole=False)
        returner.follower.socket.cut()
    await _stopped(server, run_id)
    for returner in returners:
        observer, after = returner.follower.sockets[-1]
        history.add(observer, run_id, after, whole=False)
    history.check(server.logs())
    assert took[950] <= BACK_S + max(0.0, started_s - START_S)


async def _opened(returner: Returner, gate: asyncio.Semaphore) -> Observer:
    async with gate:
        return await returner.follower.open()


async def _stopped(server: Server, run_id: str) -> None:
    await server.request("POST", f"/v1/runs/{run_id}/cancel")
    await server.until_ended(run_id, 8.0)
