"""Agents in processes of their own (``isolation="process"``): however they end, it is told truthfully, and nothing of
them is left.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import MakeServer
from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually, eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.isolated_agents import PATHS
from tests.support.isolation import fork_servers, wait_for_fork_servers
from tests.support.sockets import conversing, statuses

GRACE_S = 0.3
FATES = pytest.mark.parametrize(
    ("agent", "input"),
    [("deaf", {}), ("deaf", {"child": True}), ("leaves-processes", {"wait": True}), ("dies", "waits")],
)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No process that is not there before is there behind a test, but those of servers that still run."""
    yield
    servers = fork_servers()
    eventually(lambda: not [left for server in servers for left in server.children(recursive=True)], "none is left")


@pytest.fixture
def isolated(make_server: MakeServer) -> EmbeddedServer:
    """A server with the agents of this module."""
    server = make_server(
        agents=PATHS,
        cancel_grace_s=GRACE_S,
        process_memory_bytes=250_000_000,
        process_cpu_s=1.0,
        process_count=20,
        process_file_bytes=1_000_000,
        process_output_bytes=10_000,
    )
    wait_for_fork_servers()
    return server


def _pids(server: EmbeddedServer, run_id: str) -> list[int]:
    """Return the processes that a run has told of."""
    entries = [entry["data"] for entry in server.entries(run_id) if entry["type"] == "event"]
    return [data["value"] for data in entries if data.get("name") == "pid"]


async def _ended(server: EmbeddedServer, agent: str, input: Any = None, within_s: float = 5) -> dict[str, Any]:
    async with server.http() as http:
        run_id = await start(http, agent, input)
        end = await ended(server, run_id, within_s)
    assert_log_is_whole(server.entries(run_id))
    assert not [pid for pid in _pids(server, run_id) if psutil.pid_exists(pid)], "the run has ended, so has its work"
    assert os.listdir(server.data / "work") == []
    return {**end, "run_id": run_id}


async def _output(server: EmbeddedServer, http: httpx.AsyncClient, run_id: str) -> str:
    kept = (await http.get(f"/v1/runs/{run_id}/artifacts")).json()["data"]
    assert [(one["kind"], one["name"]) for one in kept] == [("log", "output.log")]
    return (await http.get(kept[0]["url"])).text


async def test_a_run_has_its_own_process_session_folder_environment_and_limits(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNWIRE_TEST_SECRET", "s3cret")
    monkeypatch.setenv("MY_ALLOWED", "yes")
    allowed = ("PATH", "MY_*")
    server = make_server(
        agents=PATHS, process_environment=allowed, process_file_bytes=12_345_678, process_open_files=77
    )
    seen = (await _ended(server, "surroundings"))["result"]
    assert seen["pid"] == seen["session"] != os.getpid()
    expected = {"PATH", "MY_ALLOWED", "TMPDIR"}
    assert expected <= set(seen["environment"]) <= expected | {"LC_CTYPE"}, "LC_CTYPE is Python's own (PEP 538)"
    assert seen["folder"] == seen["temporary"]
    assert Path(seen["folder"]).parent == server.data.resolve() / "work"
    assert seen["files"] == []
    assert seen["limits"] == [12_345_678, 77]
    assert len(seen["descriptors"]) <= 10, "three streams, the link, the loop: nothing of the server's"


DEATHS = [
    ("exit", "agent_error", "exited with code 3"),
    ("kill", "agent_error", "killed by SIGKILL"),
    ("segfault", "agent_error", "killed by SIGSEGV"),
]


@pytest.mark.parametrize(("how", "code", "words"), DEATHS, ids=[death[0] for death in DEATHS])
async def test_a_process_that_dies_ends_its_run_with_the_truth(
    isolated: EmbeddedServer, how: str, code: str, words: str
) -> None:
    """What it said before is stored, its open message is closed, its last lines stand in the error."""
    end = await _ended(isolated, "dies", how)
    assert (end["status"], end["error"]["code"]) == ("FAILED", code)
    assert words in end["error"]["message"]
    if how != "segfault":
        assert "these are | my last words" in end["error"]["message"]
    types = [entry["data"]["type"] for entry in isolated.entries(end["run_id"]) if entry["type"] == "event"]
    assert types == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "CUSTOM", "TEXT_MESSAGE_END", "CUSTOM"]


