"""The queue from outside: the Python client, its façade, and the command line, against a real server process."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import aclosing
from pathlib import Path

import pytest

from runwire.__main__ import main
from runwire.cli.display import ordinal, place_text
from runwire_client import AsyncRunwire, Queue, RunStatus, Runwire, State
from runwire_client.errors import InvalidInput, NotFound, ScopeMissing
from tests.e2e.conftest import StartServer
from tests.support.database import new_token, query
from tests.support.deadlines import eventually, eventually_async
from tests.support.process import ServerProcess, command, environment

HANG = {"steps": [{"hang": "async"}]}
PAUSED = "the queue is paused by an operator"


def _client(server: ServerProcess, token: str | None = None) -> AsyncRunwire:
    return AsyncRunwire(server.origin, token or server.token)


async def test_c1_the_python_client_tells_the_place_while_a_run_waits(start_server: StartServer) -> None:
    server = start_server(max_running=1)
    async with _client(server) as runwire:
        holder = await runwire.start("scripted", HANG)
        await eventually_async(lambda: _status(server, holder.run_id) == "RUNNING", "the place is taken")
        waiting = await runwire.start("echo", "x")
        told: list[Queue] = []
        letting: list[asyncio.Task[None]] = []

        def tell(place: Queue) -> None:
            told.append(place)
            letting.append(asyncio.create_task(runwire.cancel(holder.run_id)))

        states = []
        async with aclosing(runwire.follow(waiting.run_id, on_queue=tell)) as items:
            async for item in items:
                if isinstance(item, State):
                    states.append(item.status)
        await asyncio.gather(*letting)
        assert states == [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.SUCCEEDED]
        assert [(one.position, one.size, one.blocked) for one in told] == [(1, 1, None)]


def _status(server: ServerProcess, run_id: str) -> str:
    rows = query(server.data, "SELECT status FROM runs WHERE id = ?", run_id)
    return rows[0]["status"] if rows else ""


async def test_the_client_operates_the_queue(process: ServerProcess) -> None:
    async with _client(process) as runwire, _client(process, new_token(process.data, "ann")) as ann:
        await runwire.operator.pause("echo")
        held = await ann.start("echo", "x")
        queue = await ann.queue()
        (place,) = queue.own
        reason = "the agent echo is paused by an operator"
        assert (place.run_id, place.position, place.blocked) == (held.run_id, 1, reason)
        assert [(one.agent, one.by) for one in queue.paused] == [("echo", None)]
        assert [(one.agent, one.queued, one.blocked) for one in queue.agents] == [("echo", 1, reason)]
        assert queue.users == ()
        assert [one.user for one in (await runwire.queue()).users] == ["ann"]
        done = await runwire.operator.cancel_user("ann")
        assert (done.ended, done.stopping) == (1, 0)
        assert (await ann.result(held.run_id, 2)).status is RunStatus.CANCELLED
        assert await runwire.operator.resume("echo")
        assert not await runwire.operator.resume("echo")
        with pytest.raises(ScopeMissing):
            await ann.operator.pause()
        with pytest.raises(NotFound):
            await runwire.operator.cancel_user("nobody/at all")
        with pytest.raises(InvalidInput):
            await runwire.operator.pause("nobody")


def test_the_blocking_client_operates_the_queue(process: ServerProcess) -> None:
    with Runwire(process.origin, process.token) as runwire:
        runwire.operator.pause()
        assert runwire.queue().paused[0].agent is None
        assert runwire.operator.resume()
        assert runwire.queue().paused == ()
        with pytest.raises(NotFound):
            runwire.operator.cancel_user("nobody")


def test_the_command_line_shows_and_operates_the_queue(
    process: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    def queue(*arguments: str, code: int = 0) -> str:
        assert main(["queue", *arguments, "--data", str(process.data)]) == code
        printed = capsys.readouterr()
        return printed.out if code == 0 else printed.err

    assert queue() == "0 waiting, 0 of 5 running\n"
    assert queue("pause") == "paused: the whole queue; runs that have started go on\n"
    assert queue("pause", "--agent", "echo") == "paused: the agent echo; runs that have started go on\n"
    token = new_token(process.data, "ann")
    with Runwire(process.origin, token) as ann:
        ids = [ann.start("echo", "x").run_id for _ in range(2)]
    shown = queue("show").splitlines()
    assert shown[0] == "2 waiting, 0 of 5 running"
    assert [line.split(" since ")[0] for line in shown[1:3]] == ["paused by admin"] * 2
    table = shown[shown.index("") + 1 :]
    assert table[0].split() == ["AGENT", "WAITING", "RUNNING", "AT", "ONCE"]
    assert table[1].split(maxsplit=4) == ["echo", "2", "0", "5", PAUSED]
    assert table[4].split() == ["ann", "2", "0"]
    own = queue("--token", token).splitlines()
    assert own[-2:] == [f"{ids[0]}  1st of 2: {PAUSED}", f"{ids[1]}  2nd of 2: {PAUSED}"]
    assert queue("cancel-user", "ann") == "2 waiting runs of ann cancelled, 0 running ones asked to stop\n"
    assert queue("resume") == "resumed: the whole queue\n"
    assert queue("resume", "--agent", "echo") == "resumed: the agent echo\n"
    assert queue("resume") == "was not paused: the whole queue\n"
    assert "admin" in queue("pause", "--token", token, code=2)
    assert "takes the user's name" in queue("cancel-user", code=2)
    assert "--agent goes with" in queue("show", "--agent", "echo", code=2)


def test_c1_runwire_run_says_where_it_stands(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(max_running=1)
    with Runwire(server.origin, server.token) as runwire:
        holder = runwire.start("scripted", HANG).run_id
        eventually(lambda: _status(server, holder) == "RUNNING", "the place is taken")
        runwire.start("echo", "x")
        with subprocess.Popen(
            command("run", "echo", "hi", "--run-id", "waitsinline1", "--data", str(server.data)),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stderr is not None
            assert running.stderr.readline().split()[:2] == ["echo", "run"]
            assert running.stderr.readline() == "2nd of 2\n"
            runwire.cancel(holder)
            assert running.wait(5) == 0


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((3, 12, 40.2, None), "3rd of 12, about 40 s"),
        ((1, 1, 0.1, None), "1st of 1, about 1 s"),
        ((2, 200, 180.0, None), "2nd of 200, about 3 min"),
        ((112, 200, 9_000.0, None), "112th of 200, about 2 h"),
        ((1, 2, None, "no room"), "1st of 2: no room"),
    ],
)
def test_a_place_as_people_say_it(place: tuple[int, int, float | None, str | None], text: str) -> None:
    assert place_text(*place) == text


def test_ordinals() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th",
    ]  # fmt: skip


async def test_followers_of_one_run_are_all_told(start_server: StartServer) -> None:
    server = start_server(max_running=1)
    async with _client(server) as runwire:
        holder = await runwire.start("scripted", HANG)
        await eventually_async(lambda: _status(server, holder.run_id) == "RUNNING", "the place is taken")
        waiting = await runwire.start("echo", "x")

        async def first_place() -> Queue:
            async with aclosing(runwire.frames(waiting.run_id)) as frames:
                async for frame in frames:
                    if isinstance(frame, Queue):
                        return frame
            raise AssertionError("no place was told")

        async with asyncio.timeout(3):
            told = await asyncio.gather(*(first_place() for _ in range(5)))
        assert {(one.position, one.size) for one in told} == {(1, 1)}
        await runwire.cancel(holder.run_id)
        await runwire.result(waiting.run_id, 3)
