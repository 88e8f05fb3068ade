"""Storage that fails: appends wait or the run fails truthfully, nothing unpublished is shown, no hole, and it heals."""

from __future__ import annotations

import asyncio
import io
import os
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runwire import failpoints
from runwire.persistence import database, writer
from runwire.telemetry.logs import LogStream
from tests.faults.conftest import StartServer
from tests.faults.door import call
from tests.faults.history import History
from tests.faults.inside import InsideServer
from tests.faults.journal import read_journals
from tests.faults.observer import Address, Observer, Wish, follow
from tests.faults.server import Server
from tests.faults.tmpfs import small_disk

SCRIPT = {"count": 300, "interval_s": 0.005, "flush_every": 3}


async def readiness(address: Address) -> tuple[int, str]:
    """Return the status of ``/readyz`` and what it says is wrong."""
    status, answer = await call(address, "GET", "/readyz")
    return status, " ".join(answer["problems"])


async def until_ready(address: Address, wanted: int, within_s: float) -> str:
    """Wait until ``/readyz`` answers ``wanted``; return its problems."""
    async with asyncio.timeout(within_s):
        while True:
            status, problems = await readiness(address)
            if status == wanted:
                return problems
            await asyncio.sleep(0.05)


async def nothing_comes(observer: Observer, during_s: float) -> bool:
    """Return whether no entry arrives any more, after what was under way has come."""
    await asyncio.sleep(0.2)
    before = len(observer.entries())
    await asyncio.sleep(during_s)
    return len(observer.entries()) == before


async def outage(server: Server, begin: Callable[[], None], end: Callable[[], None], said: str) -> None:
    """Let the storage fail in the middle of a run: it waits, the server says so, then all goes on as if nothing was."""
    script = {**SCRIPT, "journals": str(server.journals)}
    run_id = await server.run("journaled", script)
    observer = await follow(server.address, run_id)
    await observer.until_seq(50, 5.0)
    begin()
    try:
        assert said in await until_ready(server.address, 503, 3.0)
        assert await nothing_comes(observer, 0.3)
        seen = observer.entries()[-1].seq
        assert server.logs()[run_id].last_seq == seen, "the database holds what nobody was told, or less"
    finally:
        end()
    await until_ready(server.address, 200, 3.0)
    assert await observer.ended(8.0) == 1000
    history = History(acknowledged=read_journals(server.journals))
    history.add(observer, run_id)
    history.check(server.logs())
    assert server.logs()[run_id].status == "SUCCEEDED"


async def test_a_full_disk_is_waited_for(new_server: StartServer, tmp_path: Path) -> None:
    with small_disk(tmp_path / "data-0", 24) as disk:
        server = new_server()
        server.journals = tmp_path / "journals"
        server.journals.mkdir()
        await server.start()
        await outage(server, disk.fill, disk.free, "full")
        await server.kill()


async def test_a_file_that_may_not_grow_is_waited_for(server: Server) -> None:
    """``RLIMIT_FSIZE``: what a quota looks like. The agent's journal is smaller than the database's log."""
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)

    def begin() -> None:
        size = (server.data / "runwire.db-wal").stat().st_size
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, hard))

    def end() -> None:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))

    await outage(server, begin, end, "disk I/O error")


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[InsideServer]:
    """A server inside this process."""
    inside = InsideServer(data)
    await asyncio.to_thread(inside.start)
    try:
        yield inside
    finally:
        await asyncio.to_thread(inside.stop)


async def start_run(address: Address, agent: str, value: Any) -> str:
    """Start a run and return its id."""
    status, answer = await call(address, "POST", "/v1/runs", {"agent": agent, "input": value})
    assert status == 202, answer
    return str(answer["id"])


