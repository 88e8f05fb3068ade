"""``/metrics``, ``/v1/status`` and ``/v1/browsers``: what operators watch. Floor 6."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runwire import __version__
from runwire.browser.statistics import PoolStatistics
from runwire.engine.attempts import Attempt
from runwire.errors import BrowserLost
from runwire.telemetry.distribution import Distribution
from runwire.web.door_counts import counts_of
from runwire.web.metrics import Reading, exposition
from runwire.web.responses import SECURITY_HEADERS, json_response
from runwire.web.services import Services, get_services
from runwire.web.vitals import open_descriptors, resident_bytes


async def get_metrics(request: Request) -> Response:
    """Return every metric as Prometheus reads it."""
    vitals, doors = get_services(request).vitals, counts_of(request)
    health, accept = vitals.health(), request.headers.get("accept", "")

    def scrape() -> tuple[bytes, str]:
        return exposition(Reading(vitals, doors, _browsers(vitals.browsers), health), accept)

    text, media_type = await asyncio.to_thread(scrape)
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-store", "Content-Type": media_type}
    return Response(text, headers=headers)


async def get_status(request: Request) -> Response:
    """Return what the server does right now: queue, runs, sockets, writer, memory, browsers."""
    services = get_services(request)
    vitals = services.vitals
    health, browsers = vitals.health(), await asyncio.to_thread(_browsers, vitals.browsers)
    seqs, now = vitals.last_seqs(), time.monotonic()
    writer, counts = vitals.writer, vitals.connections.counts
    status = {
        "version": __version__,
        "uptime_s": round(vitals.uptime_s, 1),
        "draining": vitals.connections.draining,
        "problems": health["problems"],
        "queue": {
            "queued": health["queued"],
            "running": health["running"],
            "waiting": health["waiting"],
            "paused": health["paused"],
            "max_running": services.settings.max_running,
            "wait_p50_s": writer.queue_wait_s.quantile(0.5),
            "wait_p95_s": writer.queue_wait_s.quantile(0.95),
        },
        "runs": [_run_view(attempt, seqs, now) for attempt in vitals.attempts.active()],
        "totals": {"created": writer.runs_created, "ended": _by_state(services), "entries": writer.entries},
        "sockets": {"open": len(vitals.connections), "opened": counts.opened, "closed": dict(counts.closed)},
        "writer": {
            "commits": writer.commit_s.count,
            "commit_p99_s": writer.commit_s.quantile(0.99),
            "lag_p99_s": writer.lag_s.quantile(0.99),
            "items_p95": writer.items.quantile(0.95),
            "storage_failures": writer.storage_failures,
            "wal_bytes": health["wal_bytes"],
        },
        "process": {
            "resident_bytes": resident_bytes(),
            "descriptors": open_descriptors(),
            "stuck_threads": health["stuck_threads"],
            "loop_lag_p99_s": vitals.loop_lag.late_s.quantile(0.99),
        },
        "browsers": _browsers_view(browsers),
    }
    return json_response(status)


async def get_browsers(request: Request) -> Response:
    """Return the browsers and what became of those that were: launches, reuse, errors, closes, memory."""
    statistics = await asyncio.to_thread(_browsers, get_services(request).vitals.browsers)
    return json_response(_browsers_view(statistics))


def _browsers(read: Any) -> PoolStatistics:
    """Return the browsers' numbers; none if their thread does not answer: a scrape must tell the rest all the same."""
    try:
        statistics: PoolStatistics = read()
    except (TimeoutError, BrowserLost):
        return PoolStatistics(circuit="silent")
    return statistics


def _run_view(attempt: Attempt, seqs: dict[str, int], now: float) -> dict[str, Any]:
    claimed = attempt.claimed
    return {
        "run_id": claimed.run_id,
        "thread_id": claimed.thread_id,
        "agent": claimed.agent,
        "user": claimed.owner_id,
        "attempt": claimed.attempt,
        "age_s": round(now - attempt.since, 3),
        "last_seq": seqs.get(claimed.run_id),
    }


def _by_state(services: Services) -> dict[str, int]:
    totals: dict[str, int] = {}
    for (_agent, status), count in services.vitals.attempts.counts.ended.items():
        totals[status.value] = totals.get(status.value, 0) + count
    return totals


def _browsers_view(statistics: PoolStatistics) -> dict[str, Any]:
    closes: dict[str, Distribution] = dict(statistics.close_s)
    view = asdict(statistics)
    view["close_s"] = {
        part: {"count": times.count, "mean": times.sum / times.count, "p95": times.quantile(0.95)}
        for part, times in closes.items()
    }
    return {**view, "reuse_ratio": statistics.reuse_ratio, "warm_ratio": statistics.warm_ratio}
