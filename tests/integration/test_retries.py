"""Retries: declared-retryable errors, pauses, a maximum; each attempt in the log."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from runwire.clock import SystemClock
from tests.conftest import MakeServer
from tests.support import attempt_agents
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.sockets import following, log_of, statuses

pytestmark = EVERY_ISOLATION


@pytest.fixture
def server(make_server: MakeServer) -> EmbeddedServer:
    """A server with the agents of this suite."""
    return make_server(agents=attempt_agents.PATHS)


async def _states(server: EmbeddedServer, agent: str, input: Any) -> list[dict[str, Any]]:
    async with server.http() as http:
        run_id = await start(http, agent, input)
        await ended(server, run_id, within_s=5)
    return [{**entry["data"], "ts_ms": entry["ts_ms"]} for entry in server.entries(run_id) if entry["type"] == "state"]


async def test_a_retryable_failure_is_tried_again_and_the_log_tells_each_attempt(server: EmbeddedServer) -> None:
    states = await _states(server, "flaky", {"fails": 2})
    assert [(state["status"], state["attempt"]) for state in states] == [
        ("QUEUED", 1),
        ("RUNNING", 1),
        ("QUEUED", 2),
        ("RUNNING", 2),
        ("QUEUED", 3),
        ("RUNNING", 3),
        ("SUCCEEDED", 3),
    ]
    for again, running, pause_ms in ((states[2], states[3], 50), (states[4], states[5], 100)):
        assert again["reason"] == "retry"
        assert again["error"] == {"code": "busy", "message": "not yet", "retryable": True}
        assert again["not_before_ms"] == again["ts_ms"] + pause_ms
        assert running["ts_ms"] >= again["not_before_ms"] - 1, "never before its time"
        assert running["ts_ms"] < again["not_before_ms"] + 500, "and soon after it"
    assert states[-1]["result"] == {"attempt": 3}


@pytest.mark.parametrize("agent", ["flaky", "flaky-plain", "flaky-apart"])
async def test_a_run_that_always_fails_stops_at_its_maximum(server: EmbeddedServer, agent: str) -> None:
    states = await _states(server, agent, {"fails": 99})
    most = {"flaky": 4}.get(agent, server.settings.max_attempts)
    assert [state["attempt"] for state in states if state["status"] == "RUNNING"] == list(range(1, most + 1))
    assert states[-1]["status"] == "FAILED"
    assert states[-1]["error"] == {"code": "busy", "message": "not yet", "retryable": True}


async def test_an_error_that_is_not_declared_retryable_is_final(server: EmbeddedServer) -> None:
    states = await _states(server, "flaky", {"fails": 1, "retryable": False})
    assert [state["status"] for state in states] == ["QUEUED", "RUNNING", "FAILED"]


async def test_an_agent_without_a_policy_is_not_tried_again(server: EmbeddedServer) -> None:
    states = await _states(server, "scripted", {"steps": [{"fail": {"message": "no", "retryable": True}}]})
    assert [state["status"] for state in states] == ["QUEUED", "RUNNING", "FAILED"]
    assert states[-1]["error"]["retryable"] is True


async def test_a_follower_sees_all_attempts_as_one_log(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "flaky", {"fails": 2})
    async with following(server, run_id, follow=1) as watcher:
        ending = await watcher.to_the_end()
    assert ending.code == 1000
    assert log_of(ending.frames) == server.entries(run_id)


async def test_a_cancel_during_the_pause_ends_the_run_at_once(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "very-patient", {})
        await eventually_async(lambda: len(statuses(server.entries(run_id))) == 3, "it waits for its next attempt")
        view = (await http.get(f"/v1/runs/{run_id}")).json()
        assert (view["status"], view["attempt"], view["max_attempts"]) == ("QUEUED", 2, 3)
        assert view["not_before_ms"] > time.time() * 1000
        begun = time.monotonic()
        await http.post(f"/v1/runs/{run_id}/cancel")
        await ended(server, run_id)
    assert time.monotonic() - begun < 1.0
    assert statuses(server.entries(run_id)) == ["QUEUED", "RUNNING", "QUEUED", "CANCELLED"]


async def test_a_pause_holds_no_slot_and_holds_up_nobody(make_server: MakeServer) -> None:
    server = make_server(agents=attempt_agents.PATHS, max_running=1)
    async with server.http() as http:
        waiting = await start(http, "patient", {})
        await eventually_async(lambda: len(statuses(server.entries(waiting))) == 3, "it waits for its next attempt")
        for _ in range(5):
            assert (await ended(server, await start(http, "echo", "meanwhile"), within_s=1))["status"] == "SUCCEEDED"
        assert server.status(waiting) == "QUEUED"
        assert (await ended(server, waiting, within_s=4))["result"] == {"attempt": 2}


async def test_the_run_shows_which_version_of_the_agent_it_was_started_with(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "flaky", {"fails": 0})
        assert (await http.get(f"/v1/runs/{run_id}")).json()["agent_version"] == "1.2"
        assert (await http.get("/v1/runs")).json()["data"][0]["agent_version"] == "1.2"
        agents = {agent["name"]: agent for agent in (await http.get("/v1/agents")).json()["data"]}
    assert agents["flaky"]["version"] == "1.2"
    assert agents["flaky"]["retry"] == {"max_attempts": 4, "base_s": 0.05, "factor": 2.0, "most_s": 60.0, "jitter": 0.0}
    assert agents["echo"]["version"]
    await ended(server, run_id)


@pytest.mark.parametrize("jump_ms", [-86_400_000, 86_400_000])
async def test_a_jump_of_the_wall_clock_neither_shortens_nor_lengthens_a_pause(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, jump_ms: int
) -> None:
    async with server.http() as http:
        begun = time.monotonic()
        run_id = await start(http, "patient", {})
        await eventually_async(lambda: len(statuses(server.entries(run_id))) == 3, "it waits for its next attempt")
        monkeypatch.setattr(SystemClock, "now_ms", lambda _clock: time.time_ns() // 1_000_000 + jump_ms)
        assert (await ended(server, run_id, within_s=4))["result"] == {"attempt": 2}
    assert time.monotonic() - begun >= 1.5


async def test_a_hundred_runs_that_fail_together_all_come_back(make_server: MakeServer) -> None:
    server = make_server(agents=attempt_agents.PATHS, max_running=8)
    async with server.http() as http:
        ids = await asyncio.gather(*(start(http, "flaky", {"fails": 1}) for _ in range(100)))
        ends = [await ended(server, run_id, within_s=6) for run_id in ids]
    assert {end["result"]["attempt"] for end in ends} == {2}


async def test_a_pass_that_fails_without_any_work_is_told_and_tried_again_with_a_rest(server: EmbeddedServer) -> None:
    ceiling, calls = server.services.waiting.ceiling, 0

    def broken(agent: str) -> bool:
        nonlocal calls
        if agent != "flaky":
            return True
        calls += 1
        if calls == 1:
            return True  # the first attempt begins
        raise ValueError("a defect of whoever is asked")

    healthy, ceiling.may_start = ceiling.may_start, broken  # type: ignore[method-assign]
    async with server.http() as http:
        run_id = await start(http, "flaky", {"fails": 1})
        await eventually_async(lambda: calls > 1, "the second attempt is due")
        due = time.monotonic()
        await eventually_async(lambda: calls > 4, "it is tried again", within_s=5)
        assert time.monotonic() - due > 0.1, "the writer turned in circles"
        ceiling.may_start = healthy  # type: ignore[method-assign]
        assert (await ended(server, run_id))["status"] == "SUCCEEDED"
