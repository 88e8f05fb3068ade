"""Keeps a video of a run as an artifact, however the run ends. Floor 4; the run's own thread and loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from runwire.agents.downloads import MAX_REASON
from runwire.agents.keeping import keep_of_failed
from runwire.contracts.agent import RunContext
from runwire.contracts.browser import BrowserLease
from runwire.errors import BrowserError, BrowserLost, BrowserUnavailable, StorageUnavailable, TooLarge
from runwire.protocol.steps.shape import KeepLogs

HURRIED_S = 0.6
"""How long the encoder of a cancelled run gets: its slot is to be free within a second."""
END_S = 3.0
"""The same for a run that ends by itself."""


@asynccontextmanager
async def filmed(
    ctx: RunContext, lease: BrowserLease, wanted: KeepLogs | None, failed: Callable[[], bool]
) -> AsyncIterator[None]:
    """Film what the block shows and keep it if ``wanted``; a block that is left by an exception has failed.

    A film that cannot be had now, or not be kept, fails no run: it is told.

    Raises:
        BrowserUnavailable: this server films no runs. LimitExceeded: the run has stored as much as it may.
    """
    if wanted in (None, "never") or not await _begun(ctx, lease):
        yield
        return
    try:
        yield
    except (Exception, asyncio.CancelledError) as error:
        end_s = HURRIED_S if isinstance(error, asyncio.CancelledError) else END_S
        await keep_of_failed(ctx, _keep(ctx, lease, end_s), "The video is not kept")
        raise
    if wanted == "always" or failed():
        await _keep(ctx, lease, END_S)
    else:
        await lease.end_video(keep=False)


async def _begun(ctx: RunContext, lease: BrowserLease) -> bool:
    try:
        await lease.begin_video()
    except (BrowserUnavailable, BrowserLost):
        raise
    except BrowserError as error:
        await ctx.text(f"The run is not filmed: {error.message[:MAX_REASON]}\n")
        return False
    return True


async def _keep(ctx: RunContext, lease: BrowserLease, end_s: float) -> None:
    try:
        video = await lease.end_video(end_s=end_s)
        if video is None:
            return
        if video.data is not None:
            await ctx.artifacts.save(kind="video", name="video.webm", mime="video/webm", data=video.data)
        if video.reason:
            what = "is not kept" if video.data is None else "ends before the run"
            await ctx.text(f"The video {what}: {video.reason[:MAX_REASON]}\n")
    except (BrowserError, TooLarge, StorageUnavailable) as error:
        await ctx.text(f"The video is not kept: {error.message[:MAX_REASON]}\n")
