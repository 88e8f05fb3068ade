"""Fires schedules: each firing is an ordinary run with an id that only that firing has. Floor 5; the server's loop.

It sleeps until the next schedule is due or one is changed. A server that is killed between a run's start and the note
of it starts that run again under the same id, which is the same run: exactly one for each firing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from runwire.clock import Clock
from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.run_store import Created, RunStore
from runwire.contracts.schedules import Fired, Schedule, ScheduleStore
from runwire.errors import CallerError, NotFound, WorldError
from runwire.protocol.commands import StartRun
from runwire.protocol.schedules import Missed, Overlap, firing_run_id, next_firing

log = structlog.get_logger(__name__)

DUE_AT_ONCE = 50
"""Schedules that one look takes; the next look follows at once."""

LATE_S = 60.0
"""How late a firing may be and still count as carried out in time; beyond that it was missed."""

LONGEST_SLEEP_S = 60.0
"""A sleep is cut here, while a schedule waits, because the wall clock may be set meanwhile."""

FAILED_LOOK_S = 5.0
"""Pause after a firing that could not be carried out now: the storage is away, or the server drains."""


class Schedules:
    """Owns the task that fires; every change of a schedule through it wakes that task."""

    def __init__(
        self,
        store: ScheduleStore,
        runs: RunStore,
        clock: Clock,
        *,
        cancel: Callable[[OwnedRun], Awaitable[object]],
    ) -> None:
        """``cancel`` asks a run to stop."""
        self.store = store
        self._runs = runs
        self._clock = clock
        self._cancel = cancel
        self._start_run: Callable[[StartRun, User, str], Awaitable[Created]] | None = None
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, start_run: Callable[[StartRun, User, str], Awaitable[Created]]) -> None:
        """Begin, with what was due while no server ran; ``start_run`` is the way of every start."""
        self._start_run = start_run
        self._task = asyncio.get_running_loop().create_task(self._work(), name="schedules")

    async def close(self) -> None:
        """Stop firing. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def wake(self) -> None:
        """Say that a schedule was added or changed."""
        self._woken.set()

    async def _work(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait_s = await self._look()
            except WorldError as error:
                log.warning("schedules.put_off", error=error.message)
                wait_s = FAILED_LOOK_S
            except Exception:  # the edge of a background task: what is due stays due
                log.exception("schedules.look_failed")
                wait_s = FAILED_LOOK_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _look(self) -> float | None:
        """Fire what is due; return after how many seconds to look again, None: when something is changed."""
        for schedule in await self.store.due(self._clock.now_ms(), DUE_AT_ONCE):
            await self.store.fired(await self._fire(schedule))
        next_ms = await self.store.next_ms()
        if next_ms is None:
            return None
        return min(max(next_ms - self._clock.now_ms(), 0) / 1000, LONGEST_SLEEP_S)

    async def _fire(self, schedule: Schedule) -> Fired:
        """Carry out one firing. Raises WorldError: not now."""
        assert schedule.next_ms is not None, "what is due has a time"
        due_ms, now_ms = schedule.next_ms, self._clock.now_ms()
        missed = now_ms - due_ms > LATE_S * 1000
        following = next_firing(schedule.cron, schedule.time_zone, now_ms if missed else due_ms)
        if missed and schedule.missed is Missed.SKIP:
            return self._without(schedule, following, "missed: no server ran at that time")
        user = User(schedule.owner_id)
        try:
            if not await self._has_room(schedule, user):
                return self._without(schedule, following, f"run {schedule.last_run_id} had not ended")
            run_id = firing_run_id(schedule.id, due_ms)
            assert self._start_run is not None, "start() comes first"
            await self._start_run(msgspec.structs.replace(schedule.run, run_id=run_id), user, run_id)
        except WorldError:
            raise
        except CallerError as error:  # its owner can mend it: no such agent any more, over a limit
            return self._without(schedule, following, f"{error.code}: {error.message}"[:500])
        except Exception as error:  # an agent's own check of the input may raise anything; the others still fire
            log.exception("schedule.failed", schedule=schedule.id)
            return self._without(schedule, following, f"failed: {type(error).__name__}")
        return Fired(schedule.id, due_ms, following, run_id, None)

    def _without(self, schedule: Schedule, following: int | None, reason: str) -> Fired:
        assert schedule.next_ms is not None, "what is due has a time"
        log.info("schedule.not_fired", schedule=schedule.id, reason=reason)
        return Fired(schedule.id, schedule.next_ms, following, None, reason)

    async def _has_room(self, schedule: Schedule, user: User) -> bool:
        """Return whether this firing may start although the last one's run may live."""
        if schedule.overlap is Overlap.ALLOW or schedule.last_run_id is None:
            return True
        try:
            last = await self._runs.get(schedule.last_run_id, user)
        except NotFound:  # deleted meanwhile
            return True
        if last.record.ended:
            return True
        if schedule.overlap is Overlap.SKIP:
            return False
        await self._cancel(last)
        return True
