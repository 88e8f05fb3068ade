"""What arrived, turned into figures: rates, latencies, punctuality. Part of the load generator; the clock has stopped.

An event's latency is the time from its making to its arrival: both servers stamp CLOCK_MONOTONIC into paced events.
"""

from __future__ import annotations

from statistics import quantiles
from typing import Final

from bench.proof import BrokenStream, timed_entries
from bench.swarm import Connection
from bench.targets import Work

ON_TIME_S: Final = 0.1
"""A paced run is on time if its last event arrives at most this long after it was due, counted from the run's first
event: five periods of 20 ms, and about what a person sees as "at once"."""


def percentiles(samples: list[float]) -> tuple[float, float]:
    """Return p50 and p99.

    Raises:
        BrokenStream: fewer than two samples: nothing was made in the window that was looked at.
    """
    if len(samples) < 2:
        raise BrokenStream("nothing was made in the time looked at: the server was too late for it")
    cuts = quantiles(samples, n=100, method="inclusive")
    return cuts[49], cuts[98]


def is_event(text: bytes) -> bool:
    return b'"type":"event"' in text


def has_event(connection: Connection) -> bool:
    """Whether a socket has received an event; its first frames tell."""
    return any(map(is_event, connection.texts[:6]))


def last_event_at(connections: list[Connection]) -> float:
    """Return when the last event came, over all sockets."""
    lasts: list[float] = []
    for connection in connections:
        times = [at for text, at in zip(connection.texts, connection.times, strict=True) if is_event(text)]
        if not times:
            raise BrokenStream("a socket received no event")
        lasts.append(times[-1])
    return max(lasts)


def latencies_s(connection: Connection, after: float, before: float) -> list[float]:
    """Return making-to-arrival of the events made in a window."""
    return [
        arrived - entry.data.value.t
        for arrived, entry in timed_entries(connection)
        if entry.data.value is not None and after <= entry.data.value.t < before
    ]


def lateness_s(connection: Connection, work: Work) -> float:
    """Return how long after its due time a run's last event came, counted from the making of its first."""
    ticks = [(at, entry.data.value.t) for at, entry in timed_entries(connection) if entry.data.value is not None]
    return ticks[-1][0] - (ticks[0][1] + (work.count - 1) * work.period_ms / 1000)
