"""Agents that a server under test executes: honest ones with a journal, and every kind of bad neighbour."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from typing import Any

from runwire.contracts.agent import RunContext, SyncRunContext
from runwire.errors import RunwireError
from tests.faults.journal import Journal, event_name


async def journaled(ctx: RunContext, input: dict[str, Any]) -> int:
    """Emit ``count`` numbered events, one each ``interval_s``, flushing after every ``flush_every``-th; write down what
    the log has acknowledged.

    ``pad_bytes`` makes events larger; each carries the moment ``t`` of its making (monotonic seconds) as its metadata.
    """
    count, every = int(input["count"]), int(input.get("flush_every", 1))
    interval_s, pad = float(input.get("interval_s", 0.0)), "x" * int(input.get("pad_bytes", 0))
    await asyncio.sleep(float(input.get("delay_s", 0.0)))
    due = time.monotonic()
    with Journal(input["journals"], ctx.run_id, ctx.attempt) as journal:
        for number in range(count):
            journal.begin(number)
            event = {"type": "CUSTOM", "name": event_name(ctx.attempt), "value": number}
            await ctx.emit({**event, "rawEvent": {"t": time.monotonic(), "pad": pad}})
            journal.took(number)
            if (number + 1) % every == 0:
                journal.flushed(await ctx.flush(), number + 1)
            if interval_s:
                due += interval_s
                await asyncio.sleep(due - time.monotonic())
    return count


async def journaled_again(ctx: RunContext, input: dict[str, Any]) -> int:
    """Do the same; may begin again after a crash."""
    return await journaled(ctx, input)


journaled_again.recoverable = True  # type: ignore[attr-defined]  # declared on the function, as users do


async def puppet(ctx: RunContext, input: dict[str, Any]) -> str:
    """Do what a test says over TCP, line by line: ``{"emit": n}`` is answered by the flushed seq, ``{"end": text}``
    ends.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", int(input["port"]))
    try:
        writer.write(json.dumps({"run_id": ctx.run_id, "attempt": ctx.attempt}).encode() + b"\n")
        number = 0
        while line := await reader.readline():
            order = json.loads(line)
            if "end" in order:
                return str(order["end"])
            for _ in range(int(order["emit"])):
                await ctx.emit({"type": "CUSTOM", "name": event_name(ctx.attempt), "value": number})
                number += 1
            writer.write(json.dumps({"seq": await ctx.flush(), "numbers": number}).encode() + b"\n")
    finally:
        writer.close()
    return "let go"


async def puppet_again(ctx: RunContext, input: dict[str, Any]) -> str:
    """Do the same; may begin again after a crash."""
    return await puppet(ctx, input)


puppet_again.recoverable = True  # type: ignore[attr-defined]


async def blocker(ctx: RunContext, input: dict[str, Any]) -> str:
    """Hold the runner's loop in a blocking call for ``seconds``."""
    await ctx.text("before ")
    time.sleep(float(input["seconds"]))  # noqa: ASYNC251  # blocking is what this agent is for
    await ctx.text("after")
    return "done"


def spinner(ctx: SyncRunContext, input: dict[str, Any]) -> None:
    """Compute for ever and look at nothing."""
    ctx.text("spinning")
    rounds = 0
    while True:
        rounds += 1


async def odd(ctx: RunContext, input: dict[str, Any]) -> list[str]:
    """Emit what JSON or the log cannot hold; return how each was answered."""
    cycle: dict[str, Any] = {"type": "CUSTOM", "name": "cycle"}
    cycle["value"] = cycle
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    answers = []
    for event in (
        {"type": "CUSTOM", "name": "lone \ud800 surrogate", "value": "\udfff"},
        {"type": "CUSTOM", "name": "nan", "value": float("nan")},
        {"type": "CUSTOM", "name": "infinity", "value": [float("-inf")]},
        {"type": "CUSTOM", "name": "integer", "value": 2**53 + 1},
        {"type": "CUSTOM", "name": "large", "value": "x" * 50_000_000},
        {"type": "CUSTOM", "name": "deep", "value": deep},
        {"type": "CUSTOM", "name": "bytes", "value": object()},
        {"type": "CUSTOM", "name": "key", "value": {(1, 2): 3}},
        {"type": "RUN_FINISHED"},
        {"no": "type"},
        ["no", "object"],
        cycle,
        {"type": "CUSTOM", "name": "good", "value": 1},
    ):
        try:
            await ctx.emit(event)  # type: ignore[arg-type]  # some are no event at all
            answers.append("taken")
        except RunwireError as error:
            answers.append(error.code)
    return answers


async def census(ctx: RunContext, input: Any) -> dict[str, Any]:
    """Count what lives in the server's process a moment later: pending tasks by name, threads by name."""
    await asyncio.sleep(0.2)
    gc.collect()
    current = asyncio.current_task()
    found = [thing for thing in gc.get_objects() if isinstance(thing, asyncio.Task)]
    tasks = [task for task in found if not task.done() and task is not current]
    return {
        "tasks": sorted(getattr(task.get_coro(), "__qualname__", "?") for task in tasks),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }
