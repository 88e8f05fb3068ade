"""Time as a value that is passed in. Floor 0; any thread.

Wall time is for people and for the log; every wait, lease and deadline uses the monotonic clock, so that a jump of the
wall clock changes nothing.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now_ms(self) -> int:
        """Return wall time in integer Unix milliseconds."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""


class SystemClock:
    """The clocks of the operating system."""

    def now_ms(self) -> int:
        """Return wall time in integer Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        return time.monotonic()
