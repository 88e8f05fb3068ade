"""``result`` and the blocking façade, over real sockets that speak both HTTP and WebSocket."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from clients.python.tests import wire
from clients.python.tests.scripted_servers import QUICK, TOKEN, run_from, says
from runwire_client import AsyncRunwire, RunResult, RunStatus, Runwire, State
from runwire_client.errors import ClientClosed, DeadlineExceeded, NotFound

ROWS = wire.log_rows(8)


def record(status: str, as_of_seq: int) -> str:
    """The run's record as ``GET /v1/runs/{id}`` has it."""
    fields = {"agent": "echo", "thread_id": "th1", "attempt": 1, "epoch": wire.EPOCH, "priority": "normal"}
    times = {"created_ms": 1, "started_ms": 2, "ended_ms": None}
    return json.dumps({"id": wire.RUN, "status": status, "as_of_seq": as_of_seq, **fields, **times})


@asynccontextmanager
async def both_doors(status: str, as_of_seq: int, *, ends: bool = True) -> AsyncGenerator[tuple[str, list[str]], None]:
    """A server that answers the record and serves the log from any cursor; yields its URL and the paths asked for."""
    paths: list[str] = []

    def on_request(connection: ServerConnection, request: Request) -> Response | None:
        paths.append(request.path)
        if request.path == f"/v1/runs/{wire.RUN}":
            return connection.respond(200, record(status, as_of_seq))
        return None if request.path.startswith(f"/ws/runs/{wire.RUN}") else connection.respond(404, "{}")

    async def on_socket(connection: ServerConnection) -> None:
        assert connection.request is not None
        after = int(connection.request.path.partition("after=")[2].partition("&")[0])
        messages = run_from(after, ROWS)
        await (says(*messages, close=1000) if ends else says(*messages[: 5 - after]))(connection)

    async with serve(on_socket, "127.0.0.1", 0, process_request=on_request, close_timeout=0.5) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", paths


async def test_result_waits_for_the_terminal_state() -> None:
    async with both_doors("RUNNING", 4) as (url, paths), AsyncRunwire(url, TOKEN, timing=QUICK) as runwire:
        result = await runwire.result(wire.RUN, timeout_s=5.0)
    assert result == RunResult(RunStatus.SUCCEEDED, {"n": 8}, None, None, None)
    assert paths[1] == f"/ws/runs/{wire.RUN}?after=3&epoch={wire.EPOCH}&follow=1&batch=1"


async def test_result_of_an_ended_run_reads_only_its_last_entry() -> None:
    async with both_doors("SUCCEEDED", 8) as (url, paths), AsyncRunwire(url, TOKEN, timing=QUICK) as runwire:
        assert (await runwire.result(wire.RUN)).status is RunStatus.SUCCEEDED
    assert "after=7&" in paths[1]


async def test_result_gives_up_waiting_in_time_and_says_so() -> None:
    async with both_doors("RUNNING", 1, ends=False) as (url, _), AsyncRunwire(url, TOKEN, timing=QUICK) as runwire:
        with pytest.raises(DeadlineExceeded, match="has not ended in time"):
            await runwire.result(wire.RUN, timeout_s=0.2)


async def test_result_of_an_unknown_run_is_not_found() -> None:
    async with both_doors("RUNNING", 1) as (url, _), AsyncRunwire(url, TOKEN, timing=QUICK) as runwire:
        with pytest.raises(NotFound):
            await runwire.result("anotherrun00")


# ---------------------------------------------------------------- without an event loop


@contextmanager
def in_a_thread(*, ends: bool = True) -> Iterator[tuple[str, list[str]]]:
    """The same server for a test without a loop; ends with the block."""
    ready, leave = threading.Event(), threading.Event()
    found: list[tuple[str, list[str]]] = []

    async def serving() -> None:
        async with both_doors("RUNNING", 4, ends=ends) as doors:
            found.append(doors)
            ready.set()
            await asyncio.to_thread(leave.wait, 8.0)

    thread = threading.Thread(target=asyncio.run, args=(serving(),), daemon=True)
    thread.start()
    try:
        assert ready.wait(5.0)
        yield found[0]
    finally:
        leave.set()
        thread.join(5.0)


def client_threads() -> list[threading.Thread]:
    """The private threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "runwire-client"]


def test_the_blocking_client_follows_and_leaves_no_thread() -> None:
    with in_a_thread() as (url, _), Runwire(url, TOKEN, timing=QUICK) as runwire:
        assert [item.seq for item in runwire.follow(wire.RUN) if isinstance(item, State)] == [1, 2, 8]
        assert runwire.result(wire.RUN, timeout_s=5.0).status is RunStatus.SUCCEEDED
        assert runwire.get(wire.RUN).as_of_seq == 4
        assert len(client_threads()) == 1
    assert client_threads() == []


def test_the_blocking_client_raises_what_the_other_raises() -> None:
    with in_a_thread() as (url, _), Runwire(url, TOKEN, timing=QUICK) as runwire, pytest.raises(NotFound):
        runwire.get("anotherrun00")


def test_leaving_a_blocking_follow_early_is_clean() -> None:
    with in_a_thread(ends=False) as (url, _), Runwire(url, TOKEN, timing=QUICK) as runwire:
        for item in runwire.follow(wire.RUN):
            assert isinstance(item, State)
            break
    assert client_threads() == []


def test_ctrl_c_in_a_blocking_follow_closes_it() -> None:
    main = threading.main_thread().ident
    assert main is not None
    with in_a_thread(ends=False) as (url, _), Runwire(url, TOKEN, timing=QUICK) as runwire:
        items = runwire.follow(wire.RUN, after=3)
        next(items)
        timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            next(items)
        timer.join()
        assert list(items) == []
    assert client_threads() == []


def test_a_blocking_client_that_was_not_entered_says_so() -> None:
    with pytest.raises(ClientClosed):
        Runwire("http://127.0.0.1:1", TOKEN).get(wire.RUN)
