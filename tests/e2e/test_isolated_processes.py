"""Processes of isolated runs under signals: none outlives its server, none is left after many runs."""

from __future__ import annotations

import os
from typing import Any

import psutil
import pytest

from tests.e2e.conftest import StartServer
from tests.support.database import assert_log_is_whole, stored_entries, stored_status
from tests.support.deadlines import eventually, eventually_async
from tests.support.isolated_agents import PATHS
from tests.support.isolation import wait_for_fork_servers
from tests.support.process import ServerProcess
from tests.support.sockets import conversing, statuses

pytestmark = pytest.mark.timeout(30)

DEAF: tuple[tuple[str, dict[str, Any]], ...] = (
    ("deaf", {"child": True}),
    ("leaves-processes", {"wait": True}),
    ("deaf", {}),
)
SHORT_DRAIN_S = 0.2
LIMIT_S = 3.0


async def _busy(server: ServerProcess) -> tuple[list[str], list[psutil.Process]]:
    """Start runs that nothing but SIGKILL ends; return them, and all processes below the server."""
    ids = []
    wait_for_fork_servers(server.process.pid)
    async with conversing(server) as talk:
        for agent, input in DEAF:
            run_id: str = (await talk.ok("run.start", agent=agent, input=input))["run_id"]
            told = 1 + ("child" in input or "wait" in input)
            await eventually_async(
                lambda run_id=run_id, told=told: _told(server, run_id) == told,  # type: ignore[misc]
                "it has told of its processes",
                5,
            )
            ids.append(run_id)
    below = psutil.Process(server.process.pid).children(recursive=True)
    assert len(below) >= 1 + 2 * len(DEAF), "a fork server, then a guard and a worker for each"
    return ids, below


def _told(server: ServerProcess, run_id: str) -> int:
    return sum(entry["data"].get("name") == "pid" for entry in stored_entries(server.data, run_id))


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


async def test_kill_9_of_the_server_leaves_no_process(start_server: StartServer) -> None:
    server = start_server(agents=PATHS, max_running=4)
    _, below = await _busy(server)
    server.kill()
    eventually(lambda: not _alive(below), "everything below the server has ended")


async def test_a_killed_servers_folders_are_gone_with_its_next_start(start_server: StartServer) -> None:
    first = start_server(agents=PATHS)
    ids, _ = await _busy(first)
    first.kill()
    second = start_server(agents=PATHS)
    assert os.listdir(second.data / "work") == []
    for run_id in ids:
        end = stored_entries(second.data, run_id)[-1]["data"]
        assert (end["status"], end["error"]["code"]) == ("FAILED", "worker_lost")


async def test_a_cancel_that_a_killed_server_did_not_get_to_is_done_by_the_next(start_server: StartServer) -> None:
    """The wish is stored before it is answered; recovery finds it."""
    first = start_server(agents=PATHS, cancel_grace_s=60)
    wait_for_fork_servers(first.process.pid)
    async with conversing(first) as talk:
        run_id = (await talk.ok("run.start", agent="deaf", input={}))["run_id"]
        await eventually_async(lambda: _told(first, run_id) == 1, "it works")
        await talk.ok("run.cancel", run_id=run_id)
    first.kill()
    second = start_server(agents=PATHS)
    entries = stored_entries(second.data, run_id)
    assert_log_is_whole(entries)
    assert statuses(entries)[-1] == "CANCELLED"


async def test_b3_ctrl_c_under_processes_that_ignore_everything_takes_less_than_3_s(start_server: StartServer) -> None:
    server = start_server(agents=PATHS, drain_sigint_s=SHORT_DRAIN_S)
    ids, below = await _busy(server)
    code, took_s = server.interrupt()
    assert (code, took_s < SHORT_DRAIN_S + 1.5) == (0, True), took_s
    assert not _alive(below)
    assert os.listdir(server.data / "work") == []
    for run_id in ids:
        end = stored_entries(server.data, run_id)[-1]["data"]
        assert (end["status"], end["error"]["code"]) == ("FAILED", "interrupted")
    assert "Traceback" not in server.output


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_100_runs_of_every_end_leave_no_process_descriptor_or_folder(start_server: StartServer) -> None:
    server = start_server(
        agents=PATHS, max_running=4, process_file_bytes=1_000_000, messages_per_s=1_000, message_burst=1_000
    )
    plan: list[tuple[str, Any]] = [
        ("surroundings", None),
        ("dies", "exit"),
        ("dies", "kill"),
        ("leaves-processes", {}),
        ("breaks-link", "garbage"),
        ("prints", {"lines": 100}),
        ("exceeds", "file"),
        ("dies", "waits"),
    ]
    here = psutil.Process(server.process.pid)

    async def once(count: int) -> None:
        async with conversing(server) as talk:
            for number in range(count):
                agent, input = plan[number % len(plan)]
                run_id = (await talk.ok("run.start", agent=agent, input=input))["run_id"]
                if (agent, input) == ("dies", "waits"):
                    await talk.ok("run.cancel", run_id=run_id)
                await talk.until("end", run_id=run_id, within_s=5)
                assert stored_status(server.data, run_id) != "RUNNING"

    await once(len(plan))  # what is made once: threads, caches
    (fork_server,) = here.children()
    before = (here.num_fds(), fork_server.num_fds())
    await once(100)
    eventually(lambda: len(here.children(recursive=True)) == 1, "the fork server alone is left")
    eventually(lambda: (here.num_fds() <= before[0] + 2) and fork_server.num_fds() == before[1], "no descriptor is")
    assert os.listdir(server.data / "work") == []
