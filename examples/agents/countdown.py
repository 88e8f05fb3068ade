"""An agent in 15 lines: `PYTHONPATH=examples/agents runwire serve --agents countdown:countdown` serves it."""

from __future__ import annotations

import asyncio

from runwire.contracts.agent import RunContext


async def countdown(ctx: RunContext, input: object) -> dict[str, int]:
    """Count down from a number, one a second."""
    start = int(str(input or 3))
    for done in range(start):
        await ctx.text(f"{start - done} … ")
        await ctx.progress(done + 1, start)
        await asyncio.sleep(1)
    return {"counted": start}
