"""Schedules in SQL. Floor 4. Coroutines on the server's loop; functions that take a ``Transaction`` on the writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from runwire.clock import Clock
from runwire.contracts.actors import User
from runwire.contracts.schedules import Fired, Schedule
from runwire.errors import Conflict, NotFound
from runwire.ids import new_id
from runwire.persistence.reader import ReaderPool
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import LogWriter
from runwire.protocol.commands import StartRun
from runwire.protocol.schedules import AddSchedule, Missed, Overlap

T = TypeVar("T")

_COLUMNS = (
    "id, owner_id, name, cron, time_zone, run, missed, overlap, paused, next_ms, last_ms, last_run_id, last_error,"
    " created_ms"
)
_INSERT = f"INSERT INTO schedules ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_NAMES = "SELECT name FROM schedules WHERE owner_id = ?"
_LIST = f"SELECT {_COLUMNS} FROM schedules WHERE owner_id = ? ORDER BY name"
_GET = f"SELECT {_COLUMNS} FROM schedules WHERE id = ? AND owner_id = ?"
_PAUSE = "UPDATE schedules SET paused = ?, next_ms = ? WHERE id = ? AND owner_id = ?"
_DELETE = "DELETE FROM schedules WHERE id = ? AND owner_id = ?"
_DUE = f"SELECT {_COLUMNS} FROM schedules WHERE next_ms IS NOT NULL AND next_ms <= ? ORDER BY next_ms LIMIT ?"
_NEXT = "SELECT min(next_ms) FROM schedules WHERE next_ms IS NOT NULL"
_FIRED = (
    "UPDATE schedules SET next_ms = ?, last_ms = ?, last_run_id = coalesce(?, last_run_id), last_error = ?"
    " WHERE id = ? AND next_ms = ?"
)


class SqlScheduleStore:
    """Implements ``contracts.schedules.ScheduleStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool, clock: Clock, most_of_a_user: int) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._most = most_of_a_user

    async def add(self, owner: User, wanted: AddSchedule, next_ms: int | None) -> Schedule:
        """Store a schedule."""
        schedule = Schedule(
            id=new_id(),
            owner_id=owner.id,
            name=wanted.name,
            cron=wanted.cron,
            time_zone=wanted.time_zone,
            run=wanted.run,
            missed=wanted.missed,
            overlap=wanted.overlap,
            paused=False,
            next_ms=next_ms,
            last_ms=None,
            last_run_id=None,
            last_error=None,
            created_ms=self._clock.now_ms(),
        )

        def apply(tx: Transaction) -> None:
            names = [row[0] for row in tx.run(_NAMES, (owner.id,))]
            if wanted.name in names:
                raise Conflict(f"you have a schedule called {wanted.name}; delete it first, or choose another name")
            if len(names) >= self._most:
                raise Conflict(f"you have {len(names)} schedules, the limit; delete one")
            tx.run(_INSERT, _row(schedule))

        await self._writer.write(apply)
        return schedule

    async def list(self, owner: User) -> Sequence[Schedule]:
        """Return the owner's schedules."""
        return await self._read(_LIST, (owner.id,))

    async def get(self, owner: User, schedule_id: str) -> Schedule:
        """Return one."""
        found = await self._read(_GET, (schedule_id, owner.id))
        if not found:
            raise NotFound(f"no schedule {schedule_id[:64]}")
        return found[0]

    async def pause(self, owner: User, schedule_id: str, next_ms: int | None) -> None:
        """Let it fire at ``next_ms``, or with None pause it."""
        await self._change(_PAUSE, (next_ms is None, next_ms, schedule_id, owner.id), schedule_id)

    async def delete(self, owner: User, schedule_id: str) -> None:
        """Remove it."""
        await self._change(_DELETE, (schedule_id, owner.id), schedule_id)

    async def _change(self, statement: str, values: tuple[Any, ...], schedule_id: str) -> None:
        def apply(tx: Transaction) -> None:
            if tx.run(statement, values).rowcount == 0:
                raise NotFound(f"no schedule {schedule_id[:64]}")

        await self._writer.write(apply)

    async def due(self, now_ms: int, limit: int) -> Sequence[Schedule]:
        """Return schedules whose time has come."""
        return await self._read(_DUE, (now_ms, limit))

    async def next_ms(self) -> int | None:
        """Return when the next one fires, or None."""
        return await self._readers.run(lambda connection: connection.exec_driver_sql(_NEXT).scalar())

    async def fired(self, fired: Fired) -> None:
        """Store a firing, unless the schedule was changed since it was due."""
        values = (fired.next_ms, fired.due_ms, fired.run_id, fired.error, fired.schedule_id, fired.due_ms)

        def apply(tx: Transaction) -> None:
            tx.run(_FIRED, values)

        await self._writer.write(apply)

    async def _read(self, statement: str, values: tuple[Any, ...]) -> Sequence[Schedule]:
        rows = await self._readers.run(lambda connection: connection.exec_driver_sql(statement, values).all())
        return [_schedule(row) for row in rows]


def _row(schedule: Schedule) -> tuple[Any, ...]:
    return (
        schedule.id,
        schedule.owner_id,
        schedule.name,
        schedule.cron,
        schedule.time_zone,
        msgspec.json.encode(schedule.run),
        schedule.missed.value,
        schedule.overlap.value,
        schedule.paused,
        schedule.next_ms,
        schedule.last_ms,
        schedule.last_run_id,
        schedule.last_error,
        schedule.created_ms,
    )


def _schedule(row: Any) -> Schedule:
    schedule_id, owner_id, name, cron, time_zone, run, missed, overlap, paused, *rest = row
    command = msgspec.json.decode(run, type=StartRun)
    facts = (schedule_id, owner_id, name, cron, time_zone, command, Missed(missed), Overlap(overlap), bool(paused))
    return Schedule(*facts, *rest)
