"""Every metric of ``/metrics`` in one table, and its text. Floor 6; off the loop: writing some hundred lines takes ms.

prometheus-client is imported with the first scrape: a start does not wait for it. Each metric is read from counts that
exist anyway. Labels are bounded sets: agents, states, routes, close codes; never a user, a run or an address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from runwire.browser.statistics import PoolStatistics
from runwire.telemetry.distribution import Distribution
from runwire.web.door_counts import DoorCounts
from runwire.web.vitals import Vitals

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

Sample = tuple[tuple[str, ...], float | Distribution]
"""The values of the labels, and what was measured."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one scrape reads; ``health`` are the numbers of ``/readyz``."""

    vitals: Vitals
    doors: DoorCounts
    browsers: PoolStatistics
    health: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name (counters without ``_total``, which is added), what it tells, and where it is read."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    read: Callable[[Reading], Iterable[Sample]]
    labels: tuple[str, ...] = ()

    @property
    def exposed_name(self) -> str:
        """The name as a query has it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _one(read: Callable[[Reading], float | Distribution]) -> Callable[[Reading], Iterable[Sample]]:
    """Read a metric without labels."""
    return lambda reading: [((), read(reading))]


def _each(read: Callable[[Reading], dict[Any, Any]]) -> Callable[[Reading], Iterable[Sample]]:
    """Read a metric whose labels are the keys of a mapping, which may change meanwhile."""
    return lambda reading: [(_labels(key), value) for key, value in list(read(reading).items())]


def _labels(key: Any) -> tuple[str, ...]:
    return tuple(map(str, key)) if isinstance(key, tuple) else (str(key),)


def _of_browsers(read: Callable[[Any], float]) -> Callable[[Reading], Iterable[Sample]]:
    """Read a metric of each living browser, by the place that it takes among them."""
    return lambda reading: [((str(browser.slot),), read(browser)) for browser in reading.browsers.browsers]


METRICS: tuple[Metric, ...] = (
    # Runs
    Metric("runwire_runs_created", "counter", "runs that were stored", _one(lambda r: r.vitals.writer.runs_created)),
    Metric(
        "runwire_attempts_started",
        "counter",
        "attempts that were given to a runner",
        _one(lambda r: r.vitals.writer.attempts_started),
    ),
    Metric(
        "runwire_runs_ended",
        "counter",
        "runs that ended; agent `none`: not executed here, such as cancelled in the queue",
        _each(lambda r: r.vitals.attempts.counts.ended),
        ("agent", "state"),
    ),
    Metric(
        "runwire_run_seconds",
        "histogram",
        "last attempt of a run, from its claim until its end was stored",
        _each(lambda r: r.vitals.attempts.counts.run_s),
        ("agent", "state"),
    ),
    Metric(
        "runwire_queue_wait_seconds",
        "histogram",
        "wait of runs from being stored until the first attempt was claimed",
        _one(lambda r: r.vitals.writer.queue_wait_s),
    ),
    Metric("runwire_runs_queued", "gauge", "runs that wait for a slot", _one(lambda r: r.health["queued"])),
    Metric("runwire_runs_running", "gauge", "runs that hold a slot now", _one(lambda r: r.health["running"])),
    Metric("runwire_runs_waiting", "gauge", "runs that wait for a person", _one(lambda r: r.health["waiting"])),
    Metric(
        "runwire_queue_paused",
        "gauge",
        "1 while an operator has paused the whole queue",
        _one(lambda r: r.health["paused"]["queue"]),
    ),
    Metric(
        "runwire_stuck_threads",
        "gauge",
        "abandoned threads whose code never returned",
        _one(lambda r: r.health["stuck_threads"]),
    ),
    Metric("runwire_threads", "gauge", "threads of the server's process", _one(lambda r: threading.active_count())),
    # The log
    Metric("runwire_entries", "counter", "entries committed to runs' logs", _one(lambda r: r.vitals.writer.entries)),
    Metric(
        "runwire_commit_seconds",
        "histogram",
        "one transaction of the writer",
        _one(lambda r: r.vitals.writer.commit_s),
    ),
    Metric(
        "runwire_commit_lag_seconds",
        "histogram",
        "longest that work of a commit may have waited until it was committed",
        _one(lambda r: r.vitals.writer.lag_s),
    ),
    Metric("runwire_commit_items", "histogram", "items of work in a commit", _one(lambda r: r.vitals.writer.items)),
    Metric("runwire_wal_bytes", "gauge", "size of the write-ahead log", _one(lambda r: r.health["wal_bytes"])),
    Metric(
        "runwire_storage_failures",
        "counter",
        "tries to commit that the storage refused",
        _one(lambda r: r.vitals.writer.storage_failures),
    ),
    Metric(
        "runwire_storage_refused",
        "counter",
        "items of work given up because the storage stayed away",
        _one(lambda r: r.vitals.writer.refused),
    ),
    # Doors
    Metric("runwire_sockets_open", "gauge", "sockets that are open now", _one(lambda r: len(r.vitals.connections))),
    Metric(
        "runwire_sockets_opened",
        "counter",
        "sockets that were accepted",
        _one(lambda r: r.vitals.connections.counts.opened),
    ),
    Metric(
        "runwire_sockets_closed",
        "counter",
        "sockets that ended, by close code: 4008 slow reader, 4009 heartbeat lost; `other`: a peer's own code",
        _each(lambda r: r.vitals.connections.counts.closed),
        ("code",),
    ),
    Metric(
        "runwire_sockets_refused",
        "counter",
        "upgrades and first messages that were refused, by error",
        _each(lambda r: r.vitals.connections.counts.refused),
        ("error",),
    ),
    Metric(
        "runwire_http_requests",
        "counter",
        "answers over HTTP; status 499: the client left before",
        _each(lambda r: r.doors.answers),
        ("method", "route", "status"),
    ),
    Metric("runwire_http_request_seconds", "histogram", "time to answer", _each(lambda r: r.doors.seconds), ("route",)),
    Metric(
        "runwire_http_refused",
        "counter",
        "requests refused for who made them, by error",
        _each(lambda r: r.doors.refusals),
        ("error",),
    ),
    Metric(
        "runwire_loop_lag_seconds",
        "histogram",
        "how late the server's loop was, looked at twice a second",
        _one(lambda r: r.vitals.loop_lag.late_s),
    ),
    # Browsers
    Metric("runwire_browser_leases_open", "gauge", "runs that hold a page", _one(lambda r: r.browsers.leased)),
    Metric(
        "runwire_browser_isolated",
        "gauge",
        "open browsers of runs in processes of their own",
        _one(lambda r: r.browsers.isolated),
    ),
    Metric("runwire_browser_waiting", "gauge", "runs that wait for a page", _one(lambda r: r.browsers.waiting)),
    Metric("runwire_browser_leases", "counter", "pages given to runs", _one(lambda r: r.browsers.leases)),
    Metric("runwire_browser_launches", "counter", "browsers launched", _one(lambda r: r.browsers.launches)),
    Metric(
        "runwire_browser_launches_failed",
        "counter",
        "browsers that did not start",
        _one(lambda r: r.browsers.failed_launches),
    ),
    Metric(
        "runwire_browser_removed",
        "counter",
        "browsers taken out, by reason",
        _each(lambda r: r.browsers.removed),
        ("reason",),
    ),
    Metric(
        "runwire_browser_reuse_ratio",
        "gauge",
        "share of leases without a launch of their own",
        _one(lambda r: r.browsers.reuse_ratio),
    ),
    Metric(
        "runwire_browser_warm_ratio",
        "gauge",
        "share of leases that took a page which waited for them",
        _one(lambda r: r.browsers.warm_ratio),
    ),
    Metric(
        "runwire_browser_close_seconds",
        "histogram",
        "time to close, by part",
        _each(lambda r: dict(r.browsers.close_s)),
        ("part",),
    ),
    Metric(
        "runwire_browser_closes_hung",
        "counter",
        "closes that did not end in time, by part",
        _each(lambda r: r.browsers.hung_closes),
        ("part",),
    ),
    Metric(
        "runwire_browser_runs_lost", "counter", "runs that lost their browser", _one(lambda r: r.browsers.lost_runs)
    ),
    Metric(
        "runwire_browser_errors",
        "gauge",
        "runs that the browser in this place has lost",
        _of_browsers(lambda browser: browser.errors),
        ("browser",),
    ),
    Metric(
        "runwire_browser_bytes",
        "gauge",
        "memory of the browser in this place, its children included; measured now and then",
        _of_browsers(lambda browser: browser.size_bytes),
        ("browser",),
    ),
    Metric(
        "runwire_browser_descriptors",
        "gauge",
        "descriptors of the browser in this place",
        _of_browsers(lambda browser: browser.descriptors),
        ("browser",),
    ),
    Metric("runwire_uptime_seconds", "gauge", "time since the start", _one(lambda r: r.vitals.uptime_s)),
)
"""Beside these there are prometheus-client's ``process_…``: memory, descriptors, CPU time of the server's process."""


class _Collector:
    """What prometheus-client's registry asks for the metrics."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Family]:
        """Yield every metric with its samples."""
        return (_family(metric, self._reading) for metric in METRICS)


def _family(metric: Metric, reading: Reading) -> Family:
    from prometheus_client import core

    if metric.kind == "histogram":
        histogram = core.HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in metric.read(reading):
            assert isinstance(value, Distribution), f"{metric.name} is read from a distribution"
            buckets = [("+Inf" if bound == inf else repr(bound), count) for bound, count in value.cumulative()]
            histogram.add_metric(labels, buckets, sum_value=value.sum)
        return histogram
    kind = core.CounterMetricFamily if metric.kind == "counter" else core.GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in metric.read(reading):
        assert not isinstance(value, Distribution), f"{metric.name} is read from a number"
        family.add_metric(labels, value)
    return family


def exposition(reading: Reading, accept: str) -> tuple[bytes, str]:
    """Return the metrics as text and its media type: what ``accept`` (the header) prefers of those that there are."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(reading))
    ProcessCollector(registry=registry)
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type
