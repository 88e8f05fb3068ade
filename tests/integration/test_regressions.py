"""Defects that were found by review, each as the promise that it broke."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from runwire import failpoints
from runwire.engine.dispatcher import ThreadDispatcher
from runwire.engine.runner import RunnerThread
from runwire.persistence import database, writer
from runwire.persistence.event_log import WINDOW_ENTRIES, SqlRunAppender
from tests.conftest import MakeServer
from tests.support import odd_agents
from tests.support.agents import PATHS
from tests.support.deadlines import eventually_async
from tests.support.gates import Gate
from tests.support.http import ended, start
from tests.support.process import command, environment
from tests.support.sockets import conversing, following

AGENTS = PATHS + odd_agents.PATHS


async def test_who_starts_a_run_on_a_socket_follows_it_and_keeps_it_alive(make_server: MakeServer, gate: Gate) -> None:
    """``on_disconnect: cancel`` counted no follower that was there before the run was stored."""
    server = make_server(disconnect_cancel_s=0.1)
    async with conversing(server) as socket:
        options = {"input": {"gate": gate.name}, "on_disconnect": "cancel"}
        run_id = (await socket.ok("run.start", agent="gated", **options))["run_id"]
        async with server.http() as http:  # as long as it takes to cancel another one that nobody follows
            for _ in range(2):
                other = await start(http, "scripted", {"steps": [{"hang": "async"}]}, on_disconnect="cancel")
                assert (await ended(server, other))["status"] == "CANCELLED"
        gate.open()
        await socket.until_end(run_id)
    assert server.entries(run_id)[-1]["data"]["status"] == "SUCCEEDED"


async def test_s5_who_holds_the_terminal_entry_is_closed_1000_also_beside_a_laggard(
    make_server: MakeServer, gate: Gate
) -> None:
    """A tail that a slower follower kept alive had nothing behind the cursor; nobody looked whether that was all."""
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "gated", {"gate": gate.name})
        bridge = server.services.bridge
        laggard = server.on_loop(lambda: bridge.follow(run_id, lambda: None))
        gate.open()
        await ended(server, run_id)
    async with following(server, run_id, follow=1, after=len(server.frames(run_id))) as socket:
        ending = await socket.to_the_end(2)
    assert ([frame["type"] for frame in ending.frames], ending.code) == (["connected"], 1000)
    server.on_loop(lambda: bridge.unfollow(laggard))


@pytest.mark.parametrize(
    ("agent", "code"), [("odd-usage", None), ("odd-verdict", "agent_error"), ("odd-code", "?")], ids=str
)
async def test_whatever_an_agent_says_at_its_end_the_run_ends(
    make_server: MakeServer, agent: str, code: str | None
) -> None:
    """Words that could not be encoded made the writer refuse the terminal entry: RUNNING for ever."""
    server = make_server(agents=AGENTS)
    async with server.http() as http:
        end = await ended(server, await start(http, agent))
    assert end.get("error", {}).get("code") == code
    assert end["status"] == ("SUCCEEDED" if code is None else "FAILED")


async def test_a_task_that_exits_does_not_take_the_agents_own_clean_up_away(make_server: MakeServer) -> None:
    """``SystemExit`` leaves the loop at once; the agent's task was then dropped, its ``finally`` with it."""
    odd_agents.left.clear()
    server = make_server(agents=AGENTS)
    async with server.http() as http:
        end = await ended(server, await start(http, "exits-beside"))
    assert (end["status"], end["error"]["code"]) == ("FAILED", "agent_error")
    assert odd_agents.left == ["exits_beside True"]


