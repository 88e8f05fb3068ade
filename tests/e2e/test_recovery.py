"""After ``kill -9`` in mid-run: no run stays RUNNING, nothing seen is gone, recoverable runs begin again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from runwire.persistence.database import database_file
from tests.e2e.conftest import StartServer
from tests.support.database import assert_log_is_whole, query, stored_entries, stored_frames, stored_status
from tests.support.deadlines import eventually_async
from tests.support.process import ServerProcess
from tests.support.sockets import conversing, following, log_of, said, statuses

FLOOD = {"steps": [{"burst": {"count": 1_000_000, "bytes": 100}}]}
HANG = {"steps": [{"text": "begun"}, {"hang": "async"}]}


async def _start(server: ServerProcess, **start: Any) -> str:
    async with conversing(server) as socket:
        run_id: str = (await socket.ok("run.start", **start))["run_id"]
    return run_id


async def test_no_run_is_left_running_and_what_was_seen_is_still_there(start_server: StartServer) -> None:
    first = start_server()
    hanging = await _start(first, agent="scripted", input=HANG)
    flooding = await _start(first, agent="scripted", input=FLOOD)
    async with following(first, flooding, follow=1) as watcher:
        while len(watcher.raw) < 500:
            await watcher.next()
        first.kill()
        seen = (await watcher.to_the_end()).raw
    assert stored_status(first.data, hanging) == "RUNNING"

    second = start_server()
    assert query(second.data, "SELECT id FROM runs WHERE status = 'RUNNING'") == []
    for run_id in (hanging, flooding):
        entries = stored_entries(second.data, run_id)
        assert_log_is_whole(entries)
        end = entries[-1]["data"]
        assert (end["status"], end["error"]["code"], end["error"]["retryable"]) == ("FAILED", "worker_lost", True)
    stored = stored_frames(second.data, flooding)
    assert stored[: len(seen) - 1] == seen[1:], "commit before publish: nothing that a client saw disappears"


async def test_a_client_resumes_behind_the_kill_in_the_same_epoch(start_server: StartServer) -> None:
    first = start_server()
    run_id = await _start(first, agent="scripted", input=FLOOD)
    async with following(first, run_id, follow=1) as watcher:
        while len(watcher.raw) < 100:
            await watcher.next()
        first.kill()
        before = await watcher.to_the_end()
    assert before.code == 1006, "a kill says nothing: never clean"
    second = start_server()
    seen = [frame["seq"] for frame in before.frames[1:] if "seq" in frame]
    async with following(second, run_id, follow=1, after=seen[-1], epoch=before.frames[0]["epoch"]) as watcher:
        after = await watcher.to_the_end()
    assert after.frames[0]["resumed"] is True
    assert after.code == 1000
    assert before.raw[1:] + after.raw[1:] == stored_frames(second.data, run_id), "each entry exactly once"


async def test_a_recoverable_run_begins_again_as_attempt_2_and_tells_so(start_server: StartServer) -> None:
    first = start_server()
    run_id = await _start(first, agent="phoenix")
    await eventually_async(lambda: said(stored_entries(first.data, run_id)) == ["attempt"], "the first attempt")
    first.kill()
    second = start_server()
    async with following(second, run_id, follow=1) as watcher:
        ending = await watcher.to_the_end()
    entries = stored_entries(second.data, run_id)
    assert log_of(ending.frames) == entries
    assert_log_is_whole(entries)
    assert statuses(entries) == ["QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCEEDED"]
    again = next(e["data"] for e in entries if e["data"].get("reason") == "worker_lost")
    assert again == {"status": "QUEUED", "attempt": 2, "reason": "worker_lost"}
    assert entries[-1]["data"] == {"status": "SUCCEEDED", "attempt": 2, "result": 2}


async def test_queued_runs_and_their_order_survive(start_server: StartServer) -> None:
    first = start_server(max_running=1)
    holder = await _start(first, agent="scripted", input=HANG)
    ids = [await _start(first, agent="echo", input=p, priority=p) for p in ("low", "normal", "high")]
    first.kill()
    assert [stored_status(first.data, run_id) for run_id in ids] == ["QUEUED"] * 3
    second = start_server(max_running=1)
    for run_id in ids:
        await eventually_async(lambda r=run_id: stored_status(second.data, r) == "SUCCEEDED", "it runs")  # type: ignore[misc]
    begun = [stored_entries(second.data, run_id)[1]["ts_ms"] for run_id in reversed(ids)]
    assert begun == sorted(begun), "high, normal, low"
    assert stored_status(second.data, holder) == "FAILED"


async def test_a_cancel_that_was_asked_for_before_the_kill_holds_after_it(start_server: StartServer) -> None:
    first = start_server(cancel_grace_s=30)
    async with conversing(first) as socket:
        run_id = (await socket.ok("run.start", agent="swallows"))["run_id"]
        await socket.until_said("begun")
        await socket.ok("run.cancel", run_id=run_id)
        first.kill()
    second = start_server()
    entries = stored_entries(second.data, run_id)
    assert statuses(entries) == ["QUEUED", "RUNNING", "CANCELLED"]


async def test_a_run_that_kills_its_server_each_time_is_given_up(start_server: StartServer) -> None:
    run_id = ""
    for attempt in (1, 2, 3):
        server = start_server(agents=("tests.support.agents:never_ready",))
        run_id = run_id or await _start(server, agent="never-ready")
        await eventually_async(
            lambda: said(stored_entries(server.data, run_id)).count("attempt") == attempt,  # noqa: B023  # used at once
            f"attempt {attempt}",
        )
        server.kill()
    server = start_server(agents=("tests.support.agents:never_ready",))
    entries = stored_entries(server.data, run_id)
    assert_log_is_whole(entries)
    end = entries[-1]["data"]
    assert (end["status"], end["attempt"], end["error"]["code"]) == ("FAILED", 3, "worker_lost")


FAMILY = ("tests.support.family_agents:parent", "tests.support.family_agents:hangs")
ATTEMPTS = ("tests.support.attempt_agents:patient", "tests.support.attempt_agents:very_patient")


async def _parked(server: ServerProcess, agent: str = "very-patient") -> str:
    run_id = await _start(server, agent=agent, input={"n": 1})
    await eventually_async(lambda: len(statuses(stored_entries(server.data, run_id))) == 3, "it waits to try again")
    return run_id


async def test_a_kill_during_the_pause_before_a_retry_shortens_and_loses_nothing(start_server: StartServer) -> None:
    first = start_server(agents=ATTEMPTS)
    run_id = await _parked(first, "patient")
    first.kill()
    second = start_server(agents=ATTEMPTS)
    async with following(second, run_id, follow=1) as watcher:
        ending = await watcher.to_the_end()
    entries = stored_entries(second.data, run_id)
    assert log_of(ending.frames) == entries
    assert_log_is_whole(entries)
    states = [entry for entry in entries if entry["type"] == "state"]
    assert statuses(entries) == ["QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCEEDED"]
    assert (states[2]["data"]["reason"], states[4]["data"]["result"]) == ("retry", {"attempt": 2, "n": 1})
    assert states[3]["ts_ms"] >= states[2]["data"]["not_before_ms"] - 1


async def test_a_pause_that_ended_while_the_server_was_down_is_over(start_server: StartServer) -> None:
    first = start_server(agents=ATTEMPTS)
    run_id = await _parked(first)
    first.kill()
    with closing(sqlite3.connect(database_file(first.data))) as database, database:
        database.execute("UPDATE runs SET not_before_ms = 1 WHERE id = ?", (run_id,))
    second = start_server(agents=ATTEMPTS)
    await eventually_async(lambda: stored_status(second.data, run_id) == "SUCCEEDED", "it runs", within_s=5)


async def test_a_cancel_finds_a_parked_run_also_after_a_kill(start_server: StartServer) -> None:
    first = start_server(agents=ATTEMPTS)
    run_id = await _parked(first)
    first.kill()
    second = start_server(agents=ATTEMPTS)
    async with conversing(second) as socket:
        assert (await socket.ok("run.cancel", run_id=run_id))["status"] == "CANCELLED"
    assert statuses(stored_entries(second.data, run_id))[-1] == "CANCELLED"


async def test_children_that_still_wait_follow_a_parent_that_was_lost(start_server: StartServer) -> None:
    first = start_server(agents=FAMILY, max_running=1)
    run_id = await _start(first, agent="parent", input={"agent": "hangs", "input": None, "count": 2})
    children = "SELECT id, status FROM runs WHERE parent_id IS NOT NULL ORDER BY status"

    def begun() -> bool:
        return [row["status"] for row in query(first.data, children)] == ["QUEUED", "RUNNING"]

    await eventually_async(begun, "one child runs on its parent's slot, one waits")
    first.kill()
    second = start_server(agents=FAMILY, max_running=1)
    assert stored_entries(second.data, run_id)[-1]["data"]["error"]["code"] == "worker_lost"
    ends = sorted(row["status"] for row in query(second.data, children))
    assert ends == ["CANCELLED", "FAILED"]
