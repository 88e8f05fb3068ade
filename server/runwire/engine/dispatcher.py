"""Gives claimed runs to runner threads, and takes threads back from runs that do not stop. Floor 5.

Threads: :meth:`dispatch` is called on the log's writer thread, :meth:`offer` and :meth:`withdraw` on runner threads,
everything else on the server's loop, which also holds the timers: a deadline is kept outside the thread that it limits.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from runwire.contracts.event_log import Published
from runwire.contracts.run_store import RunStore
from runwire.engine.cancellation import StopReason
from runwire.engine.idle_watch import IdleWatch
from runwire.engine.runner import Assignment, RunnerThread
from runwire.errors import LimitExceeded
from runwire.runs.record import ClaimedRun, Outcome
from runwire.runs.state import ACTIVE, RunStatus

log = structlog.get_logger(__name__)

_STUCK_ADVICE = (
    "the run's code did not stop within {grace:g} s after it was asked to; its thread cannot be ended from outside. "
    'Look for a blocking call that should be awaited, or bounded; with isolation="process" the agent can be killed'
)
_PROCESS_ADVICE = "the system has not ended the run's processes within {grace:g} s, although they were sent SIGKILL"


_STUCK_CODES = {
    StopReason.TIMEOUT: "timeout",
    StopReason.DRAIN: "interrupted",
    StopReason.LIMIT: "limit_exceeded",
}


@dataclass(slots=True)
class _Active:
    """One attempt under way: who executes it, and the timer that watches it (the loop's)."""

    assignment: Assignment
    runner: RunnerThread
    timer: asyncio.TimerHandle | None = None
    left_s: float | None = None
    """What is left of its time limit while that stands still."""
    held: bool = False
    """A person has its browser."""


class ThreadDispatcher:
    """Executes runs on daemon threads of this process."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: RunStore,
        assignment_for: Callable[[ClaimedRun], Assignment],
        *,
        cancel_grace_s: float,
        idle_threads: int,
    ) -> None:
        """``idle_threads`` bounds the warm threads that wait for another run of their user and agent."""
        self._loop = loop
        self._store = store
        self._assignment_for = assignment_for
        self._cancel_grace_s = cancel_grace_s
        self._idle_threads = idle_threads
        self._lock = threading.Lock()
        self._active: dict[str, _Active] = {}
        self._idle: dict[tuple[str, str], list[RunnerThread]] = {}
        self._idle_count = 0
        self._stuck: list[RunnerThread] = []
        self._waiting: set[str] = set()
        """The runs that wait for a person (the loop's)."""
        self._numbers = itertools.count(1)
        self._idle_waiters: set[asyncio.Future[None]] = set()
        self.idle = IdleWatch(loop, lambda run_id, error: self.request_stop(run_id, StopReason.LIMIT, error))

    # On the writer's thread

    def dispatch(self, claimed: list[ClaimedRun]) -> None:
        """Start every claimed run. Bounded by the slots: a claim exists only where one was free."""
        for run in claimed:
            try:
                self._begin(run)
            except Exception as error:  # no thread to be had: the run ends with that truth, the writer goes on
                log.exception("run.not_started", run_id=run.run_id)
                outcome = Outcome.failed("startup_failed", f"no thread could be started: {error}", retryable=True)
                self._store.finish(run.run_id, run.fence, outcome)

    def _begin(self, run: ClaimedRun) -> None:
        assignment = self._assignment_for(run)
        with self._lock:
            runner = self._runner_for((run.owner_id, run.agent))
            self._active[run.run_id] = _Active(assignment, runner)
        # Outside the lock: giving it wakes its thread, and others would wait for the lock until that has had its turn.
        # Nobody takes it back meanwhile: it is among the idle ones no longer.
        runner.assign(assignment)

    def _runner_for(self, key: tuple[str, str]) -> RunnerThread:
        """Return an idle runner or a new one; under the lock."""
        waiting = self._idle.get(key)
        if waiting:
            runner = waiting[-1]
            self._take_out(runner)
            return runner
        runner = RunnerThread(f"runwire-runner-{next(self._numbers)}", key, self)
        runner.start()
        return runner

    # On runner threads

    def offer(self, runner: RunnerThread) -> bool:
        """Keep a clean runner for another run of its user and agent; the longest idle one makes room."""
        evicted: RunnerThread | None = None
        with self._lock:
            if runner.retired:
                return False
            if self._idle_count >= self._idle_threads:
                evicted = next(iter(self._idle.values()))[0]
                self._take_out(evicted)
            self._idle.setdefault(runner.key, []).append(runner)
            self._idle_count += 1
        if evicted is not None:
            evicted.retire()
        return True

    def withdraw(self, runner: RunnerThread) -> bool:
        """Take an idle runner out; False if a run has just been given to it."""
        with self._lock:
            return self._take_out(runner)

    def _take_out(self, runner: RunnerThread) -> bool:
        """Take a runner out of the idle ones, under the lock; False if it is none of them."""
        waiting = self._idle.get(runner.key, [])
        if runner not in waiting:
            return False
        waiting.remove(runner)
        self._idle_count -= 1
        if not waiting:
            del self._idle[runner.key]
        return True

    # On the loop

    def on_published(self, published: Published) -> None:
        """Forget a run that is held no longer; the bridge calls this with every commit."""
        if self.idle:
            self.idle.on_published(published)
        if published.ended and published.status is not RunStatus.SUCCEEDED:
            self._stop_children(published.run_id)
        if published.status in ACTIVE:
            if published.status is RunStatus.WAITING or self._waiting:
                self._keep_time(published)
            return
        with self._lock:
            active = self._active.get(published.run_id)
            if active is not None and not _released(active.assignment.claimed, published):
                return  # the entries of an earlier attempt: the run has been claimed again meanwhile
            self._active.pop(published.run_id, None)
        self._waiting.discard(published.run_id)
        if active is not None and active.timer is not None:
            active.timer.cancel()
        self._tell_if_idle()

    def _keep_time(self, published: Published) -> None:
        """Stop a run's clock while it waits for a person, and let it go on with what is left."""
        run_id = published.run_id
        active = self._active.get(run_id)
        if active is None or published.fence != active.assignment.claimed.fence:
            return
        if active.timer is None or active.assignment.stop.reason is not None:
            return  # what runs now is the time to stop
        if published.status is RunStatus.WAITING and run_id not in self._waiting:
            self._stop_clock(active)
            self._waiting.add(run_id)
            self._tell_if_idle()
        elif published.status is RunStatus.RUNNING and run_id in self._waiting:
            self._waiting.discard(run_id)
            self._start_clock(active)

    def _tell_if_idle(self) -> None:
        if self._is_idle:
            for waiter in tuple(self._idle_waiters):
                if not waiter.done():
                    waiter.set_result(None)

    @property
    def _is_idle(self) -> bool:
        return len(self._active) == len(self._waiting)

    async def wait_idle(self) -> None:
        """Wait until no run is executed here but those that wait for a person. With claims paused it stays so."""
        while not self._is_idle:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._idle_waiters.add(waiter)
            try:
                await waiter
            finally:
                self._idle_waiters.discard(waiter)

    def watch(self, claimed: list[ClaimedRun]) -> None:
        """Limit the time of runs that were dispatched."""
        for run in claimed:
            active = self._active.get(run.run_id)
            if active is None or active.assignment.claimed is not run:
                continue  # no thread was to be had
            self._waiting.discard(run.run_id)  # an earlier attempt's
            active.timer = self._loop.call_later(run.timeout_s, self._stop, active, StopReason.TIMEOUT)
            limit_s = active.assignment.limits.idle_timeout_s
            if limit_s is not None:
                self.idle.begin(run.run_id, limit_s)

    def hold_clock(self, run_id: str) -> None:
        """Let the run's limits of time stand still: a person has its browser. Nothing if it is not executed here."""
        active = self._active.get(run_id)
        if active is not None:
            active.held = True
            self._stop_clock(active)
            self.idle.hold(run_id, held=True)

    def resume_clock(self, run_id: str) -> None:
        """Let them go on. Idempotent."""
        active = self._active.get(run_id)
        if active is not None:
            active.held = False
            self._start_clock(active)
            self.idle.hold(run_id, held=False)

    def _stop_clock(self, active: _Active) -> None:
        if active.timer is not None and active.left_s is None and active.assignment.stop.reason is None:
            active.timer.cancel()
            active.left_s = max(0.0, active.timer.when() - self._loop.time())

    def _start_clock(self, active: _Active) -> None:
        """Let it go on with what is left, unless the run still waits or a person still has its browser."""
        if active.left_s is None or active.held or active.assignment.claimed.run_id in self._waiting:
            return
        if active.assignment.stop.reason is None:
            active.timer = self._loop.call_later(active.left_s, self._stop, active, StopReason.TIMEOUT)
        active.left_s = None

    def fence_of(self, run_id: str) -> int | None:
        """Return the fence under which the run is executed here; None if it is not."""
        active = self._active.get(run_id)
        return None if active is None else active.assignment.claimed.fence

    def _is_current(self, active: _Active) -> bool:
        return self._active.get(active.assignment.claimed.run_id) is active

    def request_stop(self, run_id: str, reason: StopReason, exceeded: LimitExceeded | None = None) -> bool:
        """Ask a run to stop; False if it is not executed here (any more). After the grace time it is ended from
        outside.
        """
        active = self._active.get(run_id)
        if active is None:
            return False
        self._stop(active, reason, exceeded)
        return True

    def _stop(self, active: _Active, reason: StopReason, exceeded: LimitExceeded | None = None) -> None:
        if not active.assignment.stop.request(reason, exceeded):
            return
        if active.timer is not None:
            active.timer.cancel()
        self._waiting.discard(active.assignment.claimed.run_id)
        active.timer = self._loop.call_later(self._patience_s(active), self._give_up, active)

    def _patience_s(self, active: _Active) -> float:
        given = active.assignment.give_up_s
        return self._cancel_grace_s if given is None else given

    def _stop_children(self, run_id: str) -> None:
        for active in tuple(self._active.values()):
            if active.assignment.claimed.parent_id == run_id:
                self._stop(active, StopReason.PARENT)

    def _give_up(self, active: _Active) -> None:
        """Write the truth about a run whose thread does not stop, and do without that thread."""
        if not self._is_current(active):
            return
        claimed, reason = active.assignment.claimed, active.assignment.stop.reason
        text = _STUCK_ADVICE if active.assignment.give_up_s is None else _PROCESS_ADVICE
        advice = text.format(grace=self._patience_s(active))
        code = _STUCK_CODES.get(reason or StopReason.CANCEL, "stuck_thread")
        log.error("run.stuck_thread", run_id=claimed.run_id, thread=active.runner.name, reason=reason)
        self._stuck = [runner for runner in self._stuck if runner.alive]
        self._stuck.append(active.runner)
        with self._lock:  # it may be offering itself at this very moment
            active.runner.retire()
            self._take_out(active.runner)
        self._store.finish(claimed.run_id, claimed.fence, Outcome.failed(code, advice, limit=_limit_of(active)))

    def settle_dead_threads(self) -> None:
        """End the runs whose thread has died without ending them: a defect of ours, told as ``worker_lost``."""
        for active in tuple(self._active.values()):
            if active.runner.died:
                claimed = active.assignment.claimed
                log.error("run.thread_died", run_id=claimed.run_id, thread=active.runner.name)
                outcome = Outcome.failed("worker_lost", "the thread that executed this run is gone", retryable=True)
                self._store.finish(claimed.run_id, claimed.fence, outcome)

    @property
    def stuck_threads(self) -> int:
        """How many abandoned threads still run."""
        return sum(runner.alive for runner in self._stuck)

    @property
    def active_runs(self) -> list[ClaimedRun]:
        """The runs that are executed here now."""
        with self._lock:
            return [active.assignment.claimed for active in self._active.values()]

    def retire_active(self) -> list[RunnerThread]:
        """Let every thread that executes a run end after it, and return them; for shutdown."""
        with self._lock:
            runners = [active.runner for active in self._active.values()]
        for runner in runners:
            runner.retire()
        return runners

    def retire_idle(self) -> None:
        """Let every waiting thread end; for shutdown."""
        with self._lock:
            idle = [runner for waiting in self._idle.values() for runner in waiting]
            self._idle.clear()
            self._idle_count = 0
        for runner in idle:
            runner.retire()


def _limit_of(active: _Active) -> str | None:
    """Return the name of the limit for which the run was stopped, if it was one."""
    stop = active.assignment.stop
    if stop.exceeded is not None:
        return str(stop.exceeded.details["limit"])
    return "timeout_s" if stop.reason is StopReason.TIMEOUT else None


def _released(claimed: ClaimedRun, published: Published) -> bool:
    """Return whether ``published`` ended the claim: the run has ended, or went back to the queue under a newer
    fence.
    """
    return claimed.fence <= published.fence if published.ended else claimed.fence < published.fence
