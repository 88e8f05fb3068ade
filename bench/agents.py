"""Agents that the benchmark registers with ``serve --agents``. Run by the server's runners, on their threads.

They exist beside the built-in ``scripted`` agent because a latency needs the moment of the making inside each event,
and because CPU-bound and blocking agents are no part of the product.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from runwire.contracts.agent import RunContext, SyncRunContext


async def paced(ctx: RunContext, input: dict[str, Any]) -> None:
    """Emit ``count`` events, one due every ``period_ms`` after ``begin_at``, each with its moment ``t`` and padding."""
    pad = "x" * int(input["pad_bytes"])
    period_s = float(input["period_ms"]) / 1000
    due = max(float(input["begin_at"]), time.perf_counter())
    for _ in range(int(input["count"])):
        due += period_s
        await asyncio.sleep(due - time.perf_counter())
        await ctx.emit({"type": "CUSTOM", "name": "bench.tick", "value": {"t": time.perf_counter(), "pad": pad}})


async def flood(ctx: RunContext, input: dict[str, Any]) -> None:
    """Emit ``count`` events of ``pad_bytes`` as fast as the log takes them, from ``begin_at`` on."""
    event = {"type": "RAW", "event": "x" * int(input["pad_bytes"])}
    await asyncio.sleep(float(input["begin_at"]) - time.perf_counter())
    for _ in range(int(input["count"])):
        await ctx.emit(event)


def spin(ctx: SyncRunContext, input: dict[str, Any]) -> int:
    """Compute in pure Python for ``seconds`` and never wait: the agent that starves others of the interpreter."""
    deadline = time.perf_counter() + float(input["seconds"])
    rounds = 0
    while time.perf_counter() < deadline and not ctx.cancelled:
        rounds += sum(range(1_000)) > 0
    return rounds


def sleepy(ctx: SyncRunContext, input: dict[str, Any]) -> None:
    """Block the run's thread in ``time.sleep`` for ``seconds``: careless, but nobody else's problem."""
    time.sleep(float(input["seconds"]))
