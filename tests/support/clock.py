"""Time that passes when the test says so."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any


class ManualClock:
    """Implements ``runwire.clock.Clock``."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def now_ms(self) -> int:
        """Return wall time in milliseconds."""
        return int(self.now * 1000)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.now

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class _Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Never call it."""
        self.cancelled = True


class _Done:
    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """It is done already."""
        callback(self)


class ManualLoop:
    """The part of an event loop that timers need: calls what is due when the test lets time pass, and runs tasks at
    once.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: list[tuple[float, int, _Timer, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def call_later(self, delay: float, callback: Callable[..., None], *arguments: Any) -> _Timer:
        """Call back after ``delay`` seconds of the test's time."""
        timer = _Timer()
        entry = (self._now + delay, next(self._numbers), timer, lambda: callback(*arguments))
        heapq.heappush(self._timers, entry)
        return timer

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> _Done:
        """Run a coroutine that never waits to its end."""
        try:
            coroutine.send(None)
        except StopIteration:
            return _Done()
        raise AssertionError("the coroutine waits; this loop cannot")

    def pass_s(self, seconds: float) -> None:
        """Let time pass, calling what becomes due in its order."""
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            self._now, _, timer, call = heapq.heappop(self._timers)
            if not timer.cancelled:
                call()
        self._now = end

    @property
    def waiting(self) -> int:
        """How many timers wait."""
        return sum(not timer.cancelled for _, _, timer, _ in self._timers)
