"""Runs of saved tests and of suites, in SQL. Floor 4.

Threads: coroutines on the server's loop, functions that take a ``Transaction`` on the writer, those that take a
connection on a reader. What a run carries out is stored in the run's own transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

import sqlalchemy as sa

from runwire.contracts.actors import User
from runwire.contracts.run_store import Created
from runwire.contracts.test_runs import SuiteMember, SuiteRun, SuiteRunPage, TaskLink
from runwire.errors import NotFound, RunIdTaken
from runwire.persistence.reader import ReaderPool
from runwire.persistence.run_store import parse_mark
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import LogWriter
from runwire.runs.record import NewRun
from runwire.runs.state import RunStatus, Verdict

_LINK = "run_id, name, task_id, task_version, configuration, suite_run_id, position"
_INSERT_LINK = f"INSERT INTO test_runs ({_LINK}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_INSERT_SUITE = "INSERT INTO suite_runs (id, owner_id, name, suite_id, created_ms, runs) VALUES (?, ?, ?, ?, ?, ?)"
_SUITE_COLUMNS = "id, name, suite_id, created_ms, runs"
_SUITE = f"SELECT {_SUITE_COLUMNS} FROM suite_runs WHERE id = ? AND owner_id = ?"
# The verdict alone is taken out of the terminal state, which may hold a long result.
_MEMBERS = (
    "SELECT run_id, name, task_id, task_version, configuration, suite_run_id, position, status,"
    " json_extract(CAST(terminal AS TEXT), '$.verdict'), started_ms, ended_ms"
    " FROM test_runs JOIN runs ON runs.id = run_id WHERE suite_run_id = ? AND owner_id = ? ORDER BY position"
)
_SUITE_OWNER = "SELECT owner_id, name, suite_id, runs FROM suite_runs WHERE id = ?"
T = TypeVar("T")


class RunCreation(Protocol):
    """What is asked of the store of runs, on the writer."""

    def create_in(self, tx: Transaction, new: NewRun, actor: User) -> Created:
        """Store one run."""

    def check_room(self, tx: Transaction, owner_id: str, runs: int) -> None:
        """Raises OverCapacity unless so many more runs of the owner may wait."""


class SqlTestRunStore:
    """Implements ``contracts.test_runs.TestRunStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool, runs: RunCreation) -> None:
        self._writer = writer
        self._readers = readers
        self._runs = runs

    async def start(self, new: NewRun, link: TaskLink, actor: User) -> Created:
        """Store a run with what it carries out."""
        return await self._write(partial(self._start, new, link, actor))

    def _start(self, new: NewRun, link: TaskLink, actor: User, tx: Transaction) -> Created:
        created = self._runs.create_in(tx, new, actor)
        if not created.existed:
            values = (link.task_id, link.task_version, link.configuration, link.suite_run_id, link.position)
            tx.run(_INSERT_LINK, (link.run_id, link.name, *values))
        return created

    async def start_suite(self, suite: SuiteRun, runs: Sequence[tuple[NewRun, TaskLink]], actor: User) -> bool:
        """Store a suite run and its runs; see the contract."""

        def apply(tx: Transaction) -> bool:
            there = tx.run(_SUITE_OWNER, (suite.id,)).fetchone()
            if there is not None:
                if tuple(there) != (actor.id, suite.name, suite.suite_id, suite.runs):
                    raise RunIdTaken(f"the id {suite.id} names another suite run; choose a new one", id=suite.id)
                return True
            self._runs.check_room(tx, actor.id, len(runs))  # nothing may be refused once the first is in
            for new, link in runs:
                self._start(new, link, actor, tx)
            tx.run(_INSERT_SUITE, (suite.id, actor.id, suite.name, suite.suite_id, tx.now_ms, suite.runs))
            return False

        return await self._write(apply)

    async def _write(self, apply: Callable[[Transaction], T]) -> T:
        self._writer.refuse_if_stalled()
        return await self._writer.write(apply)

    async def links(self, run_ids: Sequence[str], actor: User) -> Mapping[str, TaskLink]:
        """Return what the actor's runs carry out."""
        statement = (
            f"SELECT {_LINK} FROM test_runs JOIN runs ON runs.id = run_id WHERE owner_id = ?"
            f" AND run_id IN ({', '.join('?' * len(run_ids))})"
        )
        rows = await self._readers.run(
            lambda connection: connection.exec_driver_sql(statement, (actor.id, *run_ids)).all()
        )
        return {row[0]: TaskLink(*row) for row in rows}

    async def suite_run(self, suite_run_id: str, actor: User) -> SuiteRun:
        """Return one."""
        return await self._readers.run(partial(_suite_run, suite_run_id, actor))

    async def members(self, suite_run_id: str, actor: User) -> Sequence[SuiteMember]:
        """Return its runs, from one read."""

        def read(connection: sa.Connection) -> list[SuiteMember]:
            _suite_run(suite_run_id, actor, connection)
            rows = connection.exec_driver_sql(_MEMBERS, (suite_run_id, actor.id)).all()
            return [
                SuiteMember(
                    TaskLink(*row[:7]), RunStatus(row[7]), None if row[8] is None else Verdict(row[8]), row[9], row[10]
                )
                for row in rows
            ]

        return await self._readers.run(read)

    async def suite_runs(self, actor: User, before: str | None, limit: int) -> SuiteRunPage:
        """Return a page of the actor's suite runs."""
        where, values = ("", ()) if before is None else (" AND (created_ms, id) < (?, ?)", parse_mark(before))
        statement = (
            f"SELECT {_SUITE_COLUMNS} FROM suite_runs WHERE owner_id = ?{where}"
            " ORDER BY created_ms DESC, id DESC LIMIT ?"
        )
        rows = await self._readers.run(
            lambda connection: connection.exec_driver_sql(statement, (actor.id, *values, limit + 1)).all()
        )
        data = [SuiteRun(*row) for row in rows[:limit]]
        return SuiteRunPage(data, f"{data[-1].created_ms}.{data[-1].id}" if len(rows) > limit else None)


def _suite_run(suite_run_id: str, actor: User, connection: sa.Connection) -> SuiteRun:
    row = connection.exec_driver_sql(_SUITE, (suite_run_id, actor.id)).one_or_none()
    if row is None:
        raise NotFound(f"no suite run {suite_run_id[:64]}")
    return SuiteRun(*row)
