"""When a worker counts as dead. Floor 1; pure; time is passed in.

A worker renews a counter each second. It is dead when an observer has not seen the counter move for :data:`LEASE_S` of
the *observer's* monotonic clock: nobody compares clocks of two machines, and a jump of the wall clock changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEASE_S = 5.0
"""Seconds without a renewal after which a worker is dead."""

RENEW_S = 1.0
"""Seconds between two renewals: four may be late before anybody dies."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    counter: int
    moved_at: float


class LeaseObserver:
    """What one observer has seen of the other workers."""

    def __init__(self, lease_s: float = LEASE_S) -> None:
        self._lease_s = lease_s
        self._seen: dict[str, _Sighting] = {}

    def observe(self, counters: Mapping[str, int], now: float) -> list[str]:
        """Take the counters of all workers that hold runs, and return those that are dead (again at each look)."""
        for worker, counter in counters.items():
            seen = self._seen.get(worker)
            if seen is None or seen.counter != counter:
                self._seen[worker] = _Sighting(counter, now)
        self._seen = {worker: seen for worker, seen in self._seen.items() if worker in counters}
        return [worker for worker, seen in self._seen.items() if now - seen.moved_at >= self._lease_s]
