"""A queue that people can see, and that is fair: limits, places, pauses. Room for browsers is row C5's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.database import query
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.people import waiting
from tests.support.sockets import Frame, conversing, following, log_of, statuses

MakeData = Callable[[], Path]


def _running(server: EmbeddedServer) -> set[str]:
    return {row["id"] for row in query(server.data, "SELECT id FROM runs WHERE status = 'RUNNING'")}


async def _running_becomes(server: EmbeddedServer, ids: list[str]) -> None:
    await eventually_async(lambda: _running(server) == set(ids), f"exactly {len(ids)} run")


async def _view(http: httpx.AsyncClient) -> dict[str, Any]:
    view: dict[str, Any] = (await http.get("/v1/queue")).json()
    return view


# Fairness and limits


async def test_f5_five_hundred_waiting_runs_delay_anothers_by_no_more_than_the_started(
    make_server: MakeServer, gate: Gate
) -> None:
    server = make_server()
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        begun = [await start(ann, "gated", {"gate": gate.name}) for _ in range(5)]
        await _running_becomes(server, begun)
        piled_up = await asyncio.gather(*(start(ann, "echo", "x") for _ in range(500)))
        single = await start(bob, "echo", "x")
        assert (await _view(bob))["data"][0]["position"] == 1
        gate.open()
        await ended(server, single)
        ranks = {row["id"]: row["rank"] for row in query(server.data, "SELECT id, rank FROM runs")}
        before = {run_id for run_id, rank in ranks.items() if (rank, run_id) < (ranks[single], single)}
        assert before <= set(begun), "only what had been started came before it"
        for run_id in piled_up:
            await ended(server, run_id, within_s=8)


async def test_c1_runs_of_one_user_and_of_one_agent_are_limited(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(running_per_user=3, agent_max_running=("gated=4",))
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        wide = {"gate": gate.name}
        narrow = [await start(ann, "narrow", wide) for _ in range(3)]
        gated = [await start(ann, "gated", wide) for _ in range(3)]
        bobs = [await start(bob, "narrow", wide), await start(bob, "gated", wide), await start(bob, "gated", wide)]
        # ann: two of the agent's two, one more of her three; bob: none of the agent, which is full.
        await _running_becomes(server, [*narrow[:2], gated[0], *bobs[1:]])
        view = await _view(ann)
        assert view["limits"]["running_per_user"] == 3
        limits = {one["agent"]: (one["running"], one["max_running"]) for one in view["agents"]}
        assert limits == {"narrow": (2, 2), "gated": (3, 4)}
        agents = {one["name"]: one["max_running"] for one in (await ann.get("/v1/agents")).json()["data"]}
        assert (agents["narrow"], agents["gated"], agents["echo"]) == (2, 4, 5)
        gate.open()
        for run_id in [*narrow, *gated, *bobs]:
            assert (await ended(server, run_id))["status"] == "SUCCEEDED"


async def test_an_agents_own_limit_can_be_set(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(agent_max_running=("narrow=1",))
    async with server.http() as http:
        ids = [await start(http, "narrow", {"gate": gate.name}) for _ in range(2)]
        await _running_becomes(server, ids[:1])
        gate.open()
        await ended(server, ids[1])


@pytest.mark.parametrize("limit", ["queued_per_user", "queued_runs"])
async def test_a_full_queue_is_told_at_both_doors(make_server: MakeServer, gate: Gate, limit: str) -> None:
    server = make_server(max_running=1, **{limit: 1})
    async with server.http() as http, conversing(server) as socket:
        ids = []
        for _ in range(2):
            ids.append(await start(http, "gated", {"gate": gate.name}))
            await eventually_async(lambda: bool(_running(server)), "the first one runs")
        refused = await http.post("/v1/runs", json={"agent": "echo", "input": "x"})
        told = problem_of(refused, 429, "over_capacity")
        assert refused.headers["retry-after"] == str(round(told["details"]["retry_after_s"]))
        error = await socket.refused("run.start", agent="echo", input="x")
        assert (error["code"], error["retryable"]) == ("over_capacity", True)
        assert error["details"]["limit"] == limit.replace("queued_runs", "queued")
        assert error["details"]["retry_after_s"] > 0
        assert len(query(server.data, "SELECT id FROM runs")) == 2, "nothing was stored"
        gate.open()
        for run_id in ids:
            await ended(server, run_id)


@pytest.mark.parametrize(("agent", "slots"), [("asks", 1), ("asks-releasing", 0)])
async def test_the_counts_tell_slots_from_people(make_server: MakeServer, agent: str, slots: int) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, agent, {})
        (request_id,) = await waiting(server, run_id)
        view = await _view(http)
        assert (view["queued"], view["running"], view["waiting"]) == (0, slots, 1)
        await http.post(f"/v1/runs/{run_id}/respond", json={"request_id": request_id, "payload": "go"})
        await ended(server, run_id)
        view = await _view(http)
        assert (view["queued"], view["running"], view["waiting"]) == (0, 0, 0)


# What those who wait are told


async def test_c1_a_waiting_run_tells_its_place(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http() as http, conversing(server) as socket:
        holder = await start(http, "gated", {"gate": gate.name})
        await _running_becomes(server, [holder])
        ahead = await start(http, "echo", "x")
        run_id = (await socket.ok("run.start", agent="echo", input="x"))["run_id"]
        assert await socket.until("queue") == {"type": "queue", "run_id": run_id, "position": 2, "size": 2}
        async with following(server, run_id, follow=1) as follower:
            assert (await follower.until("queue"))["position"] == 2
            await http.post(f"/v1/runs/{ahead}/cancel")
            moved = await follower.until("queue")
            assert (moved["position"], moved["size"]) == (1, 1)
            assert (await socket.until("queue"))["position"] == 1
            gate.open()
            ending = await follower.to_the_end()
        assert ending.code == 1000
        kinds = [frame["type"] for frame in ending.frames]
        last_place = len(kinds) - 1 - kinds[::-1].index("queue")
        assert statuses(log_of(ending.frames[:last_place])) == ["QUEUED"], "no place once it runs"
        assert [entry["seq"] for entry in log_of(ending.frames)] == [1, 2, 3, *range(4, len(log_of(ending.frames)) + 1)]
        assert all("seq" not in frame for frame in ending.frames if frame["type"] == "queue")


async def test_places_are_told_once_a_second_at_most(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http() as http:
        holder = await start(http, "gated", {"gate": gate.name})
        await _running_becomes(server, [holder])
        run_id = await start(http, "echo", "x", priority="low")
        loop = asyncio.get_running_loop()
        async with following(server, run_id, follow=1) as follower:
            await follower.until("queue")
            first = loop.time()
            others = [await start(http, "echo", "x") for _ in range(20)]
            frame = await follower.until("queue")
            assert loop.time() - first >= 0.8
            assert (frame["position"], frame["size"]) == (21, 21)
            gate.open()
            await follower.to_the_end()
        for other in others:
            await ended(server, other)


async def test_a_time_is_told_when_it_was_measured(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http() as http:
        for _ in range(3):
            await ended(server, await start(http, "scripted", {"steps": [{"sleep_s": 0.1}]}))
        holder = await start(http, "gated", {"gate": gate.name})
        await _running_becomes(server, [holder])
        known = [await start(http, "scripted", {"steps": [{"sleep_s": 0.1}]}) for _ in range(2)]
        unknown = await start(http, "narrow", {"gate": gate.name})
        behind = await start(http, "scripted", {"steps": [{"sleep_s": 0.1}]})
        rows = {row["run_id"]: row for row in (await _view(http))["data"]}
        first, second = (rows[run_id]["eta_s"] for run_id in known)
        assert 0.1 <= first <= 0.4
        assert second > first
        assert "eta_s" not in rows[unknown]
        assert "eta_s" not in rows[behind], "nobody knows how long the one before it takes"
        gate.open()
        for run_id in [*known, unknown, behind]:
            await ended(server, run_id)


async def test_the_queue_can_be_followed_as_a_whole(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    token = server.token_for("ann")
    async with server.http(token) as ann, server.http(server.token_for("bob")) as bob:
        async with conversing(server, token=token) as socket:
            await socket.ok("queue.follow")
            empty = {"type": "queue", "queued": 0, "running": 0, "waiting": 0, "paused": False, "own": []}
            assert await socket.until("queue") == empty
            holder = await start(bob, "gated", {"gate": gate.name})
            await socket.until("queue", running=1, queued=0)
            await start(bob, "gated", {"gate": gate.name})
            mine = await start(ann, "gated", {"gate": gate.name})
            frame = await socket.until("queue", running=1, queued=2)
            assert [one["run_id"] for one in frame["own"]] == [mine]
            assert (await socket.ok("queue.unfollow")) == {"followed": True}
            assert (await socket.ok("queue.unfollow")) == {"followed": False}
            gate.open()
            await ended(server, mine)
            begun = len(socket.frames)
            await socket.command("nothing.more")
            assert [frame["type"] for frame in socket.frames[begun:]] == ["reply"]
        assert (await ended(server, holder))["status"] == "SUCCEEDED"


async def test_a_conversation_can_be_followed(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http, conversing(server) as socket:
        first = await start(http, "echo", "x", thread_id="my-thread")
        await ended(server, first)
        told = await socket.ok("thread.follow", thread_id="my-thread")
        assert told == {"thread_id": "my-thread", "runs": [{"run_id": first, "status": "SUCCEEDED"}]}
        run_id = await start(http, "gated", {"gate": gate.name}, thread_id="my-thread")
        other = await start(http, "echo", "x", thread_id="another")
        gate.open()
        seen: list[Frame] = []
        while not seen or seen[-1]["status"] != "SUCCEEDED":
            seen.append(await socket.next())
        assert {frame["type"] for frame in seen} == {"run"}
        assert {(frame["thread_id"], frame["run_id"]) for frame in seen} == {("my-thread", run_id)}
        assert [frame["status"] for frame in seen] == ["RUNNING", "SUCCEEDED"]
        assert (await socket.ok("thread.unfollow", thread_id="my-thread"))["followed"] is True
        await ended(server, other)
    async with conversing(server, token=server.token_for("bob")) as socket:
        for thread_id in ("my-thread", "no-thread"):
            assert (await socket.refused("thread.follow", thread_id=thread_id))["code"] == "not_found"


async def test_moves_come_behind_the_reply(server: EmbeddedServer) -> None:
    """Runs move all the time while the conversation is looked up: the reply is first, then what moved meanwhile."""
    async with server.http() as http, conversing(server) as socket:
        await ended(server, await start(http, "echo", "x", thread_id="busy-thread"))
        for _ in range(10):
            starting = asyncio.create_task(start(http, "echo", "x", thread_id="busy-thread"))
            begun = len(socket.frames)
            await socket.ok("thread.follow", thread_id="busy-thread")
            assert [frame["type"] for frame in socket.frames[begun:]] == ["reply"]
            await ended(server, await starting)
            await socket.ok("thread.unfollow", thread_id="busy-thread")


# Operators


async def test_a_paused_queue_starts_nothing_and_says_so_also_after_a_restart(
    make_server: MakeServer, make_data: MakeData
) -> None:
    data = make_data()
    server = make_server(data)
    async with server.http() as http, conversing(server) as socket:
        assert (await http.post("/v1/queue/pause")).json() == {"agent": None, "paused": True}
        run_id = (await socket.ok("run.start", agent="echo", input="x"))["run_id"]
        told = await socket.until("queue", run_id=run_id)
        assert told["blocked"] == "the queue is paused by an operator"
        view = await _view(http)
        assert [(pause["agent"], pause["by"]) for pause in view["paused"]] == [(None, "admin")]
        assert view["data"][0]["blocked"] == told["blocked"]
        assert (await http.get("/readyz")).json()["paused"] == {"queue": True, "agents": []}
    server.stop()
    server = make_server(data)
    async with server.http() as http:
        other = await start(http, "echo", "x")
        assert (await _view(http))["queued"] == 2
        assert [server.status(one) for one in (run_id, other)] == ["QUEUED", "QUEUED"]
        answer = (await http.post("/v1/queue/resume", json={})).json()
        assert answer == {"agent": None, "paused": False, "was_paused": True}
        for one in (run_id, other):
            assert (await ended(server, one))["status"] == "SUCCEEDED"
        assert (await http.get("/readyz")).json()["paused"] == {"queue": False, "agents": []}


async def test_one_agent_can_be_paused(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        await http.post("/v1/queue/pause", json={"agent": "echo"})
        held = await start(http, "echo", "x")
        assert (await ended(server, await start(http, "scripted", {"steps": []})))["status"] == "SUCCEEDED"
        view = await _view(http)
        assert view["data"][0]["blocked"] == "the agent echo is paused by an operator"
        assert view["agents"][0] | {"max_running": 5} == {
            "agent": "echo",
            "queued": 1,
            "running": 0,
            "max_running": 5,
            "blocked": "the agent echo is paused by an operator",
        }
        problem_of(await http.post("/v1/queue/pause", json={"agent": "nobody"}), 422, "invalid_input")
        problem_of(await http.post("/v1/queue/pause", json={"agents": "echo"}), 422, "invalid_input")
        await http.post("/v1/queue/resume", json={"agent": "echo"})
        assert (await ended(server, held))["status"] == "SUCCEEDED"
        assert not (await http.post("/v1/queue/resume", json={"agent": "echo"})).json()["was_paused"]


async def test_an_operator_cancels_all_runs_of_a_user(make_server: MakeServer, gate: Gate) -> None:
    server = make_server()
    async with (
        server.http() as operator,
        server.http(server.token_for("ann")) as ann,
        server.http(server.token_for("bob")) as bob,
    ):
        running = [await start(ann, "gated", {"gate": gate.name}) for _ in range(5)]
        await _running_becomes(server, running)
        waiting = await asyncio.gather(*(start(ann, "gated", {"gate": gate.name}) for _ in range(300)))
        bobs = await start(bob, "echo", "x")
        answer = await operator.post("/v1/users/ann/cancel")
        assert (answer.status_code, answer.json()) == (202, {"user": "ann", "cancelled": 300, "stopping": 5})
        for run_id in [*running, *waiting]:
            assert (await ended(server, run_id))["status"] == "CANCELLED"
        assert (await ended(server, bobs))["status"] == "SUCCEEDED"
        problem_of(await operator.post("/v1/users/nobody/cancel"), 404, "not_found")


@pytest.mark.parametrize("path", ["/v1/queue/pause", "/v1/queue/resume", "/v1/users/ann/cancel"])
async def test_only_operators_may(server: EmbeddedServer, path: str) -> None:
    async with server.http(server.token_for("ann")) as ann:
        problem_of(await ann.post(path), 403, "scope_missing")
        view = await _view(ann)
        assert "users" not in view
        assert view["paused"] == []
