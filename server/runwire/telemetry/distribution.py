"""How often a measured value fell where: what a histogram is made of. Floor 1; one thread observes, any may look.

Plain numbers, because they are counted while the server works and turned into a metric only when somebody asks:
:meth:`Distribution.observe` costs a bisection.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

QUICK_S = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds for what should take milliseconds: commits, the loop, requests."""

LONG_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
"""Bounds for what may take an hour: waiting in the queue, running."""

SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
"""Bounds for counts in a batch."""


class Distribution:
    """Counts of observed values by upper bound (inclusive, as in Prometheus), and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """``bounds`` are ascending; what exceeds the last one is counted behind it."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    @classmethod
    def of(cls, bounds: tuple[float, ...], counts: Sequence[int], total: float) -> Distribution:
        """Return what another process has observed: its ``counts``, one for each bound and one behind, and its sum.

        Raises ValueError: there are more counts, or fewer.
        """
        made = cls(bounds)
        if len(counts) != len(made._counts):
            raise ValueError(f"{len(counts)} counts for {len(bounds)} bounds")
        made._counts[:] = counts
        made._sum = total
        return made

    @property
    def counts(self) -> list[int]:
        """How many values fell below each bound and above the one before it, and how many behind the last."""
        return self._counts.copy()

    def plus(self, other: Distribution) -> Distribution:
        """Return what both have observed; the bounds are the same. Raises ValueError."""
        both = [mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)]
        return Distribution.of(self._bounds, both, self._sum + other._sum)

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self._counts)

    @property
    def sum(self) -> float:
        """The sum of all observed values."""
        return self._sum

    def cumulative(self) -> list[tuple[float, int]]:
        """Return for each bound, and infinity, how many values were at most that."""
        counts, total = self._counts.copy(), 0
        result: list[tuple[float, int]] = []
        for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
            total += count
            result.append((bound, total))
        return result

    def quantile(self, share: float) -> float | None:
        """Return the bound below which at least ``share`` (0 to 1) of the values lie; None before the first value.

        As coarse as the bounds; what lies behind the last one is told as that one.
        """
        cumulative = self.cumulative()
        total = cumulative[-1][1]
        if not total:
            return None
        found = next(bound for bound, count in cumulative if count >= share * total)
        return min(found, self._bounds[-1])