async def test_a_run_without_a_thread_fails_and_is_told_once(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error went up through the writer, which took it for its own, committed again and left the run RUNNING."""
    server = make_server()
    start_thread, refusals = threading.Thread.start, iter((True,))

    def exhausted(thread: threading.Thread) -> None:
        if thread.name.startswith("runwire-runner") and next(refusals, False):
            raise RuntimeError("can't start new thread")
        start_thread(thread)

    monkeypatch.setattr(threading.Thread, "start", exhausted)
    async with server.http() as http:
        end = await ended(server, await start(http, "echo", "x"))
        assert (end["status"], end["error"]["code"]) == ("FAILED", "startup_failed")
        assert (await ended(server, await start(http, "echo", "x")))["status"] == "SUCCEEDED"


async def test_an_outage_of_the_storage_does_not_turn_a_success_into_a_lost_worker(
    make_server: MakeServer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that had handed in its run's end was taken for a dead one while that end waited for the storage."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 10)
    monkeypatch.setattr(writer, "RETRY_STORAGE_S", 0.5)
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "blocked", {"gate": gate.name})
        await eventually_async(gate.arrived.is_set, "the agent is executed")
        other = sqlite3.connect(database.database_file(server.data), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        gate.open()
        for _ in range(3):  # the run's end is put back behind what came meanwhile
            answer = await http.post(f"/v1/runs/{run_id}/cancel")
            assert answer.status_code == 503
        other.execute("ROLLBACK")
        other.close()
        assert (await ended(server, run_id))["status"] == "SUCCEEDED"


class Trouble:
    """Makes every commit fail until it is mended."""

    def __init__(self, error: sqlite3.Error) -> None:
        self._error = error
        self.mended = False
        self.tries = 0

    def reach(self, name: str) -> None:
        """Stand in for ``failpoints.reach``."""
        if name == "before_commit" and not self.mended:
            self.tries += 1
            raise self._error


async def test_l9_the_window_stays_closed_while_a_commit_is_tried_again(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try took what waited and so opened the window anew: a full disk grew into a full memory."""
    held = 0
    apply = SqlRunAppender.apply

    def watched(self: SqlRunAppender, tx: Any) -> int:
        nonlocal held
        answer = apply(self, tx)
        held = max(held, len(self._in_commit))
        return answer

    server = make_server(agents=AGENTS)
    async with server.http() as http:
        run_id = await start(http, "floods")
        await eventually_async(lambda: len(server.frames(run_id)) > WINDOW_ENTRIES, "the agent floods")
        trouble = Trouble(sqlite3.OperationalError("database or disk is full"))
        monkeypatch.setattr(SqlRunAppender, "apply", watched)
        monkeypatch.setattr(failpoints, "reach", trouble.reach)
        await eventually_async(lambda: trouble.tries >= 5, "the commit is tried again and again")
        trouble.mended = True
        await http.post(f"/v1/runs/{run_id}/cancel")
        assert (await ended(server, run_id))["status"] == "CANCELLED"
    assert held <= WINDOW_ENTRIES
    assert [entry["seq"] for entry in server.entries(run_id)] == list(range(1, len(server.frames(run_id)) + 1))


async def test_a_damaged_database_is_trouble_of_the_storage_and_is_waited_for(
    make_server: MakeServer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says it by the bare ``DatabaseError``: that was taken for a defect, and the terminal entry dropped."""
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "gated", {"gate": gate.name})
        await eventually_async(gate.arrived.is_set, "the agent is executed")
        trouble = Trouble(sqlite3.DatabaseError("database disk image is malformed"))
        monkeypatch.setattr(failpoints, "reach", trouble.reach)
        gate.open()
        await eventually_async(lambda: trouble.tries >= 3, "the commit is tried again")
        ready = await http.get("/readyz")
        trouble.mended = True
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert (await ended(server, run_id))["status"] == "SUCCEEDED"


async def test_a_reader_of_the_database_does_not_hold_up_commits(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emptying a large write-ahead log waited 5 s for a reader such as ``db backup``, and every commit with it."""
    monkeypatch.setattr(writer, "WAL_BYTES", 1)
    monkeypatch.setattr(writer, "WAL_CHECK_S", 0.0)
    server = make_server()
    reader = sqlite3.connect(database.database_file(server.data), isolation_level=None)
    async with server.http() as http:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        async with asyncio.timeout(2):
            for _ in range(3):
                await ended(server, await start(http, "echo", "x"))
    reader.close()


async def test_a_drain_gives_interrupted_agents_a_moment_to_leave(make_server: MakeServer) -> None:
    """The wait was over as soon as the run's state was written, and the process left in the middle of a ``finally``."""
    odd_agents.left.clear()
    server = make_server(agents=AGENTS)
    async with server.http() as http:
        run_id = await start(http, "leaves-slowly")
        await eventually_async(lambda: len(server.frames(run_id)) == 3, "the agent hangs")
    await asyncio.to_thread(server.stop)
    assert odd_agents.left == ["leaves_slowly"]
    assert server.entries(run_id)[-1]["data"]["error"]["code"] == "interrupted"


async def test_a_run_that_is_claimed_while_the_drain_begins_is_settled_too(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its claim and its hand-over the drain saw nothing to wait for and left it RUNNING."""
    server = make_server()
    inside, go = threading.Event(), threading.Event()

    def hold(name: str) -> None:
        if name == "before_commit" and not inside.is_set():
            inside.set()
            go.wait(2)

    monkeypatch.setattr(failpoints, "reach", hold)
    hang = {"agent": "scripted", "input": {"steps": [{"hang": "async"}]}, "run_id": "claimed1"}
    async with server.http() as http:
        starting = asyncio.ensure_future(http.post("/v1/runs", json=hang))
        await eventually_async(inside.is_set, "the claim is about to be committed")
        stopping = asyncio.ensure_future(asyncio.to_thread(server.stop))
        await eventually_async(lambda: server.services.connections.draining, "the drain has begun")
        go.set()
        await asyncio.wait((starting, stopping))
    assert server.entries("claimed1")[-1]["data"]["error"]["code"] == "interrupted"


@pytest.mark.parametrize("header", [b"X: " + b"a" * 1_000_000, b"X: a\r\n" * 100_000], ids=["one", "many"])
async def test_a_request_head_of_more_than_32_kib_is_refused(make_server: MakeServer, header: bytes) -> None:
    """It was taken without a bound: the engine's own limit belongs to the other HTTP parser."""
    server = make_server()
    host, port = urlsplit(server.origin).hostname, urlsplit(server.origin).port
    async with asyncio.timeout(2):
        reader, writer_ = await asyncio.open_connection(host, port)
        try:
            writer_.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + header)
            assert (await reader.read(12)) == b"HTTP/1.1 400"
        finally:
            writer_.transport.abort()


async def test_commands_that_wait_for_the_storage_are_bounded(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While each command took half a minute, a client at its allowed pace filled the memory with those behind it."""
    server = make_server(message_burst=8)
    async with conversing(server) as socket:
        trouble = Trouble(sqlite3.OperationalError("database or disk is full"))
        monkeypatch.setattr(failpoints, "reach", trouble.reach)
        for _ in range(20):
            await socket.send({"op": "run.start", "agent": "echo", "input": "x"})
            await asyncio.sleep(0.002)  # the client's pace, far below the limit of messages
        trouble.mended = True
        assert (await socket.to_the_end(3)).code == 4029


async def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_failure(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Each one was logged twice as a failed request, with a traceback: anybody could fill the log."""
    server = make_server()
    address = urlsplit(server.origin)
    _, leaving = await asyncio.open_connection(address.hostname, address.port)
    leaving.write(b"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    await leaving.drain()
    async with server.http() as http:
        await http.get("/healthz")
    leaving.transport.abort()
    await asyncio.to_thread(server.stop)  # the request's end comes before the server's
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_second_ctrl_c_leaves_with_130_and_without_a_traceback(make_server: MakeServer) -> None:
    """The watcher's cancellation went up through the command line."""
    server = make_server()
    arguments = ("run", "swallows", "--json", "--server", server.origin, "--token", server.token)
    pipe = asyncio.subprocess.PIPE
    watching = await asyncio.create_subprocess_exec(
        *command(*arguments), env=environment(), stdout=pipe, stderr=pipe, limit=1_000_000
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    async with asyncio.timeout(8):
        while b"begun" not in await watching.stdout.readline():
            pass
        watching.send_signal(signal.SIGINT)
        while b"cancelling" not in await watching.stderr.readline():
            pass
        watching.send_signal(signal.SIGINT)
        _, said = await watching.communicate()
    assert (watching.returncode, said) == (130, b"")


async def test_a_thread_that_is_given_up_while_it_offers_itself_takes_no_other_run(
    make_server: MakeServer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited among the idle ones with its own end in its inbox: the next run of its user was lost in it."""
    offering, go, offered = threading.Event(), threading.Event(), threading.Event()
    offer = ThreadDispatcher.offer

    def late(self: ThreadDispatcher, runner: RunnerThread) -> bool:
        offering.set()
        go.wait(2)
        kept = offer(self, runner)
        offered.set()
        return kept

    monkeypatch.setattr(ThreadDispatcher, "offer", late)
    server = make_server(cancel_grace_s=0.05)
    async with server.http() as http:
        first = await start(http, "gated", {"gate": gate.name})
        await eventually_async(gate.arrived.is_set, "the agent is executed")
        await http.post(f"/v1/runs/{first}/cancel")
        await eventually_async(offering.is_set, "the thread is about to offer itself")
        assert (await ended(server, first))["error"]["code"] == "stuck_thread"
        go.set()
        gate.open()
        await eventually_async(offered.is_set, "the thread has offered itself")
        assert (await ended(server, await start(http, "gated", {"gate": gate.name})))["status"] == "SUCCEEDED"
