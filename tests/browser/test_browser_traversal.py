"""A server killed at a step leaves a traversal with that many steps, valid JSON, still served later. Rows D2, D5."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from runwire.protocol.traversal import Traversal
from tests.support.database import stored_entries
from tests.support.deadlines import CONNECT_S, eventually_async
from tests.support.http import start
from tests.support.process import ServerProcess, serving

pytestmark = pytest.mark.timeout(60)
SETTINGS = {"browser_executable": os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")}
STEPS = ['Verify title contains "Sample shop"', 'Click link "Blue mug"', 'Verify URL contains "product.html"']


def client(server: ServerProcess) -> httpx.AsyncClient:
    """Return an HTTP client with the server's own token."""
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.AsyncClient(base_url=server.origin, headers=headers, timeout=5.0, trust_env=False)


def finished(data: Path, run_id: str) -> int:
    """Return how many steps the run's log says have ended."""
    return sum(entry["data"].get("type") == "STEP_FINISHED" for entry in stored_entries(data, run_id))


@pytest.mark.parametrize("steps", [1, 3])
async def test_d5_kill_at_a_step_leaves_that_many_steps(make_data: Callable[[], Path], steps: int) -> None:
    data = make_data()
    test: dict[str, Any] = {"name": "Kill me", "url": "/samples/shop/index.html"}
    test["steps"] = [*STEPS[:steps], "Wait for 50 seconds"]
    with serving(data, **SETTINGS) as server:
        async with client(server) as http:
            run_id = await start(http, "browser-test", test)
            await eventually_async(lambda: finished(data, run_id) == steps, f"{steps} steps end", CONNECT_S)
        await asyncio.to_thread(server.kill)
    (file,) = data.glob(f"tasks/kill-me/traversals/traverse_*_{run_id}.json")
    left = msgspec.json.decode(file.read_bytes(), type=Traversal)
    assert [(step.index, step.status) for step in left.steps] == [(n, "PASSED") for n in range(1, steps + 1)]
    assert (left.run_id, left.total, left.ended) == (run_id, steps + 1, False)
    with serving(data, **SETTINGS) as server:
        async with client(server) as http:
            again = await http.get(f"/v1/runs/{run_id}/traversal")
            view = (await http.get(f"/test-runs/{run_id}")).json()
            alone = (await http.get(f"/v1/runs/{run_id}/steps")).json()["steps"]
    assert [step["status"] for step in view["steps"]] == ["PASSED"] * steps + ["NOT_FINISHED"]
    assert [step["text"] for step in view["steps"]] == test["steps"]
    assert (view["current_state"], view["error"]["code"], view["steps"]) == ("FAILED", "worker_lost", alone)
    assert again.content == file.read_bytes()
