"""A real pool of browsers on a scripted driver: no Chromium, socket or thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from runwire.browser.pool import ContextPool
from runwire.browser.settings import BrowserHostSettings, CloseBounds
from runwire.contracts.browser import BrowserConfig
from runwire.testing.browser import ScriptedBrowser, ScriptedEgress

SHORT = CloseBounds(page_s=0.01, context_s=0.01, browser_s=0.01, driver_s=0.01, total_s=0.1)
PLAIN = BrowserConfig()


def settings(**changes: Any) -> BrowserHostSettings:
    """Return settings whose bounds are short and whose watch does not run by itself."""
    chosen: dict[str, Any] = {
        "probe_period_s": 3600.0,
        "refill_after_s": 0.0,
        "probe_timeout_s": 0.01,
        "start_timeout_s": 0.02,
        "launch_timeout_s": 0.02,
        "open_timeout_s": 0.02,
        "slot_timeout_s": 0.02,
        "close": SHORT,
        **changes,
    }
    return BrowserHostSettings(**chosen)


@asynccontextmanager
async def pool_on(
    browser: ScriptedBrowser, now: Callable[[], float] = time.monotonic, **changes: Any
) -> AsyncIterator[ContextPool]:
    """Make a pool, and close it after the test."""
    chosen = settings(**changes)
    pool = ContextPool(chosen, "chromium", browser.start_driver, lambda: None, ScriptedEgress, now)
    try:
        yield pool
    finally:
        for name in tuple(browser.hanging):
            browser.resume(name)
        await pool.close()


async def turns(count: int = 30) -> None:
    """Let what is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def round_of(pool: ContextPool) -> None:
    """Have the watch look once."""
    await pool.watch_once()
    await turns()
