"""What users save by name, in SQL. Floor 4.

Threads: coroutines on the server's loop, functions that take a ``Transaction`` on the writer, those that take a
connection on a reader. A row is a version; the newest is the one without a successor.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from runwire.contracts.actors import User
from runwire.contracts.saved import Draft, Kind, Saved, SavedPage
from runwire.errors import Conflict, NotFound, OverCapacity
from runwire.persistence.reader import ReaderPool
from runwire.persistence.sentences import forget_task
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import LogWriter

T = TypeVar("T")

OF_ONE_USER = 5_000
"""Most things of one kind that a user saves; a guess."""
KEPT_VERSIONS = 500
"""Versions kept of each; older ones go. A guess: a change each hour of three weeks."""

_WHERE = "owner_id = ? AND kind = ? AND id = ?"
_COLUMNS = "kind, id, name, version, body, created_ms"
_NEWEST = f"SELECT {_COLUMNS} FROM saved WHERE {_WHERE} ORDER BY version DESC LIMIT 1"
_ONE = f"SELECT {_COLUMNS} FROM saved WHERE {_WHERE} AND version = ?"
_VERSIONS = f"SELECT kind, id, name, version, x'', created_ms FROM saved WHERE {_WHERE} ORDER BY version DESC"
_LIST = (
    f"SELECT {_COLUMNS} FROM saved AS newest WHERE owner_id = ? AND kind = ? AND id > ? AND version ="
    " (SELECT max(version) FROM saved WHERE owner_id = newest.owner_id AND kind = newest.kind AND id = newest.id)"
    " ORDER BY id LIMIT ?"
)
_COUNT = "SELECT count(DISTINCT id) FROM saved WHERE owner_id = ? AND kind = ?"
_INSERT = f"INSERT INTO saved (owner_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_FORGET_OLD = f"DELETE FROM saved WHERE {_WHERE} AND version <= ?"
_DELETE = f"DELETE FROM saved WHERE {_WHERE}"
_EXISTS = f"SELECT 1 FROM saved WHERE {_WHERE} LIMIT 1"


class SqlSavedStore:
    """Implements ``contracts.saved.SavedStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool) -> None:
        self._writer = writer
        self._readers = readers

    async def create(self, drafts: Sequence[Draft], actor: User) -> Sequence[Saved]:
        """Save version 1 of each; see the contract."""

        def apply(tx: Transaction) -> list[Saved]:
            first = tx.run(_NEWEST, (actor.id, drafts[0].kind, drafts[0].id)).fetchone()
            if first is not None and _is_repeated(_saved(first, drafts[0].kind, ""), drafts[0]):
                return [_saved(first, drafts[0].kind, "")]
            for draft in drafts:
                _check_new(tx, draft, actor)
            return [_insert(tx, draft, actor, 1) for draft in drafts]

        return await self._writer.write(apply)

    async def replace(self, draft: Draft, actor: User, expected: int | None) -> Saved:
        """Save the next version; see the contract."""

        def apply(tx: Transaction) -> Saved:
            key = (actor.id, draft.kind, draft.id)
            newest = _saved(tx.run(_NEWEST, key).fetchone(), draft.kind, draft.id)
            if expected is not None and newest.version != expected:
                raise Conflict(f"the newest version is {newest.version}, not {expected}", version=newest.version)
            if (newest.body, newest.name) == (draft.body, draft.name):
                return newest
            tx.run(_FORGET_OLD, (*key, newest.version + 1 - KEPT_VERSIONS))
            return _insert(tx, draft, actor, newest.version + 1)

        return await self._writer.write(apply)

    async def get(self, kind: Kind, id: str, actor: User, version: int | None = None) -> Saved:
        """Return a version."""
        statement, more = (_NEWEST, ()) if version is None else (_ONE, (version,))
        row = await self._readers.run(
            lambda connection: connection.exec_driver_sql(statement, (actor.id, kind, id, *more)).one_or_none()
        )
        return _saved(row, kind, id)

    async def list(self, kind: Kind, actor: User, after: str, limit: int) -> SavedPage:
        """Return a page of the newest versions."""

        def read(connection: sa.Connection) -> SavedPage:
            rows = connection.exec_driver_sql(_LIST, (actor.id, kind, after, limit + 1)).all()
            data = [_saved(row, kind, "") for row in rows[:limit]]
            return SavedPage(data, data[-1].id if len(rows) > limit else None)

        return await self._readers.run(read)

    async def versions(self, kind: Kind, id: str, actor: User) -> Sequence[Saved]:
        """Return the versions without their bodies."""
        rows = await self._readers.run(
            lambda connection: connection.exec_driver_sql(_VERSIONS, (actor.id, kind, id)).all()
        )
        if not rows:
            raise NotFound(f"no {kind} {id[:80]}")
        return [_saved(row, kind, id) for row in rows]

    async def delete(self, things: Sequence[tuple[Kind, str]], actor: User) -> int:
        """Delete those; see the contract."""
        return await self._writer.write(partial(_delete, things, actor))


def _is_repeated(there: Saved, draft: Draft) -> bool:
    """Return whether a draft is what was saved: its first answer may have been lost on the way."""
    return (there.version, there.name, there.body) == (1, draft.name, draft.body)


def _check_new(tx: Transaction, draft: Draft, actor: User) -> None:
    if tx.run(_EXISTS, (actor.id, draft.kind, draft.id)).fetchone() is not None:
        raise Conflict(f"there is a {draft.kind} {draft.id} already; change it with PUT, or choose another id")
    if tx.run(_COUNT, (actor.id, draft.kind)).fetchone()[0] >= OF_ONE_USER:
        raise OverCapacity(f"you have saved {OF_ONE_USER} of the kind {draft.kind}; delete some", retry_after_s=60.0)


def _insert(tx: Transaction, draft: Draft, actor: User, version: int) -> Saved:
    tx.run(_INSERT, (actor.id, draft.kind, draft.id, draft.name, version, draft.body, tx.now_ms))
    return Saved(draft.kind, draft.id, draft.name, version, draft.body, tx.now_ms)


def _delete(things: Sequence[tuple[Kind, str]], actor: User, tx: Transaction) -> int:
    for kind, id in things:
        if kind is Kind.TASK:
            forget_task(tx, actor.id, id)
    return sum(tx.run(_DELETE, (actor.id, *thing)).rowcount > 0 for thing in things)


def _saved(row: Any, kind: Kind, id: str) -> Saved:
    if row is None:
        raise NotFound(f"no {kind} {id[:80]}")
    return Saved(Kind(row[0]), *row[1:])
