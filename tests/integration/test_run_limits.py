"""Limits of a run: each ends it with its name, however the agent takes it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support import attempt_agents
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start
from tests.support.isolation import EVERY_ISOLATION


@pytest.fixture
def server(make_server: MakeServer) -> EmbeddedServer:
    """A server with the agents of this suite."""
    return make_server(agents=attempt_agents.PATHS, cancel_grace_s=0.3)


async def _error(server: EmbeddedServer, agent: str, input: Any, **more: Any) -> dict[str, Any]:
    async with server.http() as http:
        end = await ended(server, await start(http, agent, input, **more), within_s=5)
    assert end["status"] == "FAILED", end
    error: dict[str, Any] = end["error"]
    return error


@EVERY_ISOLATION
@pytest.mark.parametrize(
    ("limits", "agent", "input", "name"),
    [
        ({"events": 10}, "deaf-to-limits", 11, "events"),
        ({"log_bytes": 500}, "deaf-to-limits", 100, "log_bytes"),
        ({"artifacts": 2}, "hoards", [1, 1, 1], "artifacts"),
        ({"artifact_bytes": 100}, "hoards", [60, 60], "artifact_bytes"),
        ({"idle_timeout_s": 0.2}, "silent", {}, "idle_timeout_s"),
    ],
)
async def test_a_limit_of_the_start_ends_the_run_with_its_name(
    server: EmbeddedServer, limits: dict[str, Any], agent: str, input: Any, name: str
) -> None:
    error = await _error(server, agent, input, limits=limits)
    assert (error["code"], error["limit"], error["retryable"]) == ("limit_exceeded", name, False)


@EVERY_ISOLATION
@pytest.mark.parametrize(
    ("setting", "agent", "input", "name"),
    [
        ({"events_per_run": 10}, "deaf-to-limits", 11, "events"),
        ({"run_log_bytes": 500}, "deaf-to-limits", 100, "log_bytes"),
        ({"artifacts_per_run": 2}, "hoards", [1, 1, 1], "artifacts"),
        ({"run_artifact_bytes": 100}, "hoards", [60, 60], "artifact_bytes"),
        ({"run_idle_timeout_s": 0.2}, "silent", {}, "idle_timeout_s"),
    ],
)
async def test_a_limit_of_the_server_ends_the_run_with_its_name(
    make_server: MakeServer, setting: dict[str, Any], agent: str, input: Any, name: str
) -> None:
    server = make_server(agents=attempt_agents.PATHS, **setting)
    generous = {"events": 10**6, "log_bytes": 10**9, "artifacts": 10**6, "artifact_bytes": 10**9, "idle_timeout_s": 99}
    error = await _error(server, agent, input, limits=generous)
    assert (error["code"], error["limit"]) == ("limit_exceeded", name)


@EVERY_ISOLATION
async def test_exactly_the_limit_is_allowed(server: EmbeddedServer) -> None:
    async with server.http() as http:
        events = await ended(server, await start(http, "deaf-to-limits", 10, limits={"events": 10}))
        files = await ended(
            server, await start(http, "hoards", [50, 50], limits={"artifacts": 2, "artifact_bytes": 100})
        )
    assert (events["status"], files["status"]) == ("SUCCEEDED", "SUCCEEDED")


@EVERY_ISOLATION
async def test_wall_time_names_its_limit(server: EmbeddedServer) -> None:
    error = await _error(server, "silent", {}, timeout_s=0.2)
    assert (error["code"], error["limit"]) == ("timeout", "timeout_s")


async def test_a_run_that_speaks_is_not_idle(server: EmbeddedServer) -> None:
    """Eight signs of life 0.1 s apart carry it far beyond its 0.4 s; then it is ended."""
    async with server.http() as http:
        run_id = await start(http, "silent", {"times": 8, "every_s": 0.1}, limits={"idle_timeout_s": 0.4})
        end = await ended(server, run_id, within_s=5)
    assert end["error"]["limit"] == "idle_timeout_s"
    assert sum(entry["type"] == "event" for entry in server.entries(run_id)) == 8


async def test_an_idle_plain_function_that_does_not_stop_is_ended_from_outside(server: EmbeddedServer) -> None:
    error = await _error(server, "sleeps", 2.0, limits={"idle_timeout_s": 0.1})
    assert (error["code"], error["limit"]) == ("limit_exceeded", "idle_timeout_s")
    assert "did not stop" in error["message"]


@EVERY_ISOLATION
@pytest.mark.parametrize("limits", [{"events": 0}, {"idle_timeout_s": 0}, {"unknown": 1}, {"events": "many"}, 5])
async def test_wrong_limits_are_422_and_nothing_is_stored(server: EmbeddedServer, limits: Any) -> None:
    async with server.http() as http:
        answer = await http.post("/v1/runs", json={"agent": "silent", "limits": limits})
        told = problem_of(answer, 422, "invalid_input")
        assert (await http.get("/v1/runs")).json()["data"] == []
    assert "limits" in told["detail"]


@EVERY_ISOLATION
async def test_limits_are_shown_and_part_of_the_idempotency(server: EmbeddedServer) -> None:
    body = {"agent": "deaf-to-limits", "input": 1, "run_id": "limitedrun", "limits": {"events": 5}}
    async with server.http() as http:
        assert (await http.post("/v1/runs", json=body)).json()["limits"] == {"events": 5}
        await ended(server, "limitedrun")
        assert (await http.post("/v1/runs", json=body)).status_code == 200
        problem_of(await http.post("/v1/runs", json={**body, "limits": {"events": 6}}), 409, "run_id_taken")
        assert (await http.get("/v1/runs/limitedrun")).json()["limits"] == {"events": 5}
