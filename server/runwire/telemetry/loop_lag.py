"""How late a loop gets round to what is due: everybody's latency on it. Floor 1; the measured loop only."""

from __future__ import annotations

import asyncio

from runwire.telemetry.distribution import QUICK_S, Distribution

LOOK_S = 0.5
"""How often it is looked at: two timers a second cost a server that has nothing to do next to nothing."""


class LoopLag:
    """Sets a timer again and again, and notes by how much each was late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.late_s = Distribution(QUICK_S)
        self._loop = loop
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._loop.time() + LOOK_S
        self._timer = self._loop.call_at(self._due, self._look)

    def stop(self) -> None:
        """End it. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self.late_s.observe(max(0.0, self._loop.time() - self._due))
        self.start()
