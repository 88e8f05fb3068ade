"""What the host tells about itself. Floor 4; values only."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    no launch of their own, ``warm_ratio`` of those that took a parked page.
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

    @property
    def reuse_ratio(self) -> float:
        """Share of leases that needed no launch of their own; 1.0 before the first."""
        return max(0.0, 1 - self.launches / self.leases) if self.leases else 1.0

    @property
    def warm_ratio(self) -> float:
        """Share of leases that took a parked page."""
        return self.warm / self.leases if self.leases else 0.0
