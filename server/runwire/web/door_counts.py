"""What the HTTP doors have seen since the start. Floor 6; the server's loop only.

Labels come from the route table and the catalogue of errors, never from a request: a scan of addresses makes no series.
"""

from __future__ import annotations

from collections import Counter

import structlog
from starlette.requests import Request

from runwire.errors import NotAuthenticated, RunwireError, ScopeMissing
from runwire.telemetry.distribution import QUICK_S, Distribution

log = structlog.get_logger(__name__)

ROUTE = "runwire.route"
"""The name under which a request's scope holds the path of its route, as the route table has it."""

NO_ROUTE = "other"
"""The route of requests that have none."""

REFUSALS = (NotAuthenticated, ScopeMissing)
"""What somebody is told who may not do this, or whom nobody knows."""


class DoorCounts:
    """Counts of answers and refusals."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, int]] = Counter()
        """By method, route and status."""
        self.seconds: dict[str, Distribution] = {}
        """How long answers took, by route."""
        self.refusals: Counter[str] = Counter()
        """Requests that were refused for who made them, by the error's code."""

    def answered(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count the answer of a route."""
        self.answers[method, route, status] += 1
        times = self.seconds.get(route)
        if times is None:
            times = self.seconds[route] = Distribution(QUICK_S)
        times.observe(took_s)

    def missed(self, request: Request, status: int) -> None:
        """Count an answer that no route gave: no such path, no such method, no such file."""
        if ROUTE not in request.scope:
            self.answers["other", NO_ROUTE, status] += 1

    def failed(self, request: Request, error: RunwireError) -> None:
        """Count and record a refusal; any other error is counted by its status alone."""
        if isinstance(error, REFUSALS):
            self.refusals[error.code] += 1
            route = request.scope.get(ROUTE, NO_ROUTE)
            log.info("http.refused", method=request.method, route=route, code=error.code, client=request.client)


def counts_of(request: Request) -> DoorCounts:
    """Return the counts of the app that serves this request."""
    counts = request.app.state.door_counts
    assert isinstance(counts, DoorCounts), "build_app() makes them"
    return counts
