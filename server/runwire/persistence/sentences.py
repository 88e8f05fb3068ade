"""What models made of sentences, in SQL. Floor 4.

Threads: ``recall`` and ``remember`` block the caller's, coroutines are the loop's, functions that take a
``Transaction`` run on the writer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import dropwhile, islice
from typing import Any

from sqlalchemy import Connection, Engine

from runwire.contracts.actors import User
from runwire.errors import NotFound, UnknownSentence
from runwire.persistence.reader import ReaderPool
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import Call, LogWriter
from runwire.protocol.readings import KeptReading, Reading, SentenceKey, kept_reading, scope_of_task
from runwire.threads import ReplyBox

OF_ONE_OWNER = 10_000
"""Most readings of one owner; a guess: twenty tests a day for a year."""
STORE_TIMEOUT_S = 35.0
"""How long a reading waits for its commit: a little more than the writer keeps trying."""

_WHERE = "owner_id = ? AND scope = ? AND sentence = ? AND occurrence = ?"
_SELECT = f"SELECT reading, model FROM sentences WHERE {_WHERE}"
_INSERT = (
    "INSERT INTO sentences (owner_id, scope, sentence, occurrence, reading, model, created_ms) VALUES (?,?,?,?,?,?,?)"
    " ON CONFLICT (owner_id, scope, sentence, occurrence)"
    " DO UPDATE SET reading = excluded.reading, model = excluded.model, created_ms = excluded.created_ms"
)
_FORGET_OLD = (
    "DELETE FROM sentences WHERE owner_id = ? AND (scope, sentence, occurrence) IN (SELECT scope, sentence, occurrence"
    " FROM sentences WHERE owner_id = ? ORDER BY created_ms DESC LIMIT -1 OFFSET ?)"
)

_COLUMNS = "scope, sentence, occurrence, reading, model, created_ms"
_NEWEST_FIRST = "ORDER BY created_ms DESC, scope DESC, sentence DESC, occurrence DESC"
_LIST = f"SELECT {_COLUMNS} FROM sentences WHERE owner_id = ? {_NEWEST_FIRST}"
_OF_TASK = f"SELECT {_COLUMNS} FROM sentences WHERE owner_id = ? AND scope = ? {_NEWEST_FIRST}"


class SqlSentenceStore:
    """Implements ``contracts.sentences.SentenceStore``."""

    def __init__(self, writer: LogWriter, read_engine: Engine) -> None:
        self._writer = writer
        self._engine = read_engine

    def recall(self, owner_id: str, key: SentenceKey) -> Reading | None:
        """Return what the owner's sentence was read as, or None."""
        with self._engine.connect() as connection:
            row = connection.exec_driver_sql(_SELECT, (owner_id, *key)).one_or_none()
        return None if row is None else Reading(*row)

    def remember(self, owner_id: str, key: SentenceKey, reading: Reading) -> None:
        """Keep a reading; see the contract."""
        box: ReplyBox[None] = ReplyBox()

        def insert(tx: Transaction) -> None:
            tx.run(_INSERT, (owner_id, *key, *reading, tx.now_ms))
            tx.run(_FORGET_OLD, (owner_id, owner_id, OF_ONE_OWNER))

        self._writer.submit(Call(insert, box.resolve))
        box.wait(STORE_TIMEOUT_S)


class SqlReadingStore:
    """Implements ``contracts.sentences.ReadingStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool) -> None:
        self._writer = writer
        self._readers = readers

    async def list(self, owner: User, task_id: str | None, before: str | None, limit: int) -> Sequence[KeptReading]:
        """Return a page; see the contract. A later page costs as much as all before it: there are few."""
        statement, values = (_LIST, (owner.id,)) if task_id is None else (_OF_TASK, (owner.id, scope_of_task(task_id)))

        def read(connection: Connection) -> list[KeptReading]:
            with connection.exec_driver_sql(statement, values) as rows:
                found: Iterator[KeptReading] = (_kept(row) for row in rows)
                if before is not None:
                    found = islice(dropwhile(lambda one: one.id != before, found), 1, None)
                return list(islice(found, limit))

        return await self._readers.run(read)

    async def get(self, owner: User, reading_id: str) -> KeptReading:
        """Return one."""
        return _kept(await self._row(owner, reading_id))

    async def forget(self, owner: User, reading_id: str) -> None:
        """Forget one."""
        scope, sentence, occurrence, *_ = await self._row(owner, reading_id)

        def apply(tx: Transaction) -> None:
            if tx.run(f"DELETE FROM sentences WHERE {_WHERE}", (owner.id, scope, sentence, occurrence)).rowcount == 0:
                raise NotFound(f"no reading {reading_id[:64]}")

        await self._writer.write(apply)

    async def _row(self, owner: User, reading_id: str) -> Any:
        def read(connection: Connection) -> Any:
            with connection.exec_driver_sql(_LIST, (owner.id,)) as rows:
                return next((row for row in rows if _kept(row).id == reading_id), None)

        row = await self._readers.run(read)
        if row is None:
            raise NotFound(f"no reading {reading_id[:64]}")
        return row


def _kept(row: Any) -> KeptReading:
    scope, sentence, occurrence, reading, model, created_ms = row
    return kept_reading(SentenceKey(scope, sentence, occurrence), Reading(reading, model), created_ms)


def forget_task(tx: Transaction, owner_id: str, task_id: str) -> None:
    """Forget what was read of a saved test: another one may get its id."""
    tx.run("DELETE FROM sentences WHERE owner_id = ? AND scope = ?", (owner_id, scope_of_task(task_id)))


def check_sentences(tx: Transaction, owner_id: str, unread: UnknownSentence) -> None:
    """Accept a test whose sentences were all read by a model before. Raises ``unread`` if one was not."""
    for key in unread.sentences:
        if tx.run(_SELECT, (owner_id, *key)).fetchone() is None:
            raise unread