async def test_a_process_that_is_killed_from_outside_ends_its_run_within_a_second(isolated: EmbeddedServer) -> None:
    async with isolated.http() as http:
        run_id = await start(http, "dies", "waits")
        await eventually_async(lambda: bool(_pids(isolated, run_id)), "it works")
        begun = time.monotonic()
        os.kill(_pids(isolated, run_id)[0], signal.SIGKILL)
        end = await ended(isolated, run_id)
    assert time.monotonic() - begun < 1
    assert (end["status"], end["error"]["code"]) == ("FAILED", "agent_error")


async def test_a_guard_that_is_killed_takes_its_run_with_it(isolated: EmbeddedServer) -> None:
    async with isolated.http() as http:
        run_id = await start(http, "leaves-processes", {"wait": True})
        await eventually_async(lambda: len(_pids(isolated, run_id)) == 2, "it works")
        psutil.Process(_pids(isolated, run_id)[0]).parent().kill()  # type: ignore[union-attr]
        end = await ended(isolated, run_id)
        assert "guards the run was killed" in end["error"]["message"]
        pids = _pids(isolated, run_id)
        await eventually_async(lambda: not any(map(psutil.pid_exists, pids)), "what it left is killed")


LIMITS = [
    ("memory", "process_memory_bytes"),
    ("cpu", "process_cpu_s"),
    ("file", "process_file_bytes"),
    ("processes", "process_count"),
]


@pytest.mark.parametrize(("what", "limit"), LIMITS, ids=[limit[0] for limit in LIMITS])
async def test_a_run_over_a_limit_ends_with_the_limits_name(isolated: EmbeddedServer, what: str, limit: str) -> None:
    end = await _ended(isolated, "exceeds", what)
    assert (end["status"], end["error"]["code"]) == ("FAILED", "limit_exceeded")
    assert limit in end["error"]["message"]


async def test_what_a_run_leaves_behind_is_killed_before_it_ends(isolated: EmbeddedServer) -> None:
    end = await _ended(isolated, "leaves-processes", {})
    assert (end["status"], end["result"]) == ("SUCCEEDED", "done")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("close", "closed its connection"),
        ("garbage", "no message"),
        ("huge", "4294967295 bytes"),
        ("pictures", "a picture that nobody asked for"),
    ],
)
async def test_a_process_that_breaks_its_link_fails_its_run_alone(
    isolated: EmbeddedServer, how: str, words: str
) -> None:
    async with isolated.http() as http:
        other = await start(http, "dies", "waits")
        await eventually_async(lambda: bool(_pids(isolated, other)), "another run works")
        run_id = await start(http, "breaks-link", how)
        end = await ended(isolated, run_id)
        assert (end["status"], end["error"]["code"]) == ("FAILED", "agent_error")
        assert words in end["error"]["message"]
        assert isolated.status(other) == "RUNNING"
        await http.post(f"/v1/runs/{other}/cancel")
        assert (await ended(isolated, other))["status"] == "CANCELLED"


async def test_output_is_kept_as_an_artifact(isolated: EmbeddedServer) -> None:
    async with isolated.http() as http:
        end = await _ended(isolated, "prints", {"lines": 2})
        assert end["result"] == "printed"
        assert await _output(isolated, http, end["run_id"]) == "line 0\nline 1\nto standard error\n"


async def test_no_room_for_its_output_is_not_the_agents_fault(isolated: EmbeddedServer) -> None:
    async with isolated.http() as http:
        run_id = await start(http, "prints", {"lines": 2}, limits={"artifact_bytes": 5})
        assert (await ended(isolated, run_id))["status"] == "SUCCEEDED"
        assert (await http.get(f"/v1/runs/{run_id}/artifacts")).json()["data"] == []


async def test_a_flood_of_output_is_drained_and_bounded(isolated: EmbeddedServer) -> None:
    """The beginning and the end are kept: 200,000 lines do not stop the agent, and do not fill the server."""
    async with isolated.http() as http:
        end = await _ended(isolated, "prints", {"lines": 200_000})
        assert end["result"] == "printed"
        kept = await _output(isolated, http, end["run_id"])
    assert len(kept) < 10_100
    assert kept.startswith("line 0\nline 1\n")
    assert kept.endswith("line 199999\nto standard error\n")
    assert "bytes left out" in kept


@FATES
async def test_cancelled_means_that_nothing_of_the_run_lives(
    isolated: EmbeddedServer, agent: str, input: dict[str, Any]
) -> None:
    """The request, SIGTERM, SIGKILL to the whole tree: CANCELLED stands behind the last of them."""
    async with isolated.http() as http:
        run_id = await start(http, agent, input)
        await eventually_async(lambda: bool(_pids(isolated, run_id)), "it works")
        begun = time.monotonic()
        assert (await http.post(f"/v1/runs/{run_id}/cancel")).status_code == 202
        end = await ended(isolated, run_id)
        assert end["status"] == "CANCELLED"
        assert time.monotonic() - begun < 2 * GRACE_S + 1.5
        assert not [pid for pid in _pids(isolated, run_id) if psutil.pid_exists(pid)]
        assert (await http.get("/readyz")).json()["stuck_threads"] == 0
    assert_log_is_whole(isolated.entries(run_id))


