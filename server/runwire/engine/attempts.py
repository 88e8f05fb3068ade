"""Watches attempts from their claim to the end of their run: what is logged, counted and traced of each. Floor 5.

Threads: :meth:`AttemptWatch.assignment_for` is called on the writer's thread, what it wraps around an assignment on the
run's own, :meth:`AttemptWatch.on_ended` on the server's loop. A run costs a few calls; an event costs none.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import structlog

from runwire.agents.factory import AgentInstance
from runwire.contracts.event_log import Published
from runwire.engine.runner import Assignment
from runwire.runs.record import ClaimedRun, Outcome
from runwire.runs.state import RunStatus
from runwire.telemetry.distribution import LONG_S, Distribution
from runwire.telemetry.tracing import RunTracer

log = structlog.get_logger(__name__)

NO_AGENT = "none"
"""The agent of runs that ended without having been executed here: cancelled in the queue, settled for a dead worker."""


class AttemptCounts:
    """How runs ended since the start. Agents are those of the registry: a bounded set, unlike users and runs."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, RunStatus]] = Counter()
        """By agent and terminal status."""
        self.run_s: dict[tuple[str, RunStatus], Distribution] = {}
        """How long the last attempt took, from its claim until its end was stored; the same keys."""

    def note(self, agent: str, status: RunStatus, took_s: float | None) -> None:
        """Count the end of a run; ``took_s`` is None if it was not executed here."""
        self.ended[agent, status] += 1
        if took_s is not None:
            times = self.run_s.get((agent, status))
            if times is None:
                times = self.run_s[agent, status] = Distribution(LONG_S)
            times.observe(took_s)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt under way, and when it was claimed (monotonic seconds)."""

    claimed: ClaimedRun
    since: float


class AttemptWatch:
    """Stands between the dispatcher and the engines that make its assignments."""

    def __init__(self, assignment_for: Callable[[ClaimedRun], Assignment], tracer: RunTracer | None = None) -> None:
        """``tracer`` is None where nobody wants traces."""
        self.counts = AttemptCounts()
        self.tracer = tracer
        self._assignment_for = assignment_for
        self._attempts: dict[str, Attempt] = {}
        self._lock = threading.Lock()

    def assignment_for(self, claimed: ClaimedRun) -> Assignment:
        """Return what a runner needs for a claimed run, watched from now on. Bounded by the slots."""
        assignment = self._assignment_for(claimed)
        with self._lock:
            self._attempts[claimed.run_id] = Attempt(claimed, time.monotonic())
        if self.tracer is None:
            return replace(assignment, make=lambda: _begin(assignment))
        self.tracer.claimed(claimed.run_id, claimed.agent, claimed.thread_id, claimed.attempt)
        return _traced(assignment, self.tracer)

    def on_queued(self, published: Published) -> None:
        """Take a run that waits, for the first time or for another attempt."""
        with self._lock:
            attempt = self._attempts.get(published.run_id)
            if attempt is None or attempt.claimed.fence >= published.fence:
                return  # it has never been claimed here, or again meanwhile
            del self._attempts[published.run_id]
        claimed = attempt.claimed
        facts = {"run_id": claimed.run_id, "thread_id": claimed.thread_id, "agent": claimed.agent}
        log.info("run.requeued", **facts, attempt=claimed.attempt)
        if self.tracer is not None:
            self.tracer.requeued(published.run_id)

    def on_ended(self, published: Published) -> None:
        """Take the end of a run, whoever executed it."""
        with self._lock:
            attempt = self._attempts.pop(published.run_id, None)
        took_s = None if attempt is None else time.monotonic() - attempt.since
        agent = NO_AGENT if attempt is None else attempt.claimed.agent
        ending = _decode(published.frames[-1]).data
        self.counts.note(agent, published.status, took_s)
        _log_end(published, ending, attempt, took_s)
        if self.tracer is not None:
            error = None if ending.error is None else ending.error.code
            self.tracer.ended(published.run_id, published.status.value, error)

    def active(self) -> list[Attempt]:
        """Return the attempts that are under way here, the oldest first; any thread."""
        with self._lock:
            return sorted(self._attempts.values(), key=lambda attempt: attempt.since)


def _begin(assignment: Assignment) -> AgentInstance:
    """Make the agent, on the run's own thread, with the run's ids in every line that is logged there from now on."""
    claimed = assignment.claimed
    structlog.contextvars.clear_contextvars()  # a kept thread has executed another run of this user before
    structlog.contextvars.bind_contextvars(run_id=claimed.run_id, thread_id=claimed.thread_id)
    log.info("run.started", agent=claimed.agent, attempt=claimed.attempt)
    return assignment.make()


def _traced(assignment: Assignment, tracer: RunTracer) -> Assignment:
    """Return the assignment with its trace's turns; both functions are called on the run's own thread."""
    run_id = assignment.claimed.run_id

    def make() -> AgentInstance:
        tracer.enter(run_id)
        return _begin(assignment)

    def finish(outcome: Outcome) -> None:
        tracer.finished(run_id)
        assignment.finish(outcome)

    return replace(assignment, make=make, finish=finish)


class _Error(msgspec.Struct):
    code: str


class _Ending(msgspec.Struct):
    attempt: int
    reason: str | None = None
    verdict: str | None = None
    error: _Error | None = None


class _Terminal(msgspec.Struct):
    data: _Ending


_decode = msgspec.json.Decoder(_Terminal).decode


def _log_end(published: Published, ending: _Ending, attempt: Attempt | None, took_s: float | None) -> None:
    facts = {
        "agent": None if attempt is None else attempt.claimed.agent,
        "attempt": ending.attempt,
        "ms": None if took_s is None else round(took_s * 1000),
        "reason": ending.reason,
        "verdict": ending.verdict,
        "error": None if ending.error is None else ending.error.code,
    }
    told = {name: value for name, value in facts.items() if value is not None}
    tell = log.warning if published.status is RunStatus.FAILED else log.info
    thread_id = None if attempt is None else attempt.claimed.thread_id
    tell("run.ended", run_id=published.run_id, thread_id=thread_id, status=published.status.value, **told)
