"""Agents that behave as users' agents do, well and badly. Registered by ``--agents tests.support.agents:…``."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from runwire.contracts.agent import AgentResult, RunContext, SyncRunContext
from runwire.errors import EventRefused, TooLarge
from tests.support import people_agents
from tests.support.gates import gate_named

_local = threading.local()


async def gated(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Say ``before``, wait for the gate, say ``after``."""
    await ctx.emit({"type": "CUSTOM", "name": "before", "value": ctx.user_id})
    await gate_named(input["gate"]).passing()
    await ctx.emit({"type": "CUSTOM", "name": "after", "value": ctx.user_id})
    return {"attempt": ctx.attempt}


async def gate_by_gate(ctx: RunContext, input: dict[str, Any]) -> None:
    """Say one event before each gate."""
    for number, name in enumerate(input["gates"]):
        await ctx.emit({"type": "CUSTOM", "name": f"step{number}", "value": None})
        await gate_named(name).passing()


async def facts(ctx: RunContext, _input: Any) -> dict[str, Any]:
    """Return what the context knows, and what a thread's own memory has kept."""
    before = getattr(_local, "users", [])
    _local.users = [*before, ctx.user_id]
    return {
        "run_id": ctx.run_id,
        "thread_id": ctx.thread_id,
        "user_id": ctx.user_id,
        "attempt": ctx.attempt,
        "users_of_thread": _local.users,
        "thread": threading.current_thread().name,
        "daemon": threading.current_thread().daemon,
    }


class Instance:
    """A class whose instances remember who used them."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    async def run(self, ctx: RunContext, _input: Any) -> dict[str, Any]:
        """Return the runs that this very instance has executed."""
        self.runs.append(ctx.run_id)
        return {"runs": self.runs}


async def generator(_ctx: RunContext, input: int) -> AsyncIterator[Any]:
    """Yield words, an event and the result."""
    for number in range(input):
        yield f"word{number} "
    yield {"type": "CUSTOM", "name": "between", "value": None}
    yield AgentResult({"words": input})


def plain(ctx: SyncRunContext, input: Any) -> dict[str, Any]:
    """Speak from a plain function."""
    ctx.text("plain ")
    ctx.text("words")
    ctx.progress(1, 2, "half")
    return {"input": input, "flushed": ctx.flush()}


def blocked(_ctx: SyncRunContext, input: dict[str, Any]) -> None:
    """Never look up: a plain function that returns only when the test lets it go."""
    gate_named(input["gate"]).passing_blocking()


class FailingConstructor:
    """Cannot be made."""

    def __init__(self) -> None:
        raise RuntimeError("no such model")

    async def run(self, _ctx: RunContext, _input: Any) -> None:
        """Never reached."""


class ExitingConstructor:
    """Tries to end the process while it is made."""

    def __init__(self) -> None:
        raise SystemExit(3)

    async def run(self, _ctx: RunContext, _input: Any) -> None:
        """Never reached."""


def exits(_ctx: SyncRunContext, _input: Any) -> None:
    """Try to end the process from a plain function."""
    raise SystemExit(4)


async def exits_in_task(_ctx: RunContext, _input: Any) -> None:
    """Try to end the process from a task of its own."""

    async def leave() -> None:
        raise SystemExit(5)

    await asyncio.create_task(leave())


async def swallows(ctx: RunContext, _input: Any) -> None:
    """Swallow every request to stop."""
    await ctx.emit({"type": "CUSTOM", "name": "begun", "value": None})
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


async def leaves_task(ctx: RunContext, _input: Any) -> str:
    """Return, but leave a task behind that swallows its cancellation."""

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    ctx.background = asyncio.create_task(stubborn())  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    return "done"


async def sleeps_in_thread(ctx: RunContext, _input: Any) -> None:
    """Sleep a minute in a worker thread."""
    await ctx.emit({"type": "CUSTOM", "name": "begun", "value": None})
    await asyncio.to_thread(time.sleep, 60)


async def files(ctx: RunContext, input: list[dict[str, Any]]) -> list[Any]:
    """Save files of ``size`` bytes under the given names; return their ids, or why one was refused."""
    saved: list[Any] = []
    for wish in input:
        facts = {"kind": "download", "mime": "application/octet-stream", "announce": True, **wish}
        data = b"x" * facts.pop("size", 3)
        try:
            saved.append((await ctx.artifacts.save(data=data, **facts)).id)
        except TooLarge as error:
            saved.append(error.message)
    return saved


async def reads(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Read the file that the input names."""
    file_id = input["document"]["file_id"]
    with await ctx.files.open(file_id) as file:
        content = file.read()
    info = await ctx.files.info(file_id)
    return {"bytes": len(content), "name": info.name, "path_is_file": (await ctx.files.path(file_id)).is_file()}


