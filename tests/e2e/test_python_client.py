"""The Python client against the real server: a process of its own, real sockets, real SQLite, and faults in between."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from runwire_client import AsyncRunwire, Entry, Event, Item, Reset, ResetReason, RunStatus, Runwire, State, Verdict
from runwire_client.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    RunIdTaken,
    RunwireError,
)

START_S = 20.0
WAIT_S = 8.0

# Starting the server has its own bound; the tests' limit is for what they do with it.
pytestmark = pytest.mark.timeout(10, func_only=True)


@dataclass
class Server:
    """A server process on a data folder; can be killed and started again at the same address."""

    data: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """The first-start token."""
        return (self.data / "token").read_text().strip()

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "runwire", "serve", "--data", str(self.data), "--port", str(self.port)]
        command.append("--share-links")
        with (self.data / "server.log").open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        pytest.fail(f"the server did not start: {(self.data / 'server.log').read_text()[-2000:]}")

    def end(self, signal_number: int) -> None:
        """Send a signal and wait for the end; killed if it does not end."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal_number)
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5.0)
            raise


def free_port() -> int:
    """A port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that leave it standing."""
    server = Server(tmp_path_factory.mktemp("data"), free_port())
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGINT)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server for one test, which may kill it."""
    server = Server(tmp_path, free_port())
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGKILL)


@pytest.fixture
async def runwire(server: Server) -> AsyncGenerator[AsyncRunwire, None]:
    """An open client."""
    async with AsyncRunwire(server.url, server.token) as client:
        yield client


@asynccontextmanager
async def cutting_proxy(port: int, *, cut_after_bytes: int) -> AsyncGenerator[tuple[str, list[int]], None]:
    """A TCP proxy that aborts each connection after so many bytes from the server, and a few more each time.

    Yields its URL and the bounds so far. They exceed a full batch: a frame that never arrives whole brings nothing.
    """
    carried: list[int] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
        while data := await reader.read(1024 if limit is None else min(limit, 1024)):
            writer.write(data)
            await writer.drain()
            if limit is not None:
                limit -= len(data)
                if limit <= 0:
                    return

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        limit = cut_after_bytes + 137 * len(carried)
        carried.append(limit)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        up = asyncio.create_task(pump(reader, there_writer, None))
        try:
            await pump(there_reader, writer, limit)
        except ConnectionError:
            return
        finally:
            up.cancel()
            await asyncio.gather(up, return_exceptions=True)
            there_writer.transport.abort()
            writer.transport.abort()

    listening = await asyncio.start_server(carry, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", carried
    finally:
        listening.close()


async def followed(client: AsyncRunwire, run_id: str, *, after: int = 0, epoch: str | None = None) -> list[Item]:
    """Everything that a follow yields, within a bound."""
    async with asyncio.timeout(WAIT_S):
        return [item async for item in client.follow(run_id, after=after, epoch=epoch)]


async def stored(client: AsyncRunwire, run_id: str) -> list[Entry]:
    """The whole log over HTTP, page by page."""
    entries: list[Entry] = []
    while page := await client.events(run_id, after=entries[-1].seq if entries else 0, limit=200):
        entries.extend(page)
    return entries


# ---------------------------------------------------------------- the plain way


async def test_a_run_is_started_followed_to_its_end_and_equals_what_is_stored(runwire: AsyncRunwire) -> None:
    run = await runwire.start("echo", "one two three")
    items = await followed(runwire, run.run_id, epoch=run.epoch)
    assert items == await stored(runwire, run.run_id)
    deltas = [item.data["delta"] for item in items if isinstance(item, Event) and item.type == "TEXT_MESSAGE_CONTENT"]
    assert "".join(deltas) == "one two three"
    record = await runwire.get(run.run_id)
    assert (record.status, record.as_of_seq, record.epoch) == (RunStatus.SUCCEEDED, len(items), run.epoch)
    assert [item.seq for item in items if not isinstance(item, Reset)] == list(range(1, len(items) + 1))


async def test_three_followers_hold_the_same_entries(runwire: AsyncRunwire) -> None:
    run = await runwire.start("scripted", {"steps": [{"burst": {"count": 500, "interval_s": 0.001}}]})
    first, second, third = await asyncio.gather(*(followed(runwire, run.run_id) for _ in range(3)))
    assert first == second == third == await stored(runwire, run.run_id)


async def test_the_same_id_and_body_is_the_same_run_and_another_body_is_refused(runwire: AsyncRunwire) -> None:
    one = await runwire.start("echo", "x", run_id="chosenbyme01")
    assert (await runwire.start("echo", "x", run_id="chosenbyme01")).thread_id == one.thread_id
    with pytest.raises(RunIdTaken):
        await runwire.start("echo", "y", run_id="chosenbyme01")


async def test_a_cancelled_run_ends_cancelled(runwire: AsyncRunwire) -> None:
    run = await runwire.start("scripted", {"steps": [{"hang": "async"}]})
    await runwire.cancel(run.run_id)
    assert (await runwire.result(run.run_id, timeout_s=WAIT_S)).status is RunStatus.CANCELLED


async def test_a_failed_run_is_a_result_with_its_error(runwire: AsyncRunwire) -> None:
    run = await runwire.start("scripted", {"steps": [{"fail": "no luck"}]})
    result = await runwire.result(run.run_id, timeout_s=WAIT_S)
    assert result.status is RunStatus.FAILED
    assert result.error is not None
    assert (result.error.code, result.error.message) == ("agent_error", "no luck")


async def test_a_failed_test_is_a_success_with_a_verdict(runwire: AsyncRunwire) -> None:
    steps = [{"step": {"name": "open", "status": "PASSED"}}, {"step": {"name": "buy", "status": "FAILED"}}]
    run = await runwire.start("scripted", {"steps": steps})
    result = await runwire.result(run.run_id, timeout_s=WAIT_S)
    assert (result.status, result.verdict) == (RunStatus.SUCCEEDED, Verdict.FAILED)
    assert result.result == {"passed": 1, "total": 2}
    assert (await runwire.get(run.run_id)).verdict is Verdict.FAILED


async def test_waiting_for_a_result_has_a_limit_and_leaves_the_run_alone(runwire: AsyncRunwire) -> None:
    run = await runwire.start("scripted", {"steps": [{"sleep_s": 60}]})
    with pytest.raises(DeadlineExceeded):
        await runwire.result(run.run_id, timeout_s=0.3)
    assert not (await runwire.get(run.run_id)).status.is_terminal
    await runwire.cancel(run.run_id)


async def test_runs_come_page_by_page_newest_first(runwire: AsyncRunwire) -> None:
    thread_id = (await runwire.start("echo", "0")).thread_id
    ids = [(await runwire.start("echo", str(n), thread_id=thread_id)).run_id for n in range(1, 5)]
    listed = [record.id async for record in runwire.runs(thread_id=thread_id, limit=2)]
    assert len(listed) == 5
    assert listed[:4] == ids[::-1]


async def test_agents_queue_and_health(runwire: AsyncRunwire) -> None:
    agents = {agent.name: agent for agent in await runwire.agents()}
    assert (agents["echo"].available, agents["echo"].isolation) == (True, "thread")
    queue = await runwire.queue()
    assert queue.limits["max_running"] >= 1
    health = await runwire.health()
    assert health.live
    assert health.ready


def test_the_blocking_client(server: Server) -> None:
    with Runwire(server.url, server.token) as client:
        run = client.start("echo", "a b", priority="high")
        states = [item.status.value for item in client.follow(run.run_id) if isinstance(item, State)]
        assert states == ["QUEUED", "RUNNING", "SUCCEEDED"]
        assert client.result(run.run_id).result == {"text": "a b", "words": 2}


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(("agent", "given"), [("nobody", "x"), ("scripted", {"steps": [{"dance": 1}]})])
async def test_what_cannot_be_started_is_the_callers_error(runwire: AsyncRunwire, agent: str, given: object) -> None:
    with pytest.raises((InvalidInput, NotFound)) as caught:
        await runwire.start(agent, given)
    assert caught.value.status in (404, 422)


async def test_an_unknown_run_is_not_found_everywhere(runwire: AsyncRunwire) -> None:
    for ask in (followed(runwire, "nosuchrun0"), runwire.get("nosuchrun0"), runwire.result("nosuchrun0")):
        with pytest.raises(NotFound):
            await ask
    with pytest.raises(NotFound):
        await runwire.cancel("nosuchrun0")


async def test_a_wrong_token_is_refused_on_both_doors(server: Server, runwire: AsyncRunwire) -> None:
    run = await runwire.start("echo", "x")
    async with AsyncRunwire(server.url, "wrong") as stranger:
        with pytest.raises(NotAuthenticated):
            await stranger.get(run.run_id)
        with pytest.raises(NotAuthenticated):
            await followed(stranger, run.run_id)


@pytest.mark.parametrize(
    ("after", "epoch", "reason"), [(3, "older.one", ResetReason.EPOCH), (10_000, None, ResetReason.AHEAD)]
)
async def test_a_cursor_of_no_use_is_a_reset_and_the_whole_log(
    runwire: AsyncRunwire, after: int, epoch: str | None, reason: ResetReason
) -> None:
    run = await runwire.start("echo", "one two")
    whole = await followed(runwire, run.run_id)
    reset, *again = await followed(runwire, run.run_id, after=after, epoch=epoch)
    assert reset == Reset(run.run_id, reason, 1, len(whole), run.epoch)
    assert again == whole


async def test_a_negative_cursor_is_the_callers_error(runwire: AsyncRunwire) -> None:
    run = await runwire.start("echo", "x")
    with pytest.raises(RunwireError) as caught:
        await followed(runwire, run.run_id, after=-1)
    assert caught.value.status == 400


# ---------------------------------------------------------------- faults


async def test_an_ended_run_is_followed_from_every_cursor(runwire: AsyncRunwire) -> None:
    run = await runwire.start("echo", "one two three")
    whole = await followed(runwire, run.run_id)
    for after in range(len(whole) + 1):
        assert await followed(runwire, run.run_id, after=after, epoch=run.epoch) == whole[after:]


async def test_a_run_through_a_network_that_keeps_cutting_comes_exactly_once(
    server: Server, runwire: AsyncRunwire
) -> None:
    run = await runwire.start("scripted", {"steps": [{"burst": {"count": 500, "bytes": 100, "interval_s": 0.001}}]})
    async with (
        cutting_proxy(server.port, cut_after_bytes=16_000) as (url, carried),
        AsyncRunwire(url, server.token) as client,
    ):
        items = await followed(client, run.run_id)
    assert items == await stored(runwire, run.run_id)
    assert len(carried) > 3


async def test_a_killed_server_that_comes_back_loses_and_repeats_nothing(own_server: Server) -> None:
    async with AsyncRunwire(own_server.url, own_server.token) as client:
        run = await client.start("scripted", {"steps": [{"burst": {"count": 20}}, {"sleep_s": 60}]})
        items: list[Item] = []
        async with asyncio.timeout(WAIT_S):
            async for item in client.follow(run.run_id):
                items.append(item)
                if len(items) == 22:
                    own_server.end(signal.SIGKILL)
                    await asyncio.to_thread(own_server.start)
        last = items[-1]
        assert isinstance(last, State)
        assert last.status is RunStatus.FAILED
        assert last.error is not None
        assert last.error.code == "worker_lost"
        assert items == await stored(client, run.run_id)


async def test_a_drained_server_ends_the_run_truthfully_and_the_follow_with_it(own_server: Server) -> None:
    async with AsyncRunwire(own_server.url, own_server.token) as client:
        run = await client.start("scripted", {"steps": [{"sleep_s": 60}]})
        items: list[Item] = []
        async with asyncio.timeout(WAIT_S):
            async for item in client.follow(run.run_id):
                items.append(item)
                if len(items) == 2:
                    assert own_server.process is not None
                    os.kill(own_server.process.pid, signal.SIGINT)
        last = items[-1]
        assert isinstance(last, State)
        assert last.error is not None
        assert last.error.code == "interrupted"


async def test_conversations_are_found_named_taken_away_and_deleted(runwire: AsyncRunwire) -> None:
    run = await runwire.start("echo", "a heron by the river", thread_id="river-talk")
    await runwire.result(run.run_id, WAIT_S)
    found = await runwire.conversations.get("river-talk")
    assert (found.id, found.title, found.titled, found.runs) == ("river-talk", "a heron by the river", False, 1)
    assert found.last_run is not None
    assert found.last_run.status is RunStatus.SUCCEEDED
    assert (await runwire.conversations.rename("river-talk", "Birds")).titled
    text = b"".join([piece async for piece in runwire.conversations.export("river-talk")]).decode()
    assert text.startswith("# Birds\n")
    await runwire.conversations.delete("river-talk")
    with pytest.raises(NotFound):
        await runwire.conversations.get("river-talk")
    with pytest.raises(NotFound):
        _ = [piece async for piece in runwire.conversations.export("river-talk", "zip")]
    with pytest.raises(InvalidInput):
        await runwire.conversations.get("../runs")


def test_the_blocking_client_has_the_same_conversations(server: Server) -> None:
    with Runwire(server.url, server.token) as runwire:
        run = runwire.start("echo", "blocking talk", thread_id="blocking-talk")
        runwire.result(run.run_id, WAIT_S)
        assert runwire.conversations.get("blocking-talk").title == "blocking talk"
        assert "blocking-talk" in [one.id for one in runwire.conversations.list(limit=1)]
        assert b"".join(runwire.conversations.export("blocking-talk", "json")).startswith(b'{"thread":')
        runwire.delete(run.run_id)
        runwire.conversations.delete("blocking-talk", force=True)


async def test_files_are_stored_named_in_inputs_and_read_back(runwire: AsyncRunwire) -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for _ in range(3):
            yield b"x" * 100_000

    stored = await runwire.files.put("big.bin", pieces())
    assert (stored.name, stored.size_bytes) == ("big.bin", 300_000)
    run = await runwire.start("echo", {"text": "look", "file": stored.reference})
    await runwire.result(run.run_id, WAIT_S)
    assert sum([len(piece) async for piece in runwire.files.download(stored.id)]) == 300_000
    assert stored in [one async for one in runwire.files.list()]
    await runwire.files.delete(stored.id)
    with pytest.raises(InvalidInput):
        await runwire.start("echo", {"text": "look", "file": stored.reference})


def test_the_blocking_client_has_the_same_files(server: Server) -> None:
    with Runwire(server.url, server.token) as runwire:
        stored = runwire.files.put("a.txt", BytesIO(b"abc"), mime="text/plain")
        assert b"".join(runwire.files.download(stored.id)) == b"abc"
        assert stored in list(runwire.files.list())
        runwire.files.delete(stored.id)


async def test_webhooks_are_added_listed_and_removed(runwire: AsyncRunwire) -> None:
    added = await runwire.webhooks.add("ci", "https://ci.example/hook", statuses=["FAILED"])
    assert added.secret is not None
    assert [(one.id, one.secret) for one in await runwire.webhooks.list()] == [(added.id, None)]
    assert [one async for one in runwire.webhooks.deliveries(added.id)] == []
    await runwire.webhooks.delete(added.id)
    with pytest.raises(InvalidInput, match="not public"):
        await runwire.webhooks.add("bad", "https://127.0.0.1/")


def test_the_blocking_client_has_the_same_webhooks(server: Server) -> None:
    with Runwire(server.url, server.token) as runwire:
        added = runwire.webhooks.add("blocking", "https://ci.example/hook")
        assert [one.name for one in runwire.webhooks.list()] == ["blocking"]
        assert list(runwire.webhooks.deliveries(added.id)) == []
        runwire.webhooks.delete(added.id)


async def test_schedules_are_added_paused_and_removed(runwire: AsyncRunwire) -> None:
    added = await runwire.schedules.add("yearly", "0 0 1 1 *", {"agent": "echo", "input": "x"}, time_zone="Asia/Tokyo")
    assert added.next_ms is not None
    assert (await runwire.schedules.pause(added.id)).next_ms is None
    assert (await runwire.schedules.pause(added.id, False)).next_ms == added.next_ms
    assert [one.id for one in await runwire.schedules.list()] == [added.id]
    await runwire.schedules.delete(added.id)
    with pytest.raises(InvalidInput, match="cron"):
        await runwire.schedules.add("bad", "0 0 30 2 *", {"agent": "echo"})


def test_the_blocking_client_has_the_same_schedules(server: Server) -> None:
    with Runwire(server.url, server.token) as runwire:
        added = runwire.schedules.add("blocking", "0 0 1 1 *", {"agent": "echo", "input": "x"}, overlap="allow")
        assert runwire.schedules.pause(added.id).paused
        assert [one.name for one in runwire.schedules.list()] == ["blocking"]
        runwire.schedules.delete(added.id)


async def test_links_are_made_listed_and_revoked(runwire: AsyncRunwire, server: Server) -> None:
    run = await runwire.start("echo", "hi")
    made = await runwire.shares.add(run_id=run.run_id, expires_s=60)
    assert made.url is not None
    assert made.url.startswith(f"{server.url}/shared#link=")
    (listed,) = await runwire.shares.list()
    assert (listed.id, listed.run_id, listed.thread_id, listed.url) == (made.id, run.run_id, None, None)
    await runwire.shares.revoke(made.id)
    with pytest.raises(NotFound):
        await runwire.shares.revoke(made.id)
    with pytest.raises(InvalidInput):
        await runwire.shares.add()


def test_the_blocking_client_has_the_same_links(server: Server) -> None:
    with Runwire(server.url, server.token) as runwire:
        made = runwire.shares.add(thread_id=runwire.start("echo", "hi").thread_id)
        assert [one.id for one in runwire.shares.list()] == [made.id]
        runwire.shares.revoke(made.id)


async def test_usage_is_told(runwire: AsyncRunwire) -> None:
    usage = await runwire.usage()
    assert (usage.period, usage.budget_tokens, usage.budget_cost_usd) == ("month", None, None)
    assert usage.cost_usd >= 0


async def test_limits_retries_and_children_as_the_client_sees_them(runwire: AsyncRunwire) -> None:
    steps = [{"child": {"agent": "echo", "input": "child"}}, {"burst": {"count": 5}}]
    first = await runwire.start("scripted", {"steps": steps}, limits={"events": 3})
    ended = await runwire.result(first.run_id, WAIT_S)
    assert ended.error is not None
    assert (ended.error.code, ended.error.limit) == ("limit_exceeded", "events")
    children = [run async for run in runwire.runs(parent_id=first.run_id)]
    assert [(run.agent, run.status, run.parent_id) for run in children] == [("echo", RunStatus.SUCCEEDED, first.run_id)]
    again = await runwire.retry(first.run_id)
    assert (await runwire.result(again.run_id, WAIT_S)).error == ended.error
    record = await runwire.get(again.run_id)
    assert (record.retry_of, record.thread_id, record.max_attempts) == (first.run_id, first.thread_id, 3)
    with pytest.raises(Conflict, match="leave out from_seq"):
        await runwire.retry(first.run_id, from_seq=1)
