"""A circuit breaker against launching browsers that die at once. Floor 4; pure; time is passed in.

Five failures within 60 s open it for 15 s; then one trial is let through: its success closes it, its failure opens
it anew.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

FAILURES = 5
WINDOW_S = 60.0
OPEN_S = 15.0


class Circuit(StrEnum):
    """Whether launches are let through."""

    CLOSED = "closed"
    OPEN = "open"
    TRIAL = "trial"


class CircuitBreaker:
    """Counts failed launches. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._opened_at = 0.0
        self._state = Circuit.CLOSED

    @property
    def state(self) -> Circuit:
        """The state as of the last call."""
        return self._state

    def wait_s(self, now: float) -> float:
        """Return how many seconds the next launch must wait; 0 lets it through, as the trial if the time is over."""
        if self._state is Circuit.CLOSED:
            return 0.0
        left = self._opened_at + OPEN_S - now
        if left > 0:
            return left
        if self._state is Circuit.OPEN:
            self._state, self._opened_at = Circuit.TRIAL, now
            return 0.0
        # A trial that never came to an answer must not close the door for good: after OPEN_S another may try.
        self._opened_at = now
        return 0.0

    def succeeded(self) -> None:
        """Note a launch that worked."""
        self._failures.clear()
        self._state = Circuit.CLOSED

    def failed(self, now: float) -> None:
        """Note a launch that did not."""
        self._failures.append(now)
        full = len(self._failures) == FAILURES and now - self._failures[0] <= WINDOW_S
        if self._state is Circuit.TRIAL or full:
            self._state, self._opened_at = Circuit.OPEN, now
