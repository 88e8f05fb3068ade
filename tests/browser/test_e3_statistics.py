"""Mission E3: what the browsers of a server cost and how they fare, at every door where operators look."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support.browser_tests import SHOP
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.process import run_command

pytestmark = pytest.mark.timeout(60)
ENDS_S = 20.0
METRICS = (
    "runwire_browser_reuse_ratio",
    "runwire_browser_warm_ratio",
    "runwire_browser_launches_total",
    'runwire_browser_close_seconds_count{part="page"}',
    'runwire_browser_bytes{browser="0"}',
    'runwire_browser_descriptors{browser="0"}',
    'runwire_browser_errors{browser="0"}',
)


async def _view(server: EmbeddedServer) -> dict[str, Any]:
    async with server.http() as http:
        answer = await http.get("/v1/browsers")
    view: dict[str, Any] = answer.json()
    return view


async def _until(server: EmbeddedServer, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(ENDS_S):
        while True:
            if holds(view := await _view(server)):
                return view
            await asyncio.sleep(0.1)  # the pace of the poll, not a hope


async def test_e3_every_statistic_is_at_every_door(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(browser_executable=os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""))
    async with server.http() as http:
        for _ in range(4):
            run_id = await start(http, "browser-test", SHOP)
            assert (await ended(server, run_id, ENDS_S))["verdict"] == "passed"
        view = await _until(server, lambda view: view["browsers"][0]["size_bytes"] > 0)
        (browser,) = view["browsers"]
        assert (view["leases"], view["launches"], view["reuse_ratio"]) == (4, 1, 0.75)
        assert 0 < view["warm_ratio"] <= 0.75
        assert (view["close_s"]["page"]["count"], view["close_s"]["context"]["count"]) == (4, 4)
        assert 0 < view["close_s"]["page"]["mean"] <= view["close_longest_s"]
        assert (view["hung_closes"], view["lost_runs"], view["removed"]) == ({}, 0, {})
        assert (browser["runs"], browser["errors"], browser["health"]) == (4, 0, "healthy")
        assert browser["size_bytes"] > 20_000_000
        assert browser["descriptors"] > 10
        exposition = (await http.get("/metrics")).text
        samples = dict(line.rsplit(" ", 1) for line in exposition.splitlines() if not line.startswith("#"))
        assert [name for name in METRICS if name not in samples] == []
        assert float(samples["runwire_browser_reuse_ratio"]) == 0.75
    top = run_command("top", "--once", f"--data={server.data}", cwd=tmp_path)
    assert top.returncode == 0, top.stderr
    assert "75% reused" in top.stdout
    assert "#1      healthy" in top.stdout
    os.kill(browser["pid"], signal.SIGKILL)
    view = await _until(server, lambda view: bool(view["removed"]))
    assert view["removed"] == {"lost": 1}
    await eventually_async(lambda: server.status(run_id) == "SUCCEEDED", "what has ended stays so")
