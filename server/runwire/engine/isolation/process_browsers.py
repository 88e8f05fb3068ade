"""What the browsers of isolated runs have come to, so that a server's counts are whole. Floor 5; any thread.

A run's process tells its counts when a lease begins and when it ends, each time since its own start. An agent can lie
about its own browsers and about nothing else: no count falls, and a report adds no more than is credible.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TypeVar, cast

import msgspec

from runwire.browser.health import Sign
from runwire.browser.statistics import PoolStatistics, added
from runwire.contracts.browser import BrowserConfig, BrowserLease, BrowserPool, OwnBrowser
from runwire.engine.isolation.messages import ClosePart, CloseTimes, Counted, Message
from runwire.errors import BrowserLost
from runwire.telemetry.distribution import QUICK_S, Distribution

Key = TypeVar("Key", Sign, ClosePart)

MOST_PER_REPORT = 100
"""Most that a count grows by in one report, and most browsers and leases of a run; a guess: a lease reports twice."""
MOST_S_PER_REPORT = 60.0
"""The same for the seconds that closes took: each is cut after a few."""


class ProcessBrowsers:
    """The counts of all isolated runs since the server's start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, Counted] = {}
        self._ended = PoolStatistics()

    def note(self, run_id: str, counted: Counted) -> None:
        """Take what a run's process tells; what it told before is in it."""
        with self._lock:
            self._live[run_id] = _credible(self._live.get(run_id, _NOTHING), counted)

    def end(self, run_id: str) -> None:
        """Keep the counts of a process that has ended: its browsers have ended with it. Idempotent."""
        with self._lock:
            last = self._live.pop(run_id, None)
            if last is not None:
                self._ended = added(self._ended, replace(_statistics(last), leased=0, isolated=0))

    def with_own(self, own: PoolStatistics) -> PoolStatistics:
        """Return the server's own statistics with those of its isolated runs."""
        with self._lock:
            theirs = [self._ended, *map(_statistics, self._live.values())]
        for statistics in theirs:
            own = added(own, statistics)
        return own


class CountedBrowsers:
    """Implements ``contracts.browser.BrowserPool`` in a run's process: its own, which tell their counts."""

    def __init__(
        self, pool: BrowserPool, statistics: Callable[[], PoolStatistics], send: Callable[[Message], None]
    ) -> None:
        self._pool = pool
        self._statistics = statistics
        self._send = send

    @property
    def sample_origin(self) -> str | None:
        """Origin that relative addresses resolve against."""
        return self._pool.sample_origin

    def unavailable_reason(self, *, whole: bool = False) -> str | None:
        """Return why no browser can be had here, or None."""
        return self._pool.unavailable_reason(whole=whole)

    def full_reason(self) -> str | None:
        """Return why one more browser run should stay queued for now, or None."""
        return self._pool.full_reason()

    @asynccontextmanager
    async def lease(
        self, run_id: str, config: BrowserConfig, *, limit: asyncio.Timeout | None = None
    ) -> AsyncIterator[BrowserLease]:
        """Give ``run_id`` a fresh context; see the contract."""
        try:
            async with self._pool.lease(run_id, config, limit=limit) as lease:
                self._tell()
                yield lease
        finally:
            self._tell()

    @asynccontextmanager
    async def own(
        self, run_id: str, config: BrowserConfig, *, extensions: tuple[str, ...] = ()
    ) -> AsyncIterator[OwnBrowser]:
        """Give ``run_id`` a whole Chromium; see the contract."""
        try:
            async with self._pool.own(run_id, config, extensions=extensions) as own:
                self._tell()
                yield own
        finally:
            self._tell()

    def _tell(self) -> None:
        with suppress(TimeoutError, BrowserLost):  # their thread hangs: the counts before stay
            self._send(_counted(self._statistics()))


_NOTHING = Counted(0, 0, 0, 0, 0, 0, 0, {}, {}, {}, 0.0)
_TOTALS = ("leases", "warm", "launches", "failed_launches", "lost_runs")


def _credible(before: Counted, told: Counted) -> Counted:
    """Return ``told`` within its bounds; what may be counted down are the browsers and the leases of now alone."""
    close_s = dict(before.close_s)
    for part, times in told.close_s.items():
        old = before.close_s.get(part, CloseTimes([0] * len(times.counts), 0.0))
        counts = [_grown(was, now) for was, now in zip(old.counts, times.counts, strict=True)]
        close_s[part] = CloseTimes(counts, _grown_s(old.sum_s, times.sum_s))
    return msgspec.structs.replace(
        told,
        browsers=min(told.browsers, MOST_PER_REPORT),
        leased=min(told.leased, MOST_PER_REPORT),
        **{name: _grown(getattr(before, name), getattr(told, name)) for name in _TOTALS},
        removed=_all_grown(before.removed, told.removed),
        hung_closes=_all_grown(before.hung_closes, told.hung_closes),
        close_s=close_s,
        close_longest_s=_grown_s(before.close_longest_s, told.close_longest_s),
    )


def _all_grown(before: dict[Key, int], told: dict[Key, int]) -> dict[Key, int]:
    return before | {key: _grown(before.get(key, 0), count) for key, count in told.items()}


def _grown(before: int, told: int) -> int:
    return min(max(before, told), before + MOST_PER_REPORT)


def _grown_s(before: float, told: float) -> float:
    return min(max(before, told), before + MOST_S_PER_REPORT)


def _counted(statistics: PoolStatistics) -> Counted:
    return Counted(
        browsers=len(statistics.browsers),
        leased=statistics.leased,
        leases=statistics.leases,
        warm=statistics.warm,
        launches=statistics.launches,
        failed_launches=statistics.failed_launches,
        lost_runs=statistics.lost_runs,
        removed={Sign(reason): count for reason, count in statistics.removed.items()},
        hung_closes=cast("dict[ClosePart, int]", statistics.hung_closes),
        close_s={cast("ClosePart", part): CloseTimes(times.counts, times.sum) for part, times in statistics.close_s},
        close_longest_s=statistics.close_longest_s,
    )


def _statistics(counted: Counted) -> PoolStatistics:
    times = {part: Distribution.of(QUICK_S, told.counts, told.sum_s) for part, told in counted.close_s.items()}
    closed = sum(one.count for one in times.values())
    return PoolStatistics(
        isolated=counted.browsers,
        leased=counted.leased,
        leases=counted.leases,
        warm=counted.warm,
        launches=counted.launches,
        failed_launches=counted.failed_launches,
        lost_runs=counted.lost_runs,
        removed={sign.value: count for sign, count in counted.removed.items()},
        hung_closes={str(part): count for part, count in counted.hung_closes.items()},
        closed=closed,
        close_mean_s=sum(one.sum for one in times.values()) / closed if closed else 0.0,
        close_longest_s=counted.close_longest_s,
        close_s=tuple(times.items()),
    )
