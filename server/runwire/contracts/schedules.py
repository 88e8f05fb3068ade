"""The seam to schedules: runs that start again and again. Floor 3; coroutines of the server's loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runwire.contracts.actors import User
from runwire.protocol.commands import StartRun
from runwire.protocol.schedules import AddSchedule, Missed, Overlap


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as one read saw it. ``next_ms`` is when it fires next, None if paused or if no more comes; ``last_*``
    tell of the last firing: when it was due, its run, and why none was started. Times are Unix milliseconds."""

    id: str
    owner_id: str
    name: str
    cron: str
    time_zone: str
    run: StartRun
    missed: Missed
    overlap: Overlap
    paused: bool
    next_ms: int | None
    last_ms: int | None
    last_run_id: str | None
    last_error: str | None
    created_ms: int


@dataclass(frozen=True, slots=True)
class Fired:
    """What became of a firing that was due at ``due_ms``: the run, or why there is none."""

    schedule_id: str
    due_ms: int
    next_ms: int | None
    run_id: str | None
    error: str | None


class ScheduleStore(Protocol):
    """Schedules in the database. Somebody else's is absent."""

    async def add(self, owner: User, wanted: AddSchedule, next_ms: int | None) -> Schedule:
        """Store a schedule. Raises Conflict: the name is taken, or the user has as many as allowed."""

    async def list(self, owner: User) -> Sequence[Schedule]:
        """Return the owner's schedules, in the order of their names."""

    async def get(self, owner: User, schedule_id: str) -> Schedule:
        """Return one. Raises NotFound."""

    async def pause(self, owner: User, schedule_id: str, next_ms: int | None) -> None:
        """Let it fire at ``next_ms``, or with None pause it. Raises NotFound."""

    async def delete(self, owner: User, schedule_id: str) -> None:
        """Remove it; runs that it started stay. Raises NotFound."""

    async def due(self, now_ms: int, limit: int) -> Sequence[Schedule]:
        """Return schedules whose time has come."""

    async def next_ms(self) -> int | None:
        """Return when the next one fires, or None."""

    async def fired(self, fired: Fired) -> None:
        """Store a firing, unless the schedule was changed since it was due."""
