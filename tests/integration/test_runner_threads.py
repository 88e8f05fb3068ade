"""What only runner threads have: their kind, their reuse, and that a stuck one is given up (mission, B3)."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import MakeServer
from tests.support.agents import PATHS as AGENTS
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.isolated_agents import PATHS as ISOLATED
from tests.support.isolation import wait_for_fork_servers

GRACE_S = 0.3


async def _result(server: EmbeddedServer, agent: str, input: object = None) -> dict[str, object]:
    async with server.http() as http:
        result: dict[str, object] = (await ended(server, await start(http, agent, input)))["result"]
    return result


async def test_runners_are_daemon_threads(server: EmbeddedServer) -> None:
    result = await _result(server, "facts")
    assert result["daemon"] is True
    assert str(result["thread"]).startswith("runwire-runner-")


async def test_b3_a_thread_with_a_busy_worker_serves_no_other_run(server: EmbeddedServer, gate: Gate) -> None:
    """Clean runs of one user and agent share a thread; after one that left a worker behind, a new one is made."""
    runners = []
    for input in ({}, {}, {"gate": gate.name}, {}):
        result = await _result(server, "leaves-worker", input)
        assert result["worker_is_daemon"] is True
        runners.append(result["runner"])
    assert runners[0] == runners[1] == runners[2]
    assert runners[3] != runners[2]


@pytest.mark.parametrize("agent", ["swallows", "blocked"])
async def test_work_that_does_not_stop_is_given_up_after_the_grace(
    make_server: MakeServer, gate: Gate, agent: str
) -> None:
    server = make_server(cancel_grace_s=GRACE_S, max_running=1)
    async with server.http() as http:
        run_id = await start(http, agent, {"gate": gate.name})
        await eventually_async(lambda: server.status(run_id) == "RUNNING", "it runs")
        await http.post(f"/v1/runs/{run_id}/cancel")
        end = await ended(server, run_id)
        assert (end["status"], end["error"]["code"]) == ("FAILED", "stuck_thread")
        assert (await ended(server, await start(http, "echo", "next")))["status"] == "SUCCEEDED", "its place is free"
        assert (await http.get("/readyz")).json()["stuck_threads"] == 1


async def test_a_given_up_thread_writes_nothing_any_more(make_server: MakeServer, gate: Gate) -> None:
    """Its fence is gone: what it says and how it ends comes too late (protocol, L5)."""
    server = make_server(cancel_grace_s=GRACE_S)
    async with server.http() as http:
        run_id = await start(http, "blocked", {"gate": gate.name})
        assert await asyncio.to_thread(gate.arrived.wait, 2)
        await http.post(f"/v1/runs/{run_id}/cancel")
        await ended(server, run_id)
        stored = server.frames(run_id)
        gate.open()
        await eventually_async(lambda: server.services.health()["stuck_threads"] == 0, "the thread ends")
        await ended(server, await start(http, "echo", "a later commit"))
    assert server.frames(run_id) == stored


async def test_too_many_stuck_threads_hold_back_what_needs_one(make_server: MakeServer, gate: Gate) -> None:
    """Starts are refused, what waits already waits on, ``/readyz`` says why; isolated ones run. Until a thread ends."""
    server = make_server(agents=(*AGENTS, *ISOLATED), cancel_grace_s=GRACE_S, max_running=1, stuck_threads_most=1)
    wait_for_fork_servers()
    async with server.http() as http:
        stuck = await start(http, "blocked", {"gate": gate.name})
        waiting = await start(http, "facts")
        assert await asyncio.to_thread(gate.arrived.wait, 2)
        await http.post(f"/v1/runs/{stuck}/cancel")
        assert (await ended(server, stuck))["error"]["code"] == "stuck_thread"
        refusal = await http.post("/v1/runs", json={"agent": "facts"})
        problem = problem_of(refusal, 429, "over_capacity")
        assert (problem["details"]["limit"], refusal.headers["retry-after"]) == ("stuck_threads_most", "30")
        ready = await http.get("/readyz")
        assert (ready.status_code, len(ready.json()["problems"])) == (503, 1)
        assert "1 threads are stuck" in ready.json()["problems"][0]
        assert (await ended(server, await start(http, "prints", {"lines": 1})))["status"] == "SUCCEEDED"
        assert server.status(waiting) == "QUEUED"
        gate.open()
        assert (await ended(server, waiting))["status"] == "SUCCEEDED"
        assert (await http.get("/readyz")).status_code == 200
