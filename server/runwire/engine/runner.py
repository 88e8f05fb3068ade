"""The thread that executes runs, one after the other, with its own asyncio loop. Floor 5; everything here runs on that
thread but :meth:`RunnerThread.assign` and :meth:`RunnerThread.retire`.

Whatever an agent does, the run's terminal state is handed to the store: a failing constructor, ``BaseException``, a
task that swallows cancellation. Only code that never returns is beyond this thread's reach; the watchdog outside
settles that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog

from runwire.agents.factory import AgentInstance
from runwire.agents.registry import AgentStyle
from runwire.contracts.agent import AgentFailure, AgentResult
from runwire.engine.cancellation import StopToken
from runwire.engine.context import BlockingRunContext, LiveRunContext
from runwire.engine.daemon_executor import RunnerLoop
from runwire.engine.outcome import outcome_of_error, outcome_of_result, outcome_of_stop
from runwire.errors import RunwireError
from runwire.protocol.codec import decode_body
from runwire.runs.limits import RunLimits
from runwire.runs.record import ClaimedRun, Outcome
from runwire.threads import OwnedThread, WorkQueue

log = structlog.get_logger(__name__)

KEEP_IDLE_S = 60.0
"""How long a runner waits for another run of the same user and agent before its thread ends."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt, ready to execute: ``make`` builds the agent instance and may fail as its constructor does.

    ``give_up_s``: how long a stop may take before the run is ended without its thread (None: as long as the
    dispatcher's grace).
    """

    claimed: ClaimedRun
    stop: StopToken
    make: Callable[[], AgentInstance]
    live_context: Callable[[asyncio.AbstractEventLoop], LiveRunContext]
    blocking_context: Callable[[], BlockingRunContext]
    finish: Callable[[Outcome], None]
    cleanup_timeout_s: float
    limits: RunLimits
    give_up_s: float | None = None


class IdleRunners(Protocol):
    """Where a runner waits for another run. Both methods are safe from any thread."""

    def offer(self, runner: RunnerThread) -> bool:
        """Take a runner that could execute another run; False: it is not wanted and should end."""

    def withdraw(self, runner: RunnerThread) -> bool:
        """Stop offering a runner; False: a run has just been given to it."""


class RunnerThread:
    """A daemon thread that executes assignments. Kept for another run only after a provably clean end."""

    def __init__(self, name: str, key: tuple[str, str], idle: IdleRunners) -> None:
        """``key`` is the user and agent that the thread works for: ``threading.local`` outlives a run."""
        self.name = name
        self.key = key
        self._idle = idle
        self._inbox: WorkQueue[Assignment | None] = WorkQueue()
        self._thread = OwnedThread(name, self._work)
        self._retired = False
        self._given = self._ended = 0  # counted apart: each by the one thread that changes it

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, limit_s: float) -> bool:
        """Wait at most ``limit_s`` seconds for the end of a retired thread; return whether it has ended."""
        return self._thread.join(limit_s)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.alive

    @property
    def died(self) -> bool:
        """Whether the thread has gone without handing in the end of a run that it was given. One that has handed it
        in may go before that end is stored.
        """
        return not self.alive and self._ended != self._given

    def assign(self, assignment: Assignment) -> None:
        """Give it a run; any thread, only while it is free."""
        self._given += 1
        self._inbox.put(assignment)

    @property
    def retired(self) -> bool:
        """Whether it is to take no other run."""
        return self._retired

    def retire(self) -> None:
        """Let it end after what it does now; any thread."""
        self._retired = True
        self._inbox.put(None)

    def _work(self) -> None:
        loop = RunnerLoop(self.name)
        asyncio.set_event_loop(loop)
        try:
            while (assignment := self._next()) is not None:
                outcome, clean = execute(loop, assignment)
                # Offer first, then end: the slot that the end gives back may be claimed for this very thread at once.
                keep = clean and self._idle.offer(self)
                assignment.finish(outcome)
                self._ended += 1
                if not keep:
                    return
        finally:
            loop.close()

    def _next(self) -> Assignment | None:
        while True:
            assignment = self._inbox.take(KEEP_IDLE_S)
            if assignment is not None or self._retired or self._idle.withdraw(self):
                return assignment


def execute(loop: RunnerLoop, assignment: Assignment) -> tuple[Outcome, bool]:
    """Execute one attempt on the calling thread; return how the run ended, and whether thread and loop are as clean as
    before. Raises nothing.
    """
    try:
        instance = assignment.make()
    except BaseException as error:  # the agent's constructor may raise anything, and the run must end all the same
        return Outcome.failed("startup_failed", f"the agent could not be made: {_told(error)}"), False
    try:
        arguments = decode_body(assignment.claimed.input)
        if instance.style is AgentStyle.FUNCTION:
            return _call_function(assignment, instance, arguments), False
        execution = _Execution(loop, assignment, instance, arguments)
        try:
            return execution.run()
        except BaseException as error:  # SystemExit and KeyboardInterrupt of a task leave run_until_complete
            loop.run_until_complete(execution.abandon())
            return outcome_of_error(error), False
    except BaseException as error:  # the edge between the agent's code and ours; the run must end all the same
        return outcome_of_error(error), False
    finally:
        assignment.stop.arm(None)


def _call_function(assignment: Assignment, instance: AgentInstance, arguments: Any) -> Outcome:
    context = assignment.blocking_context()
    try:
        returned = instance.call(context, arguments)
        context.close_message()
    except BaseException as error:  # as above
        return outcome_of_stop(assignment.stop) or outcome_of_error(error)
    return outcome_of_stop(assignment.stop) or outcome_of_result(returned)


class _Execution:
    """One run on the runner's loop: the agent's task, its stop, and the clearing up behind it."""

    def __init__(self, loop: RunnerLoop, assignment: Assignment, instance: AgentInstance, arguments: Any) -> None:
        self._loop = loop
        self._assignment = assignment
        self._instance = instance
        self._arguments = arguments
        self._context = assignment.live_context(loop)

    def run(self) -> tuple[Outcome, bool]:
        """Return how the run ended, and whether the loop is clean. An agent that left nothing behind costs no further
        turn of the loop: each gives the interpreter lock away.
        """
        task = self._loop.create_task(self._guarded(), name=f"run-{self._assignment.claimed.run_id}")
        self._assignment.stop.arm(partial(self._stop, task))
        outcome = self._loop.run_until_complete(task)
        if self._loop.is_clean and not self._context.message_open:
            return outcome, True
        return outcome, self._loop.run_until_complete(self._tidy())

    async def _tidy(self) -> bool:
        """Clear up behind the agent and end the message that it left open; return whether the loop is clean."""
        clean = await self._clear_up()
        try:
            async with asyncio.timeout(self._assignment.cleanup_timeout_s):
                await self._context.close_message()
        except (RunwireError, TimeoutError) as error:
            log.warning("run.message_not_closed", run_id=self._assignment.claimed.run_id, error=str(error))
        return clean

    async def abandon(self) -> None:
        """Clear up behind a task that left :meth:`run` half-way: the agent's own ``finally`` still has its turn."""
        await self._clear_up()

    def _stop(self, task: asyncio.Task[Outcome]) -> None:
        """Cancel the agent's task; called from any thread, also after the loop has closed behind an abandoned run."""
        try:
            self._loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:
            log.debug("run.stop_too_late", run_id=self._assignment.claimed.run_id)

    async def _guarded(self) -> Outcome:
        """Call the agent and turn whatever happens into an outcome, inside the task: nothing may leave it."""
        stop = self._assignment.stop
        try:
            returned = await self._call()
        except asyncio.CancelledError:
            return outcome_of_stop(stop) or Outcome.failed("agent_error", "the agent cancelled itself")
        except BaseException as error:  # the edge between the agent's code and ours
            return outcome_of_stop(stop) or outcome_of_error(error)
        return outcome_of_stop(stop) or outcome_of_result(returned)

    async def _call(self) -> Any:
        call, context = self._instance.call, self._context
        if self._instance.style is AgentStyle.COROUTINE:
            return await call(context, self._arguments)
        stream = call(context, self._arguments)
        try:
            async for item in stream:
                if isinstance(item, str):
                    await context.text(item)
                elif isinstance(item, AgentResult):
                    return item
                else:
                    await context.emit(item)
        finally:
            await stream.aclose()
        return None

    async def _clear_up(self) -> bool:
        """Cancel what the agent left behind, within a bound; return whether nothing is left."""
        limit_s = self._assignment.cleanup_timeout_s
        current = asyncio.current_task()
        left = {task for task in self._loop.tasks if task is not current}
        for task in left:
            task.cancel()
        stubborn: set[asyncio.Task[Any]] = set()
        if left:
            _, stubborn = await asyncio.wait(left, timeout=limit_s)
        if not await self._loop.close_asyncgens(limit_s):
            return False
        if stubborn or self._loop.daemons.busy:
            run_id = self._assignment.claimed.run_id
            log.warning("run.left_behind", run_id=run_id, tasks=len(stubborn), threads=self._loop.daemons.busy)
            return False
        return True


def _told(error: BaseException) -> str:
    if isinstance(error, (RunwireError, AgentFailure)):
        return error.message
    return f"{type(error).__name__}: {error}"[:500]
