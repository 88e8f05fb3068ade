"""Short words for the HTTP API."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer

TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


async def start(http: httpx.AsyncClient, agent: str, input: Any = None, **more: Any) -> str:
    """Start a run and return its id."""
    answer = await http.post("/v1/runs", json={"agent": agent, "input": input, **more})
    assert answer.status_code == 202, answer.text
    run_id: str = answer.json()["run_id"]
    return run_id


async def ended(server: EmbeddedServer, run_id: str, within_s: float = 3.0) -> dict[str, Any]:
    """Wait until a run has ended and return its terminal entry's data."""
    await eventually_async(lambda: server.status(run_id) in TERMINAL, f"run {run_id} ends", within_s)
    data: dict[str, Any] = server.entries(run_id)[-1]["data"]
    return data


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem of the catalogue (RFC 9457) and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "message", "retryable", "details"} <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    return body
