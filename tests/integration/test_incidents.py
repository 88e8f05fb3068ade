"""Defects, ours or an agent's: the client gets an id and nothing else, the log has the rest, the server lives."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from tests.support.embedded import EmbeddedServer
from tests.support.http import problem_of
from tests.support.sockets import conversing


async def test_an_unforeseen_error_is_500_with_an_incident(server: EmbeddedServer) -> None:
    with structlog.testing.capture_logs() as lines:
        async with server.http() as http:
            answer = await http.post("/v1/runs", json={"agent": "broken-check"})
    told = problem_of(answer, 500, "internal_error")
    assert "secret" not in answer.text
    entry = _logged(lines, told["details"]["incident"])
    assert (entry["route"], entry["method"]) == ("/v1/runs", "POST")


async def test_an_incident_of_http_is_logged_once(server: EmbeddedServer, caplog: pytest.LogCaptureFixture) -> None:
    """Starlette's handler of last resort answers and raises again; uvicorn would log that without the incident."""
    with structlog.testing.capture_logs() as lines:
        async with server.http() as http:
            assert (await http.post("/v1/runs", json={"agent": "broken-check"})).status_code == 500
            assert (await http.get("/healthz")).status_code == 200
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["request.failed"]
    assert [record.getMessage() for record in caplog.records if "ASGI" in record.getMessage()] == []


async def test_on_a_command_socket_it_is_a_reply_and_the_socket_stays(server: EmbeddedServer) -> None:
    with structlog.testing.capture_logs() as lines:
        async with conversing(server) as socket:
            error = await socket.refused("run.start", agent="broken-check")
            await socket.send({"op": "ping"})
            assert await socket.next() == {"type": "pong"}
    assert error["code"] == "internal_error"
    assert "secret" not in str(error)
    assert any(line.get("incident", "absent") in error["message"] for line in lines), "the log names the incident"


def _logged(lines: Any, incident: str) -> dict[str, Any]:
    entry: dict[str, Any] = next(line for line in lines if line.get("incident") == incident)
    assert "a secret detail" in str(entry["exc_info"])
    return entry
