"""Room for browsers: asked for without blocking, looked at seldom, one look for one run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runwire.engine.browser_room import LOOK_AGAIN_S, BrowserRoom
from runwire.runs.state import RunStatus
from runwire.runs.tally import Move
from tests.support.deadlines import eventually_async


class _Machine:
    """What a machine says of itself, and how often it was asked."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.looks = 0
        self.threads: set[int] = set()
        self.waiting = {"test": 1}
        self.changes = 0

    def full_reason(self) -> str | None:
        """Say why it is full."""
        self.looks += 1
        self.threads.add(threading.get_ident())
        return self.reason

    def changed(self) -> None:
        """Hear of a change."""
        self.changes += 1


@asynccontextmanager
async def _room(machine: _Machine) -> AsyncIterator[BrowserRoom]:
    room = BrowserRoom(
        asyncio.get_running_loop(),
        needs_browser=lambda agent: agent == "test",
        full_reason=machine.full_reason,
        waiting=lambda: machine.waiting,
        on_change=machine.changed,
    )
    try:
        yield room
    finally:
        room.close()


def _left(agent: str) -> Move:
    return Move("run", "ann", "thread", agent, RunStatus.RUNNING, RunStatus.SUCCEEDED)


async def test_others_are_not_asked_for() -> None:
    machine = _Machine()
    async with _room(machine) as room:
        assert room.may_start("chat")
        assert room.reason("chat") is None
        await asyncio.sleep(0)
        assert machine.looks == 0


async def test_one_look_lets_one_run_start_and_blocks_nobody() -> None:
    machine = _Machine()
    async with _room(machine) as room:
        assert not room.may_start("test"), "nobody has looked yet"
        await eventually_async(lambda: machine.changes == 1, "the look is made")
        assert threading.get_ident() not in machine.threads
        assert room.may_start("test")
        assert not room.may_start("test"), "the next one is measured again"
        await eventually_async(lambda: machine.looks == 2, "it is")


async def test_a_full_machine_is_looked_at_once_a_second_and_when_a_browser_run_has_left() -> None:
    machine = _Machine()
    machine.reason = "no memory"
    async with _room(machine) as room:
        for _ in range(50):
            room.may_start("test")
            await asyncio.sleep(0)
        await eventually_async(lambda: room.reason("test") == "no memory", "the reason is told")
        assert (machine.looks, machine.changes) == (1, 1)
        room.on_moves([_left("chat")])
        room.on_moves([_left("test")])
        await eventually_async(lambda: machine.looks == 2, "it looks again")
        assert machine.changes == 1, "nothing new to tell"
        machine.reason = None
        begun = asyncio.get_running_loop().time()
        await eventually_async(lambda: machine.changes == 2, "there is room again")
        assert asyncio.get_running_loop().time() - begun <= LOOK_AGAIN_S + 0.5
        assert room.reason("test") is None
        assert room.may_start("test")


async def test_nobody_looks_when_nobody_waits() -> None:
    machine = _Machine()
    machine.reason = "no memory"
    async with _room(machine) as room:
        room.may_start("test")
        await eventually_async(lambda: room.reason("test") is not None, "the reason is told")
        machine.waiting = {}
        await eventually_async(lambda: room.reason("test") is None, "it gives up looking")
        assert machine.looks == 1


async def test_a_look_that_fails_is_a_reason_to_wait() -> None:
    machine = _Machine()

    def broken() -> str | None:
        raise OSError("no such file")

    machine.full_reason = broken  # type: ignore[method-assign]
    async with _room(machine) as room:
        room.may_start("test")
        await eventually_async(lambda: "no such file" in (room.reason("test") or ""), "the trouble is the reason")
