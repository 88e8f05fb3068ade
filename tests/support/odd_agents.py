"""Agents whose oddness once kept a run from ending, or from ending well. For ``test_regressions.py``."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from runwire.contracts.agent import AgentFailure, AgentResult, RunContext
from runwire.runs.state import Verdict

left: list[str] = []
"""What agents noted while they were leaving."""


async def odd_usage(_ctx: RunContext, _input: Any) -> AgentResult:
    """Count tokens under a name that UTF-8 cannot hold."""
    return AgentResult(1, usage={"model": "\ud800"})


async def odd_verdict(_ctx: RunContext, _input: Any) -> AgentResult:
    """Judge with a word that is no verdict."""
    return AgentResult(1, verdict=cast("Verdict", object()))


async def odd_code(_ctx: RunContext, _input: Any) -> None:
    """Fail under a code that UTF-8 cannot hold."""
    raise AgentFailure("on purpose", code="\ud800")


async def exits_beside(_ctx: RunContext, _input: Any) -> None:
    """Let a task try to end the process while the agent itself waits, and take a moment to leave."""

    async def leave() -> None:
        raise SystemExit(5)

    leaving = asyncio.create_task(leave())
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.01)
        left.append(f"exits_beside {leaving.done()}")


async def leaves_slowly(ctx: RunContext, _input: Any) -> None:
    """Hang, and take a moment to leave."""
    await ctx.emit({"type": "CUSTOM", "name": "begun", "value": None})
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.2)
        left.append("leaves_slowly")


async def floods(ctx: RunContext, _input: Any) -> None:
    """Emit as much as is taken."""
    while True:
        await ctx.emit({"type": "RAW", "event": "x" * 1_000})


_AGENTS = (odd_usage, odd_verdict, odd_code, exits_beside, leaves_slowly, floods)
PATHS = tuple(f"{__name__}:{agent.__name__}" for agent in _AGENTS)
"""Every agent of this file, as ``--agents`` takes them."""
