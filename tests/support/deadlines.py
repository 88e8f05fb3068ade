"""Time limits that every test shares (mission, B7), and the one way to wait for something that sends no signal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

CONNECT_S = 25.0
"""Most seconds for opening a socket or starting a server."""

MESSAGE_S = 2.0
"""Most seconds for one expected message."""

WAIT_S = 12.0
"""Most seconds for a whole wait; each test has 10 by ``pytest-timeout``, so this is for those that set more."""

LOOK_S = 0.005
"""How often a condition is looked at."""


def eventually(holds: Callable[[], bool], what: str, within_s: float = MESSAGE_S) -> None:
    """Return as soon as ``holds()``; fail with ``what`` after ``within_s`` seconds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(LOOK_S)


async def eventually_async(holds: Callable[[], bool], what: str, within_s: float = MESSAGE_S) -> None:
    """The same, leaving the test's loop free meanwhile."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        await asyncio.sleep(LOOK_S)
