"""Mission F9: what a start does to a thread that has a live run (protocol, section 4, ``if_busy``)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import httpx
import pytest

from runwire.persistence.thread_turns import SELECT_ANOTHER, SELECT_LIVE, SELECT_NEXT
from tests.conftest import MakeServer
from tests.support.database import assert_log_is_whole, query
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.people import waiting
from tests.support.sockets import conversing, statuses

HANG = {"steps": [{"hang": "async"}]}


async def _post(http: httpx.AsyncClient, agent: str, input: Any, thread: str, if_busy: str) -> httpx.Response:
    body = {"agent": agent, "input": input, "thread_id": thread, "if_busy": if_busy}
    return await http.post("/v1/runs", json=body)


def _span(server: EmbeddedServer, run_id: str) -> tuple[int, int]:
    """Return when a run began and when it ended."""
    states = [entry for entry in server.entries(run_id) if entry["type"] == "state"]
    return states[1]["ts_ms"], states[-1]["ts_ms"]


@pytest.mark.parametrize("if_busy", ["parallel", "reject", "enqueue", "interrupt", "rollback", "steer"])
async def test_f9_a_thread_that_is_not_busy_starts_at_once_whatever_was_chosen(
    server: EmbeddedServer, if_busy: str
) -> None:
    async with server.http() as http:
        for _ in range(2):
            answer = await _post(http, "echo", "hi", f"idle-{if_busy}", if_busy)
            assert answer.status_code == 202
            assert (await ended(server, answer.json()["run_id"]))["status"] == "SUCCEEDED"


async def test_f9_by_default_runs_of_a_thread_run_side_by_side(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http:
        first = await start(http, "gated", {"gate": gate.name}, thread_id="parallel")
        await eventually_async(gate.arrived.is_set, "the first runs")
        assert (await ended(server, await start(http, "echo", "x", thread_id="parallel")))["status"] == "SUCCEEDED"
        gate.open()
        await ended(server, first)


async def test_f9_reject_names_the_run_that_is_in_the_way(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http, conversing(server) as socket:
        first = await start(http, "gated", {"gate": gate.name}, thread_id="rejecting")
        problem = problem_of(await _post(http, "echo", "x", "rejecting", "reject"), 409, "thread_busy")
        assert problem["details"] == {"run_id": first, "live": 1}
        error = await socket.refused("run.start", agent="echo", input="x", thread_id="rejecting", if_busy="reject")
        assert (error["code"], error["details"]["run_id"]) == ("thread_busy", first)
        gate.open()
        await ended(server, first)
        assert len((await http.get("/v1/runs?thread_id=rejecting")).json()["data"]) == 1, "nothing half stored"


async def test_f9_enqueue_runs_one_after_the_other_in_the_order_of_their_starts(server: EmbeddedServer) -> None:
    async with server.http() as http:
        nap = {"steps": [{"sleep_s": 0.03}]}
        answers = [(await _post(http, "scripted", nap, "enqueued", "enqueue")).json() for _ in range(5)]
        runs = [answer["run_id"] for answer in answers]
        for run_id in runs:
            await ended(server, run_id)
    spans = [_span(server, run_id) for run_id in runs]
    assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans


async def test_an_enqueued_run_holds_up_nobody_else_and_can_be_cancelled(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=2)
    async with server.http() as http:
        first = await start(http, "gated", {"gate": gate.name}, thread_id="line")
        await eventually_async(gate.arrived.is_set, "the first runs")
        behind = [(await _post(http, "echo", "x", "line", "enqueue")).json()["run_id"] for _ in range(3)]
        places = (await http.get("/v1/queue")).json()["data"]
        assert [place["run_id"] for place in places] == behind
        assert {place["blocked"] for place in places} == {"it waits for the earlier runs of its thread"}
        assert (await ended(server, await start(http, "echo", "elsewhere")))["status"] == "SUCCEEDED"
        await http.post(f"/v1/runs/{behind[0]}/cancel")
        assert statuses(server.entries(behind[0])) == ["QUEUED", "CANCELLED"]
        assert [server.status(run_id) for run_id in behind] == ["CANCELLED", "QUEUED", "QUEUED"]
        gate.open()
        for run_id in (first, *behind[1:]):
            assert (await ended(server, run_id))["status"] == "SUCCEEDED"


async def test_an_enqueued_run_starts_after_a_restart_too(make_server: MakeServer, gate: Gate) -> None:
    server = make_server()
    async with server.http() as http:
        first = await start(http, "scripted", HANG, thread_id="over-a-restart")
        behind = [(await _post(http, "echo", "x", "over-a-restart", "enqueue")).json()["run_id"] for _ in range(2)]
    await asyncio.to_thread(server.stop)
    again = make_server(data=server.data)
    for run_id in behind:
        assert (await ended(again, run_id))["status"] == "SUCCEEDED"
    assert again.status(first) == "FAILED"
    spans = [_span(again, run_id) for run_id in behind]
    assert spans[0][1] <= spans[1][0]


@pytest.mark.parametrize("if_busy", ["interrupt", "rollback"])
async def test_f9_interrupt_cancels_the_others_and_starts_when_they_have_stopped(
    server: EmbeddedServer, if_busy: str
) -> None:
    thread = f"busy-{if_busy}"
    async with server.http() as http:
        running = await start(http, "scripted", HANG, thread_id=thread)
        asking = await start(http, "asks", {}, thread_id=thread)
        await waiting(server, asking)
        queued = (await _post(http, "echo", "x", thread, "enqueue")).json()["run_id"]
        new = (await _post(http, "echo", "instead", thread, if_busy)).json()["run_id"]
        assert (await ended(server, new))["result"]["text"] == "instead"
        for run_id in (running, asking, queued):
            assert server.status(run_id) == "CANCELLED"
            assert_log_is_whole(server.entries(run_id))
            shown = (await http.get(f"/v1/runs/{run_id}")).json()
            assert shown.get("rolled_back_by") == (new if if_busy == "rollback" else None)
        assert max(_span(server, running)[1], _span(server, asking)[1]) <= _span(server, new)[0]


async def test_f9_steer_sends_the_input_into_the_live_run(server: EmbeddedServer) -> None:
    async with server.http() as http, conversing(server) as socket:
        run_id = await start(http, "listens", 2, thread_id="steered-start")
        answer = await _post(http, "echo", "by http", "steered-start", "steer")
        assert (answer.status_code, answer.json()["run_id"]) == (202, run_id)
        assert answer.json()["steered"]["status"] == "delivered"
        command = {"agent": "echo", "input": "by socket", "thread_id": "steered-start", "if_busy": "steer"}
        reply = await socket.ok("run.start", **command, run_id="steeringmessage1")
        assert (reply["run_id"], reply["existed"], reply["steered"]["status"]) == (run_id, True, "delivered")
        assert reply["steered"]["message_id"] == "steeringmessage1"
        assert (await socket.until_end(run_id))["code"] == 1000, "the socket follows the run that was steered"
        heard = (await ended(server, run_id))["result"]
        assert [content for content, _ in heard] == ["by http", "by socket"]
        assert len((await http.get("/v1/runs?thread_id=steered-start")).json()["data"]) == 1


async def test_the_same_start_twice_is_one_run_also_behind_another(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http:
        first = await start(http, "gated", {"gate": gate.name}, thread_id="once")
        body = {"agent": "echo", "input": "x", "thread_id": "once", "if_busy": "enqueue", "run_id": "behindonce01"}
        codes = [(await http.post("/v1/runs", json=body)).status_code for _ in range(2)]
        assert codes == [202, 200]
        problem_of(await http.post("/v1/runs", json={**body, "if_busy": "parallel"}), 409, "run_id_taken")
        gate.open()
        await ended(server, first)
        await ended(server, "behindonce01")


async def test_looking_for_live_runs_of_a_thread_reads_live_runs_alone(server: EmbeddedServer) -> None:
    for statement, values in ((SELECT_LIVE, "tut"), (SELECT_ANOTHER, "tut"), (SELECT_NEXT, "t")):
        plan = [row["detail"] for row in query(server.data, f"EXPLAIN QUERY PLAN {statement}", *values)]
        read = [step for step in plan if "runs" in step]
        assert read, plan
        assert all(any(f"ix_runs_{name}" in step for name in ("held", "lanes", "queue")) for step in read), plan
