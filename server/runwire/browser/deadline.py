"""A point in time by which something must have happened. Floor 4; pure but for the clock."""

from __future__ import annotations

import time


class Deadline:
    """``seconds`` from now, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    @property
    def left_ms(self) -> float:
        """Milliseconds left, at least 1: to Playwright 0 means no limit at all."""
        return max(1.0, self.left_s * 1000)

    @property
    def look_ms(self) -> float:
        """Milliseconds for one look at what is there: a last look just before the end deserves an answer too."""
        return max(250.0, self.left_ms)

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self.left_s == 0.0
