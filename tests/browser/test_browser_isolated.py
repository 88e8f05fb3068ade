"""A browser test in a process of its own: driver and browser belong to it and end with it."""

from __future__ import annotations

import os
from typing import Any

import psutil
import pytest

from tests.conftest import MakeServer
from tests.support.deadlines import eventually, eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.isolation import fork_servers

pytestmark = pytest.mark.timeout(40)

TEST: dict[str, Any] = {"url": "/samples/shop/index.html", "steps": ['Verify title contains "Sample shop"']}
ENDLESS: dict[str, Any] = {**TEST, "timeout_s": 30, "step_timeout_s": 30, "steps": ['Verify text "never there"']}


def _below() -> list[psutil.Process]:
    """Return the processes below the server's fork server."""
    return [one for fork_server in fork_servers() for one in fork_server.children(recursive=True)]


@pytest.fixture
def isolated(make_server: MakeServer) -> EmbeddedServer:
    """A server that isolates every agent."""
    return make_server(
        isolation="process",
        browser_executable=os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""),
        browser_allow=("127.0.0.1",),
        browser_trace="on",
    )


async def test_a_browser_test_passes_with_all_its_files_and_counts_and_leaves_no_process(
    isolated: EmbeddedServer, site: str
) -> None:
    steps = ['Verify title contains "Downloads"', 'Click "Invoice"']
    async with isolated.http() as http:
        test = {"url": f"{site}/downloads.html", "steps": steps, "keep_logs": "always"}
        run_id = await start(http, "browser-test", test)
        end = await ended(isolated, run_id, within_s=25)
        assert (end["status"], end.get("verdict")) == ("SUCCEEDED", "passed"), end
        traversal = (await http.get(f"/v1/runs/{run_id}/traversal")).json()
        assert [step["status"] for step in traversal["steps"]] == ["PASSED", "PASSED"]
        kept = (await http.get(f"/v1/runs/{run_id}/artifacts")).json()["data"]
        assert {one["kind"] for one in kept} == {"screenshot", "log", "download"}
        assert {"network.jsonl", "invoice 1.html"} <= {one["name"] for one in kept}
        assert (await http.get(f"/v1/runs/{run_id}/trace")).content.startswith(b"PK")
        counts = (await http.get("/v1/browsers")).json()
        assert (counts["leases"], counts["launches"], counts["isolated"], counts["leased"]) == (1, 1, 0, 0)
        assert (counts["close_s"]["context"]["count"], counts["hung_closes"]) == (1, {})
    assert _below() == [], "the run has ended, so have driver and browser"


async def test_cancel_ends_driver_and_browser(isolated: EmbeddedServer) -> None:
    async with isolated.http() as http:
        run_id = await start(http, "browser-test", ENDLESS)
        await eventually_async(lambda: len(_below()) > 4, "guard, worker, driver and browser are there", 20)
        await http.post(f"/v1/runs/{run_id}/cancel")
        assert (await ended(isolated, run_id, within_s=12))["status"] == "CANCELLED"
    assert _below() == []


async def test_a_killed_worker_takes_its_browser_with_it(isolated: EmbeddedServer) -> None:
    async with isolated.http() as http:
        run_id = await start(http, "browser-test", ENDLESS)
        await eventually_async(lambda: len(_below()) > 4, "guard, worker, driver and browser are there", 20)
        statistics = isolated.services.vitals.browsers
        await eventually_async(lambda: (statistics().isolated, statistics().leased) == (1, 1), "they are counted", 20)
        (guard,) = (one for server in fork_servers() for one in server.children())
        guard.children()[0].kill()
        end = await ended(isolated, run_id)
        assert (end["status"], end["error"]["code"]) == ("FAILED", "agent_error")
    eventually(lambda: _below() == [], "nothing is left")
    assert (statistics().isolated, statistics().leased, statistics().launches) == (0, 0, 1)
