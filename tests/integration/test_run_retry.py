"""``run.retry``: an ended run begins anew, by people's hands, or as a fork behind one of its entries."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support import attempt_agents
from tests.support.database import query
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start
from tests.support.sockets import conversing, said


@pytest.fixture
def server(make_server: MakeServer) -> EmbeddedServer:
    """A server with the agents of this suite."""
    return make_server(agents=attempt_agents.PATHS)


async def test_a_retry_is_a_new_run_with_the_same_input_in_the_same_thread(server: EmbeddedServer) -> None:
    async with server.http() as http:
        body = {"thread_id": "talk", "priority": "high", "limits": {"events": 9}, "timeout_s": 60}
        run_id = await start(http, "flaky", {"fails": 1, "retryable": False}, **body)
        assert (await ended(server, run_id))["status"] == "FAILED"
        answer = await http.post(f"/v1/runs/{run_id}/retry")
        assert answer.status_code == 202
        again = answer.json()
        assert again["id"] != run_id
        assert (await ended(server, again["id"]))["status"] == "FAILED"
        first = (await http.get(f"/v1/runs/{run_id}")).json()
        second = (await http.get(f"/v1/runs/{again['id']}")).json()
    same = ("agent", "input", "thread_id", "priority", "limits", "timeout_s", "agent_version", "max_attempts")
    assert {name: second[name] for name in same} == {name: first[name] for name in same}
    assert (second["retry_of"], second["from_seq"], first["retry_of"]) == (run_id, None, None)


async def test_over_a_socket_the_new_run_is_followed(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        first = (await socket.ok("run.start", agent="echo", input="again"))["run_id"]
        await socket.until("end", run_id=first)
        second = (await socket.ok("run.retry", run_id=first))["run_id"]
        await socket.until("end", run_id=second)
    events = [[e["data"]["type"] for e in server.entries(run_id) if e["type"] == "event"] for run_id in (first, second)]
    assert events[0] == events[1]


@pytest.mark.parametrize("by", ["body", "header"])
async def test_the_new_id_is_an_idempotency_key(server: EmbeddedServer, by: str) -> None:
    key = f"retriedonceby{by}"
    json, headers = ({"new_run_id": key}, {}) if by == "body" else ({}, {"Idempotency-Key": key})
    async with server.http() as http:
        run_id = await start(http, "echo", "x")
        other = await start(http, "echo", "x")
        await ended(server, run_id)
        await ended(server, other)
        answers = [await http.post(f"/v1/runs/{run_id}/retry", json=json, headers=headers) for _ in range(2)]
        assert [(answer.status_code, answer.json()["id"]) for answer in answers] == [(202, key), (200, key)]
        problem_of(await http.post(f"/v1/runs/{other}/retry", json=json, headers=headers), 409, "run_id_taken")
        await ended(server, key)


async def test_what_cannot_be_retried_says_why(server: EmbeddedServer) -> None:
    async with server.http() as http, server.http(server.token_for("stranger")) as stranger:
        live = await start(http, "silent", {})
        told = problem_of(await http.post(f"/v1/runs/{live}/retry"), 409, "conflict")
        assert "cancel it or wait" in told["detail"]
        await http.post(f"/v1/runs/{live}/cancel")
        await ended(server, live)
        problem_of(await stranger.post(f"/v1/runs/{live}/retry"), 404, "not_found")
        problem_of(await http.post("/v1/runs/nosuchrun/retry"), 404, "not_found")
        told = problem_of(await http.post(f"/v1/runs/{live}/retry", json={"from_seq": 1}), 409, "conflict")
        assert "leave out from_seq" in told["detail"]
        malformed: tuple[Any, ...] = ({"from_seq": 0}, {"from_seq": "1"}, {"unknown": 1}, {"run_id": live}, [], 5)
        for wrong in malformed:
            problem_of(await http.post(f"/v1/runs/{live}/retry", json=wrong), 422, "invalid_input")
    assert query(server.data, "SELECT count(*) AS n FROM runs") == [{"n": 1}]


@pytest.mark.parametrize("agent", ["walks", "walks-plain", "walks-apart"])
async def test_a_fork_reads_what_counts_and_goes_on_from_there(server: EmbeddedServer, agent: str) -> None:
    async with server.http() as http:
        run_id = await start(http, agent, 600)
        assert (await ended(server, run_id))["result"] == {"walked": 600}
        for from_seq in (2, 2 + 1, 2 + 300, 2 + 600):
            answer = await http.post(f"/v1/runs/{run_id}/retry", json={"from_seq": from_seq})
            fork = answer.json()
            assert (fork["retry_of"], fork["from_seq"]) == (run_id, from_seq)
            end = await ended(server, fork["id"])
            assert end["result"] == {"walked": 600}
            kept = from_seq - 2
            assert said(server.entries(fork["id"])) == [f"step{number}" for number in range(kept, 600)]
        last = (await http.get(f"/v1/runs/{run_id}")).json()["as_of_seq"]
        problem_of(await http.post(f"/v1/runs/{run_id}/retry", json={"from_seq": last + 1}), 422, "invalid_input")


async def test_a_retry_that_was_asked_for_twice_at_once_is_two_runs_without_a_key(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "echo", "x")
        await ended(server, run_id)
        answers = await asyncio.gather(*(http.post(f"/v1/runs/{run_id}/retry") for _ in range(2)))
        ids = {answer.json()["id"] for answer in answers}
        assert len(ids) == 2
        for each in ids:
            await ended(server, each)
        listed: list[dict[str, Any]] = (await http.get("/v1/runs")).json()["data"]
    assert {run["retry_of"] for run in listed} == {None, run_id}
