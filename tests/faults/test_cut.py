"""TCP dies at every byte: who comes back with ``after`` and ``epoch`` gets each entry exactly once (protocol, S4)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from tests.faults.follower import Follower
from tests.faults.history import History
from tests.faults.observer import Wish, follow
from tests.faults.proxy import FaultProxy, Faults
from tests.faults.server import Server

ENTRIES = 20
AT_ONCE = 20
"""Connections cut at the same time: as many as two cores serve without any of them becoming slow."""


async def ended_run(server: Server) -> str:
    """Return a run that has ended with twenty entries."""
    steps = [{"text": f"word {number}"} for number in range(ENTRIES - 5)]
    run_id = await server.run("scripted", {"steps": steps})
    await server.until_ended(run_id, 5.0)
    assert server.logs()[run_id].last_seq == ENTRIES
    return run_id


async def cut_at(server: Server, run_id: str, batch: bool, offset: int, seed: int) -> Follower:
    """Follow through a proxy that resets the first connection behind ``offset`` bytes of the server's."""
    faults = [Faults(cut_after=offset)]
    chance = random.Random(seed)
    async with FaultProxy(
        server.port, faults_for=lambda: (Faults(), faults.pop() if faults else Faults(slice_bytes=7))
    ) as proxy:
        address = replace(server.address, port=proxy.own_port)
        follower = Follower(lambda: address, run_id, chance, Wish(batch=batch))
        await follower.to_the_end(8.0, first_delay_s=0.0)
    return follower


async def cut_at_all(server: Server, offsets: range, batch: bool) -> None:
    """Judge cuts at ``offsets``, some at a time."""
    run_id, history = await ended_run(server), History()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(offset: int) -> None:
        async with gate:
            (await cut_at(server, run_id, batch, offset, offset)).tell(history, cuts=True)

    async with asyncio.TaskGroup() as group:
        for offset in offsets:
            group.create_task(one(offset))
    history.check(server.logs())


async def size_bytes(server: Server, batch: bool) -> int:
    """Return how many bytes the server sends for the whole run, from the answer to the upgrade to the close frame."""
    observer = await follow(server.address, await ended_run(server), Wish(batch=batch))
    assert await observer.ended(5.0) == 1000
    return observer.received_bytes


@pytest.mark.parametrize("batch", [False, True])
async def test_a_cut_at_sampled_bytes_loses_and_doubles_nothing(
    server: Server, batch: bool, chance: random.Random
) -> None:
    size = await size_bytes(server, batch)
    await cut_at_all(server, range(chance.randrange(40), size, 40), batch)


@pytest.mark.faults
@pytest.mark.timeout(180)
@pytest.mark.parametrize("batch", [False, True])
async def test_a_cut_at_every_byte_loses_and_doubles_nothing(server: Server, batch: bool) -> None:
    await cut_at_all(server, range(await size_bytes(server, batch)), batch)


async def test_cuts_while_the_run_is_going_on_lose_and_double_nothing(server: Server, chance: random.Random) -> None:
    """Live, not replayed: every connection of ten followers is cut somewhere in its first 3,000 bytes."""
    journals = str(server.journals)
    run_id = await server.run("journaled", {"count": 500, "interval_s": 0.002, "flush_every": 50, "journals": journals})
    cuts = lambda: (Faults(), Faults(cut_after=chance.randrange(150, 3_000)))  # noqa: E731  # too short for a name
    async with FaultProxy(server.port, faults_for=cuts) as proxy:
        address = replace(server.address, port=proxy.own_port)
        followers = [Follower(lambda: address, run_id, chance, Wish(batch=index % 2 > 0)) for index in range(10)]
        watching = [asyncio.create_task(follower.to_the_end(9.0, first_delay_s=0.01)) for follower in followers]
        await server.until_ended(run_id, 8.0)
        proxy.faults_for = None
        await asyncio.gather(*watching)
    history = History()
    for follower in followers:
        follower.tell(history, cuts=True)
    assert sum(len(follower.sockets) for follower in followers) > 30
    history.check(server.logs())
