"""Time as the client sees it: limits, waits between attempts, the clock. Any thread; knows nothing of sockets.

The clock and the random source are always passed in, so that tests decide both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

Random = Callable[[], float]
"""Returns a number in [0, 1), like ``random.random``."""

SILENCE_FACTOR: Final = 2.5
"""How many heartbeats may be missed before a socket counts as dead: two lost ones and half of slack."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Every limit of the client, in seconds.

    Attributes:
        connect_timeout_s: to connect, and then for the first byte: a reply, or ``connected`` on a socket.
        request_timeout_s: one call over HTTP as a whole, its repetitions included.
        reconnect_for_s: how long a follow tries to come back after a cut before it gives up. The last attempt may
            exceed it by ``connect_timeout_s``.
        close_timeout_s: to close a socket politely after the run's end.
        first_delay_s: the ceiling of the first wait before another attempt; each further one doubles it (a guess).
        longest_delay_s: where the doubling stops (a guess).
    """

    connect_timeout_s: float = 10.0
    request_timeout_s: float = 30.0
    reconnect_for_s: float = 300.0
    close_timeout_s: float = 1.0
    first_delay_s: float = 0.2
    longest_delay_s: float = 10.0

    def delay_s(self, attempt: int, random: Random) -> float:
        """Return how long to wait before an attempt: exponential back-off with full jitter.

        Args:
            attempt: 0 for the first repetition.
            random: the source of jitter.

        Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (full jitter).
        """
        doublings = min(attempt, 32)
        return random() * min(self.longest_delay_s, self.first_delay_s * 2.0**doublings)


class Clock(Protocol):
    """Where the client reads the time and waits."""

    def now_s(self) -> float:
        """Return monotonic seconds."""

    async def sleep(self, delay_s: float) -> None:
        """Wait ``delay_s`` seconds."""


class SystemClock:
    """The real one."""

    def now_s(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait ``delay_s`` seconds."""
        await asyncio.sleep(delay_s)
