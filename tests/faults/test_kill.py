"""``kill -9`` at every hit of every failpoint: nothing that was seen or acknowledged is lost, nothing is invented.

Each case starts a run under a failpoint with two followers watching, lets the server die there, starts it again, and
follows to the end. The judge then sees all sockets of both lives, the agent's journal and the database.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from runwire.failpoints import KILLED, NAMES
from tests.faults.conftest import StartServer
from tests.faults.follower import Follower
from tests.faults.history import History
from tests.faults.journal import read_journals
from tests.faults.observer import Wish
from tests.faults.server import Server

RUN_ID = "killedrun1"
SCRIPT = {"count": 12, "flush_every": 2, "delay_s": 0.03, "interval_s": 0.002}
MOST_HITS = 200
"""More than a run of this script ever has of any place; reaching it means that the counting is broken."""


async def one_life_and_a_second(server: Server, place: str, hit: int, agent: str, chance: random.Random) -> bool:
    """Return whether the server died at that hit; judge both lives."""
    followers = [Follower(lambda: server.address, RUN_ID, chance, Wish(batch=batch)) for batch in (False, True)]
    history = History()
    started = await server.start(f"{place}:{hit}")
    if started:
        await first_life(server, agent, followers)
    died = not started or await has_died(server)
    if died:
        assert await server.start(), server.log
        if RUN_ID in server.logs():
            for follower in followers:
                await follower.to_the_end(8.0)
    for follower in followers:
        follower.tell(history, cuts=True)
    history.acknowledged += read_journals(server.journals)
    history.check(server.logs())
    return died


async def first_life(server: Server, agent: str, followers: list[Follower]) -> None:
    """Start the run and follow it until it ends or the server does."""
    try:
        await server.run(agent, {**SCRIPT, "journals": str(server.journals)}, RUN_ID)
        sockets = [await follower.open() for follower in followers]
        for socket in sockets:
            await socket.ended(8.0)
    except ConnectionError:
        return  # it died before it could answer: also a hit


async def has_died(server: Server) -> bool:
    """Return whether the server has ended; it must then have been the failpoint."""
    try:
        code = await server.ended(0.1)
    except TimeoutError:
        return False
    assert code == KILLED, (code, server.log[-2000:])
    return True


@pytest.mark.parametrize("agent", ["journaled", "journaled-again"])
@pytest.mark.parametrize("place", sorted(NAMES - {"during_recovery"}))
async def test_nothing_seen_or_acknowledged_is_lost_by_a_kill(
    new_server: StartServer, place: str, agent: str, chance: random.Random
) -> None:
    for hit in chance.sample(range(1, 6), 2):
        await one_life_and_a_second(new_server(), place, hit, agent, chance)


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("agent", ["journaled", "journaled-again"])
@pytest.mark.parametrize("place", sorted(NAMES - {"during_recovery"}))
async def test_nothing_is_lost_by_a_kill_at_any_hit(
    new_server: StartServer, place: str, agent: str, chance: random.Random
) -> None:
    """Hits are counted by dying at each in turn until a run outlives its failpoint."""
    for hit in range(1, MOST_HITS):
        if not await one_life_and_a_second(new_server(), place, hit, agent, chance):
            assert hit > 2, f"{place} was never reached"
            return
    pytest.fail(f"{place} was reached {MOST_HITS} times by twelve events")


@pytest.mark.parametrize("hit", [1, 2, 3])
async def test_a_kill_in_the_middle_of_recovery_leaves_all_or_nothing_of_it(new_server: StartServer, hit: int) -> None:
    server = new_server()
    await server.start()
    script = {"count": 1000, "interval_s": 0.01, "journals": str(server.journals)}
    run_ids = [await server.run(agent, script) for agent in ("journaled", "journaled-again", "journaled")]
    sockets = [await Follower(lambda: server.address, run_id, random.Random(hit)).open() for run_id in run_ids]
    for socket in sockets:
        await socket.until_seq(5, 5.0)
    await server.kill()
    before = server.logs()
    assert not await server.start(f"during_recovery:{hit}")
    assert server.logs() == before
    server.settings["DRAIN_SIGTERM_S"] = "0.1"
    assert await server.start(), server.log
    statuses = [(await server.status(run_id))["status"] for run_id in run_ids]
    assert statuses == ["FAILED", "RUNNING", "FAILED"]
    await server.kill()  # so that journal and log stand still while they are read
    history = History(acknowledged=read_journals(server.journals))
    for run_id, socket in zip(run_ids, sockets, strict=True):
        history.add(socket, run_id)
    history.check(server.logs(), ended=False)


async def test_a_real_kill_under_load_loses_nothing(new_server: StartServer, chance: random.Random) -> None:
    """SIGKILL from outside, at a random moment of ten runs."""
    server = new_server()
    await server.start()
    script = {"count": 400, "flush_every": 7, "interval_s": 0.001, "journals": str(server.journals)}
    followers = []
    for index in range(10):
        run_id = await server.run("journaled" if index % 2 else "journaled-again", script)
        followers.append(Follower(lambda: server.address, run_id, chance, Wish(batch=index % 3 > 0)))
    watching = [asyncio.create_task(follower.to_the_end(9.0)) for follower in followers]
    await asyncio.sleep(chance.uniform(0.02, 0.25))
    await server.kill()
    assert await server.start(), server.log
    await asyncio.gather(*watching)
    history = History(acknowledged=read_journals(server.journals))
    for follower in followers:
        follower.tell(history, cuts=True)
    history.check(server.logs())
    ends = [server.logs()[follower.run_id].entries[-1].data for follower in followers]
    said = {(end.status, (end.error or {}).get("code")) for end in ends}
    assert said <= {("SUCCEEDED", None), ("FAILED", "worker_lost")}
