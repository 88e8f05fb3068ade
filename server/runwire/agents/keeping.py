"""Keeps what a run leaves behind after it has failed. Floor 4; the run's own thread and loop."""

from __future__ import annotations

from collections.abc import Awaitable

from runwire.agents.downloads import MAX_REASON
from runwire.contracts.agent import RunContext
from runwire.errors import LimitExceeded


async def keep_of_failed(ctx: RunContext, keeping: Awaitable[None], refused: str) -> None:
    """Await ``keeping``. That the run may store no more is told after ``refused``: a run ends by what came first."""
    try:
        await keeping
    except LimitExceeded as error:
        await ctx.text(f"{refused}: {error.message[:MAX_REASON]}\n")
