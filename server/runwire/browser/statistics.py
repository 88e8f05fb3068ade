"""What the host tells about itself. Floor 4; values only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from runwire.telemetry.distribution import Distribution


@dataclass(frozen=True, slots=True)
class ShellStatistics:
    """One browser: sizes in bytes, ``age_s`` in seconds; ``slot`` is its place among those alive."""

    number: int
    slot: int
    pid: int | None
    health: str
    leased: int
    runs: int
    errors: int
    age_s: float
    size_bytes: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A snapshot; counts since the host's start, times in seconds.

    ``lost_runs`` counts runs whose browser was lost, ``tasks`` all tasks of the host's loop, ``hung_closes`` what did
    not close in time, by part, ``close_s`` how long the others took. ``reuse_ratio`` is the share of leases that needed
    no launch of their own, ``warm_ratio`` of those that took a parked page. ``isolated`` counts the open browsers that
    belong to runs in processes of their own; ``browsers`` are the others.
    """

    leased: int = 0
    waiting: int = 0
    parked: int = 0
    leases: int = 0
    warm: int = 0
    launches: int = 0
    failed_launches: int = 0
    drivers: int = 0
    circuit: str = "closed"
    removed: dict[str, int] = field(default_factory=dict)
    closed: int = 0
    hung_closes: dict[str, int] = field(default_factory=dict)
    close_mean_s: float = 0.0
    close_longest_s: float = 0.0
    close_s: tuple[tuple[str, Distribution], ...] = ()
    lost_runs: int = 0
    tasks: int = 0
    browsers: tuple[ShellStatistics, ...] = ()
    isolated: int = 0

    @property
    def reuse_ratio(self) -> float:
        """Share of leases that needed no launch of their own; 1.0 before the first."""
        return max(0.0, 1 - self.launches / self.leases) if self.leases else 1.0

    @property
    def warm_ratio(self) -> float:
        """Share of leases that took a parked page."""
        return self.warm / self.leases if self.leases else 0.0


def added(to: PoolStatistics, more: PoolStatistics) -> PoolStatistics:
    """Return ``to`` with the counts of other browsers; what is only true of one host stays as it is there."""
    closed = to.closed + more.closed
    times = dict(to.close_s)
    for part, other in more.close_s:
        times[part] = times[part].plus(other) if part in times else other
    return replace(
        to,
        leased=to.leased + more.leased,
        leases=to.leases + more.leases,
        warm=to.warm + more.warm,
        launches=to.launches + more.launches,
        failed_launches=to.failed_launches + more.failed_launches,
        lost_runs=to.lost_runs + more.lost_runs,
        removed=dict(Counter(to.removed) + Counter(more.removed)),
        hung_closes=dict(Counter(to.hung_closes) + Counter(more.hung_closes)),
        closed=closed,
        close_mean_s=(to.close_mean_s * to.closed + more.close_mean_s * more.closed) / closed if closed else 0.0,
        close_longest_s=max(to.close_longest_s, more.close_longest_s),
        close_s=tuple(times.items()),
        isolated=to.isolated + more.isolated,
    )
