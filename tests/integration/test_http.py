"""Protocol, section 6: health, agents, runs, their entries, cancel, the queue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start


async def test_health_is_public_and_readiness_tells_numbers(server: EmbeddedServer) -> None:
    async with server.http(token="") as http:
        assert (await http.get("/healthz")).json()["status"] == "ok"
        ready = await http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ok"
    assert {"problems", "running", "queued", "stuck_threads"} <= set(ready.json())


async def test_agents_are_listed_with_their_input_schemas(server: EmbeddedServer) -> None:
    async with server.http() as http:
        body = (await http.get("/v1/agents")).json()
    agents = {agent["name"]: agent for agent in body["data"]}
    assert {"echo", "scripted", "browser-test", "facts", "Instance"} <= set(agents)
    assert list(agents) == sorted(agents)
    assert agents["scripted"]["input_schema"]["$defs"]["Script"]["required"] == ["steps"]
    assert agents["echo"]["recoverable"] is True
    assert agents["echo"]["available"] is True
    assert agents["generator"]["style"] == "async generator"
    assert agents["plain"]["style"] == "function"
    assert agents["facts"]["description"].startswith("Return what the context knows")


async def test_a_started_run_is_202_and_can_be_looked_at(server: EmbeddedServer) -> None:
    async with server.http() as http:
        answer = await http.post("/v1/runs", json={"agent": "echo", "input": {"text": "hi there"}})
        assert answer.status_code == 202
        created = answer.json()
        assert (created["status"], created["as_of_seq"], created["input"]) == ("QUEUED", 1, {"text": "hi there"})
        await ended(server, created["id"])
        view = (await http.get(f"/v1/runs/{created['id']}")).json()
    assert view["id"] == view["run_id"] == created["id"]
    assert view["status"] == "SUCCEEDED"
    assert view["result"] == {"text": "hi there", "words": 2}
    assert view["as_of_seq"] == len(server.frames(created["id"]))
    assert view["epoch"] == created["epoch"]
    assert view["created_ms"] <= view["started_ms"] <= view["ended_ms"]
    assert (view["agent"], view["attempt"], view["priority"], view["cancel_requested"]) == ("echo", 1, "normal", False)


async def test_a_failed_run_is_seen_with_its_error(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"fail": "no more paper"}]})
        await ended(server, run_id)
        view = (await http.get(f"/v1/runs/{run_id}")).json()
    assert view["status"] == "FAILED"
    assert view["error"] == {"code": "agent_error", "message": "no more paper", "retryable": False}


async def test_entries_are_the_stored_bytes_in_pages(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "echo", "one two three four five six seven")
        await ended(server, run_id)
        stored = server.frames(run_id)
        whole = await http.get(f"/v1/runs/{run_id}/events")
        assert whole.content == b'{"data":[' + b",".join(stored) + b'],"next":null}'
        pages: list[Any] = []
        after: int | None = 0
        while after is not None:
            page = (await http.get(f"/v1/runs/{run_id}/events", params={"after": after, "limit": 3})).json()
            assert len(page["data"]) <= 3
            pages += page["data"]
            after = page["next"]
        assert pages == server.entries(run_id)
        beyond = (await http.get(f"/v1/runs/{run_id}/events", params={"after": 2**63 - 1})).json()
        assert beyond == {"data": [], "next": None}


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", f"after={2**63}", "limit=0", "limit=1001", "limit=x", "limit="]
)
async def test_bad_pages_of_entries_are_422(server: EmbeddedServer, query: str) -> None:
    async with server.http() as http:
        run_id = await start(http, "echo", "hi")
        body = problem_of(await http.get(f"/v1/runs/{run_id}/events?{query}"), 422, "invalid_input")
    assert query.partition("=")[0] in body["detail"]


async def test_runs_are_listed_newest_first_in_pages_and_filtered(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("lister")) as http:
        ids = [await start(http, "echo", number, thread_id=f"t{number % 2}") for number in range(7)]
        failed = await start(http, "scripted", {"steps": [{"fail": "x"}]})
        for run_id in [*ids, failed]:
            await ended(server, run_id)
        listed: list[Any] = []
        mark: str | None = ""
        while mark is not None:
            page = (await http.get("/v1/runs", params={"limit": 3, **({"before": mark} if mark else {})})).json()
            listed += page["data"]
            mark = page["next"]
        assert [run["id"] for run in listed[0:1]] == [failed]
        assert {run["id"] for run in listed} == {*ids, failed}
        assert len(listed) == 8
        times = [run["created_ms"] for run in listed]
        assert times == sorted(times, reverse=True)
        for query, expected in (
            ({"status": "FAILED"}, {failed}),
            ({"agent": "scripted"}, {failed}),
            ({"thread_id": "t1"}, {ids[1], ids[3], ids[5]}),
            ({"agent": "nobody"}, set()),
        ):
            found = (await http.get("/v1/runs", params=query)).json()["data"]
            assert {run["id"] for run in found} == expected


@pytest.mark.parametrize(
    "query",
    ["status=DONE", "limit=0", "limit=201", "before=x", "before=1", "before=.a", "before=²2.a", f"before={2**70}.a"],
)
async def test_bad_lists_are_422(server: EmbeddedServer, query: str) -> None:
    async with server.http() as http:
        body = problem_of(await http.get(f"/v1/runs?{query}"), 422, "invalid_input")
    assert query.partition("=")[0] in body["detail"]


async def test_cancel_is_202_and_means_stopped(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http:
        run_id = await start(http, "gated", {"gate": gate.name})
        answer = await http.post(f"/v1/runs/{run_id}/cancel")
        assert answer.status_code == 202
        assert answer.json()["cancel"] == "requested"
        assert (await ended(server, run_id))["status"] == "CANCELLED"
        again = await http.post(f"/v1/runs/{run_id}/cancel")
        assert (again.status_code, again.json()["status"]) == (202, "CANCELLED")
        view = (await http.get(f"/v1/runs/{run_id}")).json()
    assert (view["status"], view["cancel_requested"], view["reason"]) == ("CANCELLED", True, "requested")


async def test_the_queue_shows_counts_to_all_and_places_to_their_owner(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        running = await start(ann, "gated", {"gate": gate.name})
        await eventually_async(lambda: server.status(running) == "RUNNING", "the first run runs")
        low = await start(ann, "echo", priority="low")
        theirs = await start(bob, "echo", priority="normal")
        high = await start(ann, "echo", priority="high")
        seen = (await ann.get("/v1/queue")).json()
        assert (seen["queued"], seen["running"], seen["waiting"]) == (3, 1, 0)
        assert seen["limits"]["max_running"] == 1
        assert [(place["run_id"], place["position"]) for place in seen["data"]] == [(high, 1), (low, 3)]
        assert [place["run_id"] for place in (await bob.get("/v1/queue")).json()["data"]] == [theirs]
        gate.open()
        for run_id in (low, theirs, high):
            await ended(server, run_id)
        assert (await ann.get("/v1/queue")).json()["data"] == []


async def test_a_full_queue_is_429_with_a_time_to_come_back(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1, queued_per_user=2, queued_runs=3)
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        running = await start(ann, "gated", {"gate": gate.name})
        await eventually_async(lambda: server.status(running) == "RUNNING", "the first run runs")
        for _ in range(2):
            await start(ann, "echo")
        full = await ann.post("/v1/runs", json={"agent": "echo"})
        assert problem_of(full, 429, "over_capacity")["details"]["limit"] == "queued_per_user"
        assert full.headers["retry-after"] == "5"
        await start(bob, "echo")
        body = problem_of(await bob.post("/v1/runs", json={"agent": "echo"}), 429, "over_capacity")
        assert (body["details"]["limit"], body["retryable"]) == ("queued", True)
        gate.open()


async def test_every_answer_carries_the_security_headers(server: EmbeddedServer) -> None:
    async with server.http() as http:
        for path in ("/v1/runs", "/healthz", "/v1/runs/" + "z" * 24, "/", "/nothing"):
            answer = await http.get(path)
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert answer.headers["referrer-policy"] == "no-referrer", path
            assert "server" not in answer.headers, path


async def test_unknown_paths_and_methods_are_problems(server: EmbeddedServer) -> None:
    async with server.http() as http:
        problem_of(await http.get("/v1/nothing"), 404, "not_found")
        problem_of(await http.delete("/v1/runs"), 405, "method_not_allowed")
        problem_of(await http.get("/v1/runs/" + "z" * 24), 404, "not_found")
