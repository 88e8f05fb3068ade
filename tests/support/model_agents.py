"""Agents that ask the server's model. Registered by ``--agents tests.support.model_agents:…``."""

from __future__ import annotations

import asyncio
from typing import Any

from runwire.contracts.agent import AgentFailure, AgentResult, RunContext
from runwire.contracts.model import Message, ModelRequest
from runwire.protocol.readings import Reading, SentenceKey


async def asks(ctx: RunContext, input: dict[str, Any]) -> AgentResult:
    """Ask so many ``times``, then do ``then``: fail, wait, or nothing."""
    said = []
    for _ in range(input.get("times", 1)):
        said.append((await ctx.model.complete(ModelRequest((Message("user", "Well?", (b"png",)),)))).text)
        await ctx.text(said[-1])
    if input.get("then") == "fail":
        raise AgentFailure("as asked")
    if input.get("then") == "wait":
        await asyncio.sleep(60)
    return AgentResult({"said": said, "reason": ctx.model.unavailable_reason()}, usage={"pages": 1, "cost_usd": 1.0})


asks.needs_model = True  # type: ignore[attr-defined]  # as users declare it


async def reads(ctx: RunContext, input: dict[str, Any]) -> list[str | None]:
    """Keep readings of sentences, and return those of others."""
    for sentence, meaning in input.get("keep", {}).items():
        await ctx.sentences.remember(SentenceKey("test", sentence, 1), Reading(meaning, "m"))
    found = [await ctx.sentences.recall(SentenceKey("test", sentence, 1)) for sentence in input.get("find", [])]
    return [reading and reading.sentence for reading in found]


PATHS = ("tests.support.model_agents:asks", "tests.support.model_agents:reads")
