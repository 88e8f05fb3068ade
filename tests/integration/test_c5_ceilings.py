"""Mission C5: above the memory, descriptor or browser ceiling a browser run waits, says why, and holds up nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runwire.browser import capacity
from runwire.runs.limits import RunningLimits
from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, start
from tests.support.sockets import Socket, conversing


async def _blocked(socket: Socket, run_id: str) -> str:
    """Return why a run waits, as its follower is told."""
    told = await socket.until("queue", run_id=run_id)
    while "blocked" not in told:
        told = await socket.until("queue", run_id=run_id)
    reason: str = told["blocked"]
    return reason


async def _queue_says(server: EmbeddedServer, run_id: str) -> str | None:
    async with server.http() as http:
        rows = (await http.get("/v1/queue")).json()["data"]
    return next((row.get("blocked") for row in rows if row["run_id"] == run_id), None)


@pytest.mark.parametrize(
    ("ceiling", "reason"),
    [
        ({"browser_reserve_bytes": 10**15}, "MB of memory are free, a browser run needs 1000000000 MB in reserve"),
        (
            {"browser_reserve_descriptors": 10**9},
            "file descriptors are free, a browser run needs 1000000000 in reserve",
        ),
    ],
    ids=["memory", "descriptors"],
)
async def test_c5_above_a_ceiling_a_browser_run_stays_queued_and_says_why(
    make_server: MakeServer, gate: Gate, ceiling: dict[str, Any], reason: str
) -> None:
    server = make_server(**ceiling)
    async with server.http() as http, conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="browsing", input={"gate": gate.name}))["run_id"]
        assert reason in await _blocked(socket, run_id)
        assert reason in (await _queue_says(server, run_id) or "")
        assert (await ended(server, await start(http, "echo", "x")))["status"] == "SUCCEEDED", "others are not held up"
        assert server.status(run_id) == "QUEUED"
        await http.post(f"/v1/runs/{run_id}/cancel")
        assert (await ended(server, run_id))["status"] == "CANCELLED"


async def test_c5_a_waiting_browser_run_starts_when_there_is_room_again(
    make_server: MakeServer, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's own report of its memory is replaced by a file that the test writes; all else is real."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable: 1000 kB\n")
    monkeypatch.setattr(capacity, "MEMINFO", meminfo)
    server = make_server()
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="browsing", input={"gate": gate.name}))["run_id"]
        assert "MB of memory are free" in await _blocked(socket, run_id)
        meminfo.write_text("MemAvailable: 64000000 kB\n")
        await eventually_async(lambda: server.status(run_id) == "RUNNING", "there is room again")
        gate.open()
        assert (await ended(server, run_id))["status"] == "SUCCEEDED"


async def test_c5_no_more_browser_runs_at_once_than_the_setting_says(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(browser_runs=2)
    async with server.http() as http, conversing(server) as socket:
        first = [await start(http, "browsing", {"gate": gate.name}) for _ in range(2)]
        await eventually_async(lambda: [server.status(run) for run in first] == ["RUNNING"] * 2, "two run")
        third = (await socket.ok("run.start", agent="browsing", input={"gate": gate.name}))["run_id"]
        reason = "2 runs with a browser are executed, the most at once"
        assert await _blocked(socket, third) == reason
        assert await _queue_says(server, third) == reason
        assert (await ended(server, await start(http, "echo", "x")))["status"] == "SUCCEEDED", "others are not held up"
        assert server.status(third) == "QUEUED"
        gate.open()
        for run_id in (*first, third):
            assert (await ended(server, run_id))["status"] == "SUCCEEDED"


async def test_browser_runs_start_at_once_where_there_is_room(make_server: MakeServer, gate: Gate) -> None:
    server = make_server()
    async with server.http() as http:
        ids = [await start(http, "browsing", {"gate": gate.name}) for _ in range(6)]
        await eventually_async(lambda: [server.status(run) for run in ids[:5]] == ["RUNNING"] * 5, "five run")
        gate.open()
        for run_id in ids:
            assert (await ended(server, run_id))["status"] == "SUCCEEDED"


def test_c5_the_browser_ceiling_counts_all_agents_with_browsers_together() -> None:
    limits = RunningLimits(5, with_browser=2, browser_agents=frozenset({"test", "scan"}))
    assert limits.has_room("test", {"test": 1, "echo": 4})
    assert not limits.has_room("test", {"test": 1, "scan": 1})
    assert limits.has_room("echo", {"test": 1, "scan": 1})
    assert (limits.of_agent("test"), limits.of_agent("echo")) == (2, 5)
    assert RunningLimits(5, browser_agents=frozenset({"test"})).has_room("test", {"test": 5})
