"""Agents whose runs have several attempts, limits and children. Registered by ``agents=attempt_agents.PATHS``."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from runwire.contracts.agent import AgentFailure, RunContext, SyncRunContext
from runwire.errors import LimitExceeded


async def flaky(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Fail retryably in the first ``fails`` attempts."""
    await ctx.emit({"type": "CUSTOM", "name": "attempt", "value": ctx.attempt})
    if ctx.attempt <= input["fails"]:
        raise AgentFailure("not yet", code="busy", retryable=input.get("retryable", True))
    return {"attempt": ctx.attempt}


async def flaky_apart(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """The same in a process of its own."""
    return await flaky(ctx, input)


def flaky_plain(ctx: SyncRunContext, input: dict[str, Any]) -> dict[str, Any]:
    """The same as a plain function."""
    if ctx.attempt <= input["fails"]:
        raise AgentFailure("not yet", code="busy", retryable=True)
    return {"attempt": ctx.attempt}


flaky.retry = {"max_attempts": 4, "base_s": 0.05, "factor": 2, "jitter": 0}  # type: ignore[attr-defined]
flaky.version = "1.2"  # type: ignore[attr-defined]
flaky_apart.retry = {"base_s": 0.01}  # type: ignore[attr-defined]
flaky_apart.isolation = "process"  # type: ignore[attr-defined]
flaky_plain.retry = {"base_s": 0.01}  # type: ignore[attr-defined]


async def patient(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Fail once, and come back after a long pause."""
    if ctx.attempt == 1:
        raise AgentFailure("later", retryable=True)
    return {"attempt": ctx.attempt, **input}


async def very_patient(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """The same with a pause longer than any test."""
    return await patient(ctx, input)


patient.retry = {"base_s": 1.5, "jitter": 0}  # type: ignore[attr-defined]
very_patient.retry = {"base_s": 60, "jitter": 0}  # type: ignore[attr-defined]


async def silent(ctx: RunContext, input: dict[str, Any]) -> None:
    """Speak every ``every_s`` seconds, ``times`` times, then fall silent."""
    for _ in range(input.get("times", 0)):
        await ctx.emit({"type": "CUSTOM", "name": "alive", "value": None})
        await asyncio.sleep(input["every_s"])
    await asyncio.Event().wait()


async def deaf_to_limits(ctx: RunContext, input: int) -> str:
    """Emit ``input`` events and swallow every refusal."""
    for number in range(input):
        try:
            await ctx.emit({"type": "RAW", "event": number})
        except LimitExceeded:
            continue
    return "as if nothing had happened"


async def hoards(ctx: RunContext, input: list[int]) -> str:
    """Store files of these sizes and swallow every refusal."""
    for size in input:
        try:
            await ctx.artifacts.save(kind="log", name="file", mime="text/plain", data=b"x" * size, announce=False)
        except LimitExceeded:
            continue
    return "as if nothing had happened"


def sleeps(_ctx: SyncRunContext, input: float) -> str:
    """Block its own thread for ``input`` seconds."""
    time.sleep(input)
    return "slept"


async def walks(ctx: RunContext, input: int) -> dict[str, Any]:
    """Say one event a step; a fork goes on behind the last step that its original kept."""
    begun = 0
    if ctx.forked_from is not None:
        begun = len([entry async for entry in ctx.forked_from.entries() if entry["type"] == "event"])
    for number in range(begun, input):
        await ctx.emit({"type": "CUSTOM", "name": f"step{number}", "value": None})
    return {"walked": input}


def walks_plain(ctx: SyncRunContext, input: int) -> dict[str, Any]:
    """The same as a plain function."""
    begun = 0
    if ctx.forked_from is not None:
        begun = sum(entry["type"] == "event" for entry in ctx.forked_from.entries())
    for number in range(begun, input):
        ctx.emit({"type": "CUSTOM", "name": f"step{number}", "value": None})
    return {"walked": input}


async def walks_apart(ctx: RunContext, input: int) -> dict[str, Any]:
    """The same in a process of its own."""
    return await walks(ctx, input)


walks_apart.forkable = True  # type: ignore[attr-defined]
walks_apart.isolation = "process"  # type: ignore[attr-defined]
walks.forkable = True  # type: ignore[attr-defined]
walks_plain.forkable = True  # type: ignore[attr-defined]

_AGENTS = (
    flaky,
    flaky_apart,
    flaky_plain,
    patient,
    very_patient,
    silent,
    deaf_to_limits,
    hoards,
    sleeps,
    walks,
    walks_plain,
    walks_apart,
)
PATHS = tuple(f"{__name__}:{agent.__name__}" for agent in _AGENTS)