async def test_cancelled_is_not_written_while_a_process_of_the_run_lives(isolated: EmbeddedServer) -> None:
    """The guard is stopped in its tracks, so nothing can be killed: the run is RUNNING until it goes on."""
    async with isolated.http() as http:
        run_id = await start(http, "deaf", {})
        await eventually_async(lambda: bool(_pids(isolated, run_id)), "it works")
        (worker,) = map(psutil.Process, _pids(isolated, run_id))
        guard = worker.parent()
        assert guard is not None
        guard.suspend()
        try:
            await http.post(f"/v1/runs/{run_id}/cancel")
            begun = time.monotonic()
            await eventually_async(lambda: time.monotonic() > begun + 3 * GRACE_S, "every rung has had its time")
            assert (isolated.status(run_id), worker.is_running()) == ("RUNNING", True)
        finally:
            guard.resume()
        assert (await ended(isolated, run_id))["status"] == "CANCELLED"
        assert not worker.is_running()


async def test_a_plain_function_that_looks_at_nothing_is_interrupted_and_cleans_up(
    isolated: EmbeddedServer, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    async with isolated.http() as http:
        run_id = await start(http, "cleans-up", str(note))
        await eventually_async(lambda: bool(_pids(isolated, run_id)), "it works")
        await http.post(f"/v1/runs/{run_id}/cancel")
        assert (await ended(isolated, run_id))["status"] == "CANCELLED"
    assert note.read_text() == "cleaned up"


async def test_a_cancel_before_the_process_exists_starts_none(isolated: EmbeddedServer) -> None:
    """The fork server is stopped in its tracks, so the run is claimed and its process is not there."""
    async with isolated.http() as http:
        await ended(isolated, await start(http, "prints", {"lines": 0}))
        (fork_server,) = fork_servers()
        fork_server.suspend()
        try:
            run_id = await start(http, "deaf", {})
            await eventually_async(lambda: isolated.status(run_id) == "RUNNING", "it is claimed")
            await http.post(f"/v1/runs/{run_id}/cancel")
            end = await ended(isolated, run_id)
        finally:
            fork_server.resume()
        assert end["status"] == "CANCELLED"
        await ended(isolated, await start(http, "prints", {"lines": 0}))
    assert statuses(isolated.entries(run_id)) == ["QUEUED", "RUNNING", "CANCELLED"]
    assert _pids(isolated, run_id) == []


async def test_a_cancel_at_any_moment_of_the_start_ends_the_run(isolated: EmbeddedServer) -> None:
    for pause_ms in range(0, 40, 4):
        async with conversing(isolated) as socket:
            run_id = (await socket.ok("run.start", agent="leaves-processes", input={"wait": True}))["run_id"]
            await asyncio.sleep(pause_ms / 1000)  # the pace of somebody who changes their mind
            await socket.ok("run.cancel", run_id=run_id)
            await socket.until("end", run_id=run_id)
        assert statuses(isolated.entries(run_id))[-1] == "CANCELLED"
        assert not [pid for pid in _pids(isolated, run_id) if psutil.pid_exists(pid)]


async def test_a_fork_server_that_is_killed_is_started_again(isolated: EmbeddedServer) -> None:
    async with isolated.http() as http:
        run_id = await start(http, "dies", "waits")
        await eventually_async(lambda: bool(_pids(isolated, run_id)), "it works")
        (fork_server,) = fork_servers()
        fork_server.kill()
        assert (await ended(isolated, run_id))["status"] == "FAILED", "its runs die with it"
        assert (await ended(isolated, await start(http, "prints", {"lines": 1})))["status"] == "SUCCEEDED"


async def test_an_agent_that_cannot_be_imported_there_is_told(make_server: MakeServer) -> None:
    """The fork server sees only allowed variables; a module that needs another one fails in it."""
    os.environ["RUNWIRE_TEST_ONLY_HERE"] = "1"
    try:
        server = make_server(agents=("tests.support.needs_variable:needs_variable",))
        end = await _ended(server, "needs-variable")
    finally:
        del os.environ["RUNWIRE_TEST_ONLY_HERE"]
    assert end["error"]["code"] == "startup_failed"
    assert "RUNWIRE_TEST_ONLY_HERE" in end["error"]["message"]
