"""Agents that do not give their browser back. For ``test_browser_threads.py``."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from runwire.contracts.agent import RunContext
from runwire.contracts.browser import BrowserConfig

released = threading.Event()
"""Ends what :func:`blocks` does."""

_kept: list[object] = []


async def blocks(ctx: RunContext, _input: Any) -> None:
    """Block the run's thread while a page is open: nothing on it can be cancelled."""
    async with ctx.browser.lease(ctx.run_id, BrowserConfig()) as lease, lease.page() as page:
        await page.title()
        released.wait(30)


async def swallows(ctx: RunContext, _input: Any) -> None:
    """Refuse to be cancelled while a page is open."""
    async with ctx.browser.lease(ctx.run_id, BrowserConfig()) as lease, lease.page() as page:
        await page.title()
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)


async def forgets(ctx: RunContext, _input: Any) -> None:
    """Enter a lease by hand, keep it from being collected, and never leave it."""
    entered = ctx.browser.lease(ctx.run_id, BrowserConfig())
    lease = await entered.__aenter__()
    page = lease.page()
    await (await page.__aenter__()).title()
    _kept.extend((entered, page))


PATHS = tuple(f"{__name__}:{agent.__name__}" for agent in (blocks, swallows, forgets))
