"""Mission D3: a run that cannot start or go on is FAILED with its reason, told by polling; none is RUNNING for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.browser_tests import SHOP, execute, save
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start

NO_BROWSER = {"browser_executable": "/nonexistent/chromium"}


async def _polled_to_the_end(http: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """Ask for a test run until it says that it has ended, as a client without a socket does."""
    async with asyncio.timeout(9):
        while True:
            view: dict[str, Any] = (await http.get(f"/test-runs/{run_id}")).json()
            if view["current_state"] not in ("QUEUED", "RUNNING"):
                return view
            await asyncio.sleep(0.05)  # the pace of the poll, not a hope


async def test_d3_a_run_that_cannot_start_is_failed_with_its_reason(make_server: MakeServer) -> None:
    server = make_server(**NO_BROWSER)
    async with server.http() as http:
        await save(http, "shop")
        run_id = await execute(http, "shop")
        view = await _polled_to_the_end(http, run_id)
        listed = (await http.get("/test-runs", params={"task_id": "shop"})).json()["data"]
        other = (await http.get("/test-runs", params={"task_id": "other"})).json()["data"]
    assert (view["id"], view["current_state"], view["error"]["code"]) == (run_id, "FAILED", "startup_failed")
    assert "no executable file" in view["error"]["message"]
    assert (view["task_id"], view["task_version"], view["browser_config_id"]) == ("shop", 1, "shop_default")
    assert [step["status"] for step in view["steps"]] == ["NOT_FINISHED"] * 3
    assert [step["text"] for step in view["steps"]] == SHOP["steps"]
    assert ([one["id"] for one in listed], other) == ([run_id], [])


async def test_d3_agents_that_need_a_browser_are_listed_as_unavailable_with_the_reason(
    make_server: MakeServer,
) -> None:
    server = make_server(**NO_BROWSER)
    async with server.http() as http:
        agents = {agent["name"]: agent for agent in (await http.get("/v1/agents")).json()["data"]}
    for name in ("browser-test", "browser-replay", "scan"):
        assert agents[name]["available"] is False
        assert "correct the setting" in agents[name]["unavailable_reason"]
    assert agents["echo"]["available"] is True


async def test_d3_a_run_whose_server_stops_in_the_middle_says_so_afterwards(make_server: MakeServer) -> None:
    first = make_server()
    async with first.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"text": "a"}, {"hang": "async"}]})
    await asyncio.to_thread(first.stop)
    again = make_server(first.data)
    async with again.http() as http:
        record = (await http.get(f"/v1/runs/{run_id}")).json()
    assert (record["status"], record["error"]["code"]) == ("FAILED", "interrupted")


@pytest.mark.every_isolation
async def test_d3_a_failure_has_its_reason(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"fail": "the reason"}]})
        record = await ended(server, run_id)
    assert (record["status"], record["error"]["message"]) == ("FAILED", "the reason")
