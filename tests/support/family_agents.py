"""Agents that start others. Registered by ``agents=family_agents.PATHS``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from runwire.contracts.agent import AgentFailure, ChildFailed, RunContext, SyncRunContext
from runwire.errors import LimitExceeded


async def parent(ctx: RunContext, input: dict[str, Any]) -> Any:
    """Start ``count`` children at once and return their results, or how they failed."""
    children = [await ctx.start(input["agent"], input["input"]) for _ in range(input.get("count", 1))]
    await ctx.emit({"type": "CUSTOM", "name": "started", "value": [child.run_id for child in children]})
    if input.get("leave"):
        return "gone"
    if input.get("catch"):
        outcomes = [await child.outcome() for child in children]
        return [[outcome.status, outcome.error.code if outcome.error else None] for outcome in outcomes]
    return await asyncio.gather(*(child.result() for child in children))


def parent_plain(ctx: SyncRunContext, input: dict[str, Any]) -> Any:
    """The same as a plain function, one child after the other."""
    children = [ctx.start(input["agent"], input["input"]) for _ in range(input.get("count", 1))]
    ctx.emit({"type": "CUSTOM", "name": "started", "value": [child.run_id for child in children]})
    if input.get("catch"):
        outcomes = [child.outcome() for child in children]
        return [[outcome.status, outcome.error.code if outcome.error else None] for outcome in outcomes]
    return [child.result() for child in children]


async def parent_apart(ctx: RunContext, input: dict[str, Any]) -> Any:
    """The same in a process of its own."""
    return await parent(ctx, input)


parent_apart.isolation = "process"  # type: ignore[attr-defined]


async def nests(ctx: RunContext, input: int) -> int:
    """Start a run of itself, ``input`` levels deep; return how deep it came."""
    if input == 0:
        return 0
    return 1 + int(await (await ctx.start("nests", input - 1)).result())


async def leaf(_ctx: RunContext, input: Any) -> Any:
    """Return the input, or fail with it."""
    if isinstance(input, dict) and "fail" in input:
        raise AgentFailure(input["fail"], code="leaf_error", retryable=True)
    return input


async def hangs(ctx: RunContext, _input: Any) -> None:
    """Wait for ever."""
    await ctx.emit({"type": "CUSTOM", "name": "hanging", "value": None})
    await asyncio.Event().wait()


async def keyed(ctx: RunContext, _input: Any) -> dict[str, Any]:
    """Start a child under a key in each of two attempts."""
    child = await ctx.start("leaf", "once", key="the only one")
    if ctx.attempt == 1:
        raise AgentFailure("again", retryable=True)
    return {"child": child.run_id, "result": await child.result()}


keyed.retry = {"base_s": 0.01}  # type: ignore[attr-defined]


async def breeds(ctx: RunContext, input: int) -> dict[str, Any]:
    """Start children until it is refused."""
    for number in range(input):
        try:
            await ctx.start("leaf", number)
        except LimitExceeded as error:
            return {"started": number, "limit": error.details["limit"]}
    return {"started": input}


async def first_of_two(ctx: RunContext, _input: Any) -> Any:
    """Wait a while for a child that hangs, then for one that ends."""
    slow, quick = await ctx.start("hangs"), await ctx.start("leaf", "quick")
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await slow.result()
    return await quick.result()


async def told(ctx: RunContext, _input: Any) -> str:
    """Say in words how a child failed."""
    try:
        await (await ctx.start("leaf", {"fail": "no leaf"})).result()
    except ChildFailed as error:
        return f"{error.outcome.status} {error.message} {error.retryable}"
    return "it has not failed"


_AGENTS = (parent, parent_plain, parent_apart, nests, leaf, hangs, keyed, breeds, first_of_two, told)
PATHS = tuple(f"{__name__}:{agent.__name__}" for agent in _AGENTS)
