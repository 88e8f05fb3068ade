"""Five at once, classes in order, first come within a class, turns between users."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.conftest import MakeServer
from tests.support.database import query
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate, new_gate
from tests.support.http import ended, start


@pytest.fixture
def door() -> Iterator[Gate]:
    """A second gate."""
    with new_gate() as made:
        yield made


def _running(server: EmbeddedServer) -> set[str]:
    return {row["id"] for row in query(server.data, "SELECT id FROM runs WHERE status = 'RUNNING'")}


def _order(server: EmbeddedServer, ids: list[str]) -> list[str]:
    """Return the runs in the order in which they began: their RUNNING entries in the order of storing."""
    marks = {run_id: server.entries(run_id)[1] for run_id in ids}
    assert all(mark["data"]["status"] == "RUNNING" for mark in marks.values())
    begun = query(server.data, "SELECT id FROM runs ORDER BY rank, id")
    by_rank = [row["id"] for row in begun if row["id"] in marks]
    times = [marks[run_id]["ts_ms"] for run_id in by_rank]
    assert times == sorted(times), "the stored rank is the order of execution"
    return by_rank


async def test_five_run_at_once_and_no_sixth(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http:
        ids = [await start(http, "gated", {"gate": gate.name}) for _ in range(8)]
        await eventually_async(lambda: len(_running(server)) == 5, "five run")
        assert _running(server) == set(ids[:5])
        queue = (await http.get("/v1/queue")).json()
        assert (queue["running"], queue["queued"]) == (5, 3)
        gate.open()
        for run_id in ids:
            assert (await ended(server, run_id))["status"] == "SUCCEEDED"


async def test_high_before_normal_before_low_and_first_come_within_a_class(
    make_server: MakeServer, gate: Gate, door: Gate
) -> None:
    server = make_server(max_running=1)
    async with server.http() as http:
        holder = await start(http, "gated", {"gate": gate.name})
        await eventually_async(lambda: server.status(holder) == "RUNNING", "the place is taken")
        kinds = ["low", "normal", "high", "normal", "low", "high"]
        ids = [await start(http, "gated", {"gate": door.name}, priority=kind) for kind in kinds]
        door.open()
        gate.open()
        for run_id in ids:
            await ended(server, run_id)
    low1, normal1, high1, normal2, low2, high2 = ids
    assert _order(server, ids) == [high1, high2, normal1, normal2, low1, low2]


async def test_users_take_turns(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        holder = await start(ann, "gated", {"gate": gate.name})
        await eventually_async(lambda: server.status(holder) == "RUNNING", "the place is taken")
        anns = [await start(ann, "echo") for _ in range(4)]
        bobs = [await start(bob, "echo") for _ in range(2)]
        gate.open()
        for run_id in anns + bobs:
            await ended(server, run_id)
    order = _order(server, anns + bobs)
    assert order.index(bobs[0]) <= 1, "bob does not wait behind all of ann's"
    assert order.index(bobs[1]) <= 3
    assert [run_id for run_id in order if run_id in anns] == anns


async def test_a_hundred_runs_of_many_users_all_end(server: EmbeddedServer) -> None:
    async def of(user: str) -> list[str]:
        async with server.http(server.token_for(user)) as http:
            return list(await asyncio.gather(*(start(http, "echo", f"{user} {n}") for n in range(20))))

    per_user = await asyncio.gather(*(of(f"user{n}") for n in range(5)))
    for ids in per_user:
        for run_id in ids:
            assert (await ended(server, run_id, within_s=5))["status"] == "SUCCEEDED"
    assert server.services.health()["running"] == 0
    assert server.services.health()["queued"] == 0
