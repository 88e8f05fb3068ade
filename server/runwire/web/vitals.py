"""Where the numbers of a running server are. Floor 6; any thread: read when somebody asks, never gathered before.

Everything here is counted by whoever does the work, as a plain number; ``metrics.py`` and ``endpoints/monitoring.py``
only turn it into what Prometheus and people read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runwire.browser.statistics import PoolStatistics
from runwire.engine.attempts import AttemptWatch
from runwire.persistence.writer_counts import WriterCounts
from runwire.telemetry.loop_lag import LoopLag
from runwire.web.connection import Connections

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Vitals:
    """The sources. ``health`` gives the numbers of ``/readyz``; ``browsers`` may block for 2 s; ``last_seqs`` maps the
    runs that are held here to their last committed ``seq``.
    """

    writer: WriterCounts
    attempts: AttemptWatch
    connections: Connections
    loop_lag: LoopLag
    health: Callable[[], dict[str, Any]]
    browsers: Callable[[], PoolStatistics]
    last_seqs: Callable[[], dict[str, int]]
    since: float = field(default_factory=time.monotonic)

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.since


def resident_bytes() -> int | None:
    """Return the memory of this process; None where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError):
        return None


def open_descriptors() -> int | None:
    """Return how many descriptors this process has open; None where the system does not tell."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return None