def locked(data: Path) -> sqlite3.Connection:
    """Return a foreign connection that holds the database's write lock."""
    foreign = sqlite3.connect(data / "runwire.db", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    return foreign


async def test_a_new_run_does_not_join_the_wait_for_a_storage_that_is_away(
    make_data: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one is the attempt that finds the storage healed; who comes later is refused at once."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(writer, "STALL_S", 0.2)
    async with running(make_data()) as inside:
        foreign = locked(inside.data)
        try:
            first = asyncio.create_task(start_run(inside.address, "echo", "first"))
            await until_ready(inside.address, 503, 3.0)
            await asyncio.sleep(0.3)  # the stall is measured from a try that began before readiness was lost
            async with asyncio.timeout(0.5):
                status, problem = await call(inside.address, "POST", "/v1/runs", {"agent": "echo", "input": "later"})
            assert status == 503, problem
            assert problem["retryable"] is True
            assert "locked" in problem["detail"]
            assert not first.done()
        finally:
            foreign.close()
        run_id = await first
        assert await (await follow(inside.address, run_id)).ended(5.0) == 1000
        assert await start_run(inside.address, "echo", "afterwards")


async def test_a_lock_held_by_another_process_for_seconds_is_waited_for(
    make_data: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 100)
    async with running(make_data()) as inside:
        run_id = await start_run(inside.address, "journaled", {**SCRIPT, "journals": str(tmp_path)})
        observer = await follow(inside.address, run_id)
        await observer.until_seq(50, 5.0)
        foreign = locked(inside.data)
        try:
            assert "locked" in await until_ready(inside.address, 503, 3.0)
            assert await nothing_comes(observer, 0.3)
        finally:
            foreign.close()
        await until_ready(inside.address, 200, 3.0)
        assert await observer.ended(8.0) == 1000
        history = History(acknowledged=read_journals(tmp_path))
        history.add(observer, run_id)
        history.check(inside.logs())


async def test_storage_that_stays_away_fails_the_run_truthfully_as_soon_as_it_is_back(
    make_data: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than anybody waits: the agent is told, and the run must not be RUNNING for ever."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(writer, "RETRY_STORAGE_S", 0.3)
    async with running(make_data()) as inside:
        run_id = await start_run(inside.address, "journaled", {**SCRIPT, "journals": str(tmp_path)})
        observer = await follow(inside.address, run_id)
        await observer.until_seq(50, 5.0)
        foreign = locked(inside.data)
        try:
            await until_ready(inside.address, 503, 3.0)
            await asyncio.sleep(1.5)
            code, _ = await call(inside.address, "POST", "/v1/runs", {"agent": "echo", "input": "hello"})
            assert code == 503
        finally:
            foreign.close()
        await until_ready(inside.address, 200, 3.0)
        assert await observer.ended(4.0) == 1000, "the run never ended"
        end = observer.entries()[-1].data
        assert (end.status, (end.error or {}).get("code")) == ("FAILED", "storage_unavailable")
        history = History(acknowledged=read_journals(tmp_path))
        history.add(observer, run_id)
        history.check(inside.logs())
        after = await start_run(inside.address, "echo", "the slot is free again")
        assert await (await follow(inside.address, after)).ended(3.0) == 1000


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("attempt to write a readonly database"),
        sqlite3.OperationalError("disk I/O error"),
        sqlite3.OperationalError("unable to open database file"),
    ],
    ids=str,
)
async def test_any_failing_commit_is_tried_again_as_a_whole(
    make_data: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: sqlite3.OperationalError
) -> None:
    """Every third commit fails at its very end, after its rows were written: no entry is lost, doubled or reordered."""
    hits = 0

    def reach(name: str) -> None:
        nonlocal hits
        if name == "before_commit":
            hits += 1
            if hits % 3 == 0:
                raise error

    async with running(make_data()) as inside:
        monkeypatch.setattr(failpoints, "reach", reach)
        script = {"count": 100, "interval_s": 0.002, "flush_every": 3, "journals": str(tmp_path)}
        run_id = await start_run(inside.address, "journaled", script)
        observer = await follow(inside.address, run_id)
        assert await observer.ended(9.0) == 1000
        history = History(acknowledged=read_journals(tmp_path))
        history.add(observer, run_id)
        history.check(inside.logs())
        assert hits > 30
        monkeypatch.undo()


async def test_one_items_own_defect_does_not_take_the_others_with_it(
    make_data: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen error in a commit of many is charged to one item; the runs of the others go on."""
    broken = time.monotonic() + 0.3

    def reach(name: str) -> None:
        if name == "before_commit" and time.monotonic() < broken:
            raise RuntimeError("a defect, as the test wants")

    async with running(make_data()) as inside:
        monkeypatch.setattr(failpoints, "reach", reach)
        status, _ = await call(inside.address, "POST", "/v1/runs", {"agent": "echo", "input": "hello"})
        assert status == 500
        await asyncio.sleep(max(0.0, broken - time.monotonic()))
        run_id = await start_run(inside.address, "journaled", {**SCRIPT, "count": 20, "journals": str(tmp_path)})
        assert await (await follow(inside.address, run_id)).ended(5.0) == 1000
        monkeypatch.undo()


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    """A full disk under the log file must not end the thread that wants to say that the disk is full."""
    lines = (tmp_path / "log").open("w", encoding="utf-8")
    stream = LogStream(lines)
    stream.write("one\n")
    lines.close()
    stream.write("two\n")
    stream.flush()
    assert (tmp_path / "log").read_text() == "one\n"


def test_the_log_says_how_much_of_it_was_lost() -> None:
    class Flaky(io.StringIO):
        broken = True

        def write(self, text: str) -> int:
            if self.broken:
                raise OSError("no space")
            return super().write(text)

    flaky = Flaky()
    stream = LogStream(flaky)
    stream.write("lost\n")
    stream.write("lost too\n")
    flaky.broken = False
    stream.write("here\n")
    assert flaky.getvalue() == "[2 log writes were lost]\nhere\n"


async def test_a_read_only_data_folder_is_one_clear_line_and_exit_code_2(
    new_server: StartServer, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "data-0", 16) as disk:
        server = new_server()
        server.log_file = tmp_path / "server.log"
        disk.remount_read_only()
        server.spawn()
        assert await server.ended(5.0) == 2
        assert "runwire: " in server.log
        assert "Traceback" not in server.log
        assert "read-only" in server.log.lower(), server.log


def tear(log: Path) -> None:
    """Overwrite the end with garbage."""
    with log.open("r+b") as file:
        file.seek(-2_000, 2)
        file.write(b"\xde\xad" * 1_000)


def halve(log: Path) -> None:
    """Cut the second half off."""
    os.truncate(log, log.stat().st_size // 2)


@pytest.mark.parametrize("damage", [tear, halve])
async def test_a_damaged_write_ahead_log_leaves_a_whole_log(server: Server, damage: Callable[[Path], None]) -> None:
    """Commits are gone after a kill: what is left is contiguous, the run ends truthfully, and who comes back is told
    that the epoch has changed.
    """
    run_id = await server.run("journaled", {**SCRIPT, "journals": str(server.journals)})
    observer = await follow(server.address, run_id)
    await observer.until_seq(60, 5.0)
    await server.kill()
    damage(server.data / "runwire.db-wal")
    assert await server.start(), server.log
    connected = observer.frames()[0]
    again = await follow(server.address, run_id, Wish(after=observer.entries()[-1].seq, epoch=connected.epoch))
    assert await again.ended(5.0) == 1000
    assert [frame.reason for frame in again.frames() if frame.type == "reset"] == ["epoch"]
    history = History()
    history.add(again, run_id)
    history.check(server.logs())
    assert server.logs()[run_id].status == "FAILED"
