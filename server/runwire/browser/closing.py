"""Closes things within a bound. Floor 4; the host's loop only.

The order is page → context → browser → driver; each step is guarded, so that one failure stops no other, and nothing
waits for a closed thing to answer: what does not close in time is counted as hung and left to the next, larger step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from runwire.telemetry.distribution import QUICK_S, Distribution

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CloseCounts:
    """How closing went since the host started; seconds."""

    closed: int = 0
    failed: int = 0
    longest_s: float = 0.0
    total_s: float = 0.0
    hung: dict[str, int] = field(default_factory=dict)
    times: dict[str, Distribution] = field(default_factory=dict)

    def took(self, part: str, seconds: float) -> None:
        """Count a close that came back."""
        self.closed += 1
        self.total_s += seconds
        self.longest_s = max(self.longest_s, seconds)
        if part not in self.times:
            self.times[part] = Distribution(QUICK_S)
        self.times[part].observe(seconds)

    @property
    def mean_s(self) -> float:
        """Mean time of a close."""
        return self.total_s / self.closed if self.closed else 0.0


def _failed(part: str) -> str:
    return "page.close_failed" if part == "page" else "browser.close_failed"


async def close_within(counts: CloseCounts, part: str, close: Callable[[], Awaitable[None]], limit_s: float) -> bool:
    """Await ``close()`` for at most ``limit_s`` seconds; return whether it came back in time. Raises nothing.

    A close that fails counts as closed: the thing is gone or was never there.
    """
    started = time.monotonic()
    try:
        async with asyncio.timeout(limit_s):
            await close()
    except TimeoutError:
        counts.hung[part] = counts.hung.get(part, 0) + 1
        log.warning(_failed(part), part=part, why="hung", limit_s=limit_s)
        return False
    except Exception as error:  # whatever it says, the order goes on: page → context → browser → driver
        counts.failed += 1
        log.warning(_failed(part), part=part, why=type(error).__name__)  # its words may be a page's
    counts.took(part, time.monotonic() - started)
    return True