def reads_plainly(ctx: SyncRunContext, input: dict[str, Any]) -> str:
    """Read a file from a plain function; the id stands where the server does not look for it."""
    with ctx.files.open(input["any"]) as file:
        return file.read().decode()


async def spends(_ctx: RunContext, input: dict[str, Any]) -> AgentResult:
    """Say that it has used what its input says."""
    return AgentResult("spent", usage=input)


async def broken_check(_ctx: RunContext, _input: Any) -> None:
    """Never reached: its check of the input is broken."""


def _broken(_input: Any) -> None:
    raise RuntimeError("a secret detail")


broken_check.validate_input = _broken  # type: ignore[attr-defined]


async def leaves_worker(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Tell which threads work for this run; leave one of them busy if a gate is named."""
    worker = await asyncio.to_thread(threading.current_thread)
    if "gate" in input:
        asyncio.get_running_loop().run_in_executor(None, gate_named(input["gate"]).passing_blocking)
    return {"runner": threading.current_thread().name, "worker_is_daemon": worker.daemon}


async def sleeps_in_own_pool(ctx: RunContext, _input: Any) -> None:
    """Sleep a minute in a pool that the agent made itself, whose threads are no daemons."""
    await ctx.emit({"type": "CUSTOM", "name": "begun", "value": None})
    await asyncio.get_running_loop().run_in_executor(ThreadPoolExecutor(1), time.sleep, 60)


async def phoenix(ctx: RunContext, _input: Any) -> int:
    """Hang in the first attempt, succeed in the next."""
    await ctx.emit({"type": "CUSTOM", "name": "attempt", "value": ctx.attempt})
    if ctx.attempt == 1:
        await asyncio.Event().wait()
    return ctx.attempt


async def never_ready(ctx: RunContext, _input: Any) -> None:
    """Hang in every attempt."""
    await ctx.emit({"type": "CUSTOM", "name": "attempt", "value": ctx.attempt})
    await asyncio.Event().wait()


async def narrow(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """The gated agent, of which two may run at once."""
    return await gated(ctx, input)


async def browsing(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """The gated agent, as one that needs a browser."""
    return await gated(ctx, input)


narrow.max_running = 2  # type: ignore[attr-defined]
browsing.needs_browser = True  # type: ignore[attr-defined]
phoenix.recoverable = True  # type: ignore[attr-defined]
never_ready.recoverable = True  # type: ignore[attr-defined]

POISON: dict[str, Any] = {
    "nan": math.nan,
    "infinity": math.inf,
    "huge": 2**53 + 1,
    "giant": 2**70,
    "surrogate": "a\ud800b",
    "surrogate_key": {"k\udfff": 1},
    "object": object(),
    "large": "x" * 70_000,
    "deep": "filled below",
    "safe": 2**53,
}
for _ in range(40):
    POISON["deep"] = [POISON["deep"]]


async def poisons(ctx: RunContext, input: list[str]) -> dict[str, Any]:
    """Emit each poison; return what was refused, and how."""
    refused = {}
    for name in input:
        try:
            await ctx.emit({"type": "CUSTOM", "name": name, "value": POISON[name]})
        except EventRefused as error:
            refused[name] = error.message
    return refused


async def returns_poison(_ctx: RunContext, input: str) -> Any:
    """Return a value that cannot be stored."""
    return POISON[input]


async def flushes(ctx: RunContext, input: int) -> list[int]:
    """Emit ``input`` events and flush, twice; return what ``flush`` said."""
    seen = []
    for _ in range(2):
        for number in range(input):
            await ctx.emit({"type": "RAW", "event": number})
        seen.append(await ctx.flush())
    return seen


_AGENTS = (
    gated,
    gate_by_gate,
    facts,
    Instance,
    generator,
    plain,
    blocked,
    FailingConstructor,
    ExitingConstructor,
    exits,
    exits_in_task,
    swallows,
    leaves_task,
    sleeps_in_thread,
    files,
    reads,
    reads_plainly,
    spends,
    broken_check,
    leaves_worker,
    sleeps_in_own_pool,
    phoenix,
    poisons,
    returns_poison,
    flushes,
    narrow,
    browsing,
)
PATHS = (*(f"{__name__}:{agent.__name__}" for agent in _AGENTS), *people_agents.PATHS)
"""Every agent for tests, as ``--agents`` takes them; they are called by their name with dashes."""
