"""Conversations in SQL: lists, titles, deletion. Floor 4. What searches is ``search``, what removes from the disk
``purge``.

Threads: coroutines on the server's loop, functions that take a ``Transaction`` on the writer, those that take a
connection on a reader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.conversations import Conversation, ConversationFilter, ConversationPage
from runwire.errors import Conflict, NotFound
from runwire.persistence import search
from runwire.persistence.purge import DOOMED, Purge
from runwire.persistence.reader import ReaderPool
from runwire.persistence.run_store import parse_mark
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import LogWriter
from runwire.runs.record import RunRecord
from runwire.runs.state import TERMINAL

T = TypeVar("T")
RecordOf = Callable[[sa.Connection, str], RunRecord | None]

_LIVE = f"status NOT IN ({', '.join(repr(status.value) for status in sorted(TERMINAL))})"
_COLUMNS = (
    "threads.id, coalesce(title, first_words), title IS NOT NULL, created_ms, active_ms,"
    " (SELECT count(*) FROM runs WHERE thread_id = threads.id),"
    f" (SELECT count(*) FROM runs WHERE thread_id = threads.id AND {_LIVE}),"
    " (SELECT id FROM runs WHERE thread_id = threads.id ORDER BY created_ms DESC, id DESC LIMIT 1)"
)
_OF_OWNER = "SELECT title FROM threads WHERE id = ? AND owner_id = ?"
_LIVE_RUNS = f"SELECT id FROM runs WHERE thread_id = ? AND {_LIVE}"
_RUNS = (
    "SELECT id FROM runs WHERE thread_id = ? AND owner_id = ? AND (created_ms, id) > (?, ?)"
    " ORDER BY created_ms, id LIMIT ?"
)
_RENAME = "UPDATE threads SET title = ? WHERE id = ?"
_DELETE_THREAD = "DELETE FROM threads WHERE id = ?"
_DELETE_TEXTS = "DELETE FROM search_texts WHERE thread_id = ?"
_DELETE_SHARES = "DELETE FROM shares WHERE thread_id = ?"
_DELETE_RUN_TEXT = "DELETE FROM search_texts WHERE run_id = ?"
_DOOM = f"UPDATE runs SET owner_id = '{DOOMED}', thread_id = '{DOOMED}' WHERE "
_FORGET = "DELETE FROM {0} WHERE run_id IN (SELECT id FROM runs WHERE {1} = ?)"
_TO_COME = ("unindexed", "webhook_deliveries")
"""What would still be done with a run: it is not, once the run is deleted."""


class SqlConversationStore:
    """Implements ``contracts.conversations.ConversationStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool, record_of: RecordOf, purge: Purge) -> None:
        """``record_of`` reads a run whose owner was checked."""
        self._writer = writer
        self._readers = readers
        self._record_of = record_of
        self._purge = purge

    async def list(self, actor: User, wanted: ConversationFilter) -> ConversationPage:
        """Return a page of the actor's conversations."""
        return await self._readers.run(partial(self._list, actor, wanted))

    def _list(self, actor: User, wanted: ConversationFilter, connection: sa.Connection) -> ConversationPage:
        columns, where, values = _COLUMNS, ["owner_id = ?"], [actor.id]
        source, begin = "threads", ""
        if wanted.query is not None:
            match = search.match_of(actor.id, wanted.query)
            begin, source, values = (
                search.FOUND,
                "found JOIN threads ON threads.id = found.thread_id",
                [match, actor.id],
            )
            columns += ", text_id"
        parameters: list[Any] = [*values]
        if wanted.before is not None:
            where.append("(active_ms, threads.id) < (?, ?)")
            parameters += parse_mark(wanted.before)
        statement = (
            f"{begin}SELECT {columns} FROM {source} WHERE {' AND '.join(where)}"
            " ORDER BY active_ms DESC, threads.id DESC LIMIT ?"
        )
        rows = connection.exec_driver_sql(statement, (*parameters, wanted.limit + 1)).all()
        shown = rows[: wanted.limit]
        found: dict[int, str] = {}
        if wanted.query is not None:
            found = search.snippets(connection, values[0], [row[8] for row in shown])
        page = [self._conversation(connection, row, found) for row in shown]
        more = len(rows) > wanted.limit
        return ConversationPage(page, f"{page[-1].active_ms}.{page[-1].id}" if more else None)

    def _conversation(self, connection: sa.Connection, row: Any, found: dict[int, str]) -> Conversation:
        thread_id, title, titled, created_ms, active_ms, runs, live, last_id, *text_id = row
        last = None if last_id is None else self._record_of(connection, last_id)
        snippet = found.get(text_id[0]) if text_id else None
        return Conversation(thread_id, title, bool(titled), created_ms, active_ms, runs, live, last, snippet)

    async def get(self, thread_id: str, actor: User) -> Conversation:
        """Return one conversation."""
        return await self._readers.run(partial(self._get, thread_id, actor))

    def _get(self, thread_id: str, actor: User, connection: sa.Connection) -> Conversation:
        statement = f"SELECT {_COLUMNS} FROM threads WHERE id = ? AND owner_id = ?"
        row = connection.exec_driver_sql(statement, (thread_id, actor.id)).one_or_none()
        if row is None:
            raise NotFound(f"no thread {thread_id[:64]}")
        return self._conversation(connection, row, {})

    async def live_runs(self, thread_id: str, actor: User) -> Sequence[str]:
        """Return the ids of its runs that have not ended."""
        return await self._readers.run(partial(_live_runs, thread_id, actor))

    async def runs(self, thread_id: str, actor: User, after: RunRecord | None, limit: int) -> Sequence[RunRecord]:
        """Return at most ``limit`` of its runs in the order of their start, those behind ``after``."""
        mark = (0, "") if after is None else (after.created_ms, after.id)

        def read(connection: sa.Connection) -> Sequence[RunRecord]:
            ids = connection.exec_driver_sql(_RUNS, (thread_id, actor.id, *mark, limit)).scalars().all()
            return [record for run_id in ids if (record := self._record_of(connection, run_id)) is not None]

        return await self._readers.run(read)

    # Writing

    async def rename(self, thread_id: str, actor: User, title: str | None) -> None:
        """Give it a title, or with None the first words again."""

        def apply(tx: Transaction) -> None:
            _own(tx, thread_id, actor)
            tx.run(_RENAME, (title, thread_id))
            search.store_title(tx, thread_id, actor.id, title)

        await self._writer.write(apply)

    async def delete(self, thread_id: str, actor: User) -> None:
        """Delete it with everything in it; see the contract."""

        def apply(tx: Transaction) -> None:
            _own(tx, thread_id, actor)
            tx.flush()  # a run may be as new as this very transaction
            live = tx.run(_LIVE_RUNS, (thread_id,)).fetchall()
            if live:
                raise Conflict(f"{len(live)} runs of the thread have not ended", live=[row[0] for row in live[:100]])
            for table in _TO_COME:
                tx.run(_FORGET.format(table, "thread_id"), (thread_id,))
            tx.run(_DELETE_TEXTS, (thread_id,))
            tx.run(_DELETE_SHARES, (thread_id,))
            tx.run(_DELETE_THREAD, (thread_id,))
            tx.run(_DOOM + "thread_id = ?", (thread_id,))

        await self._writer.write(apply)

    async def delete_run(self, run: OwnedRun) -> None:
        """Delete one ended run; see the contract."""
        run_id, owner_id = run.run_id, run.record.owner_id

        def apply(tx: Transaction) -> None:
            head = tx.head(run_id)
            if head is None or head.owner_id != owner_id:
                raise NotFound(f"no run {run_id}")
            if head.status not in TERMINAL:
                raise Conflict(f"the run is {head.status}; cancel it and wait for its end", status=head.status.value)
            tx.flush()
            for table in _TO_COME:
                tx.run(_FORGET.format(table, "id"), (run_id,))
            tx.run(_DELETE_RUN_TEXT, (run_id,))
            tx.run(_DOOM + "id = ?", (run_id,))

        await self._writer.write(apply)

    async def purge(self) -> bool:
        """Remove the next portion of what was deleted; return whether more is left."""
        run_id = await self._readers.run(self._purge.next_doomed)
        if run_id is None:
            return False
        if await self._purge.remove_files(run_id):
            await self._writer.write(partial(self._purge.remove_rows, run_id))
        return True

    async def index(self) -> bool:
        """Make the next portion of ended runs searchable; return whether more may be left."""
        gathered = await self._readers.run(search.gather)
        if gathered:
            await self._writer.write(partial(search.store, gathered))
        return bool(gathered)


def _own(tx: Transaction, thread_id: str, actor: User) -> None:
    if tx.run(_OF_OWNER, (thread_id, actor.id)).fetchone() is None:
        raise NotFound(f"no thread {thread_id[:64]}")


def _live_runs(thread_id: str, actor: User, connection: sa.Connection) -> list[str]:
    if connection.exec_driver_sql(_OF_OWNER, (thread_id, actor.id)).first() is None:
        raise NotFound(f"no thread {thread_id[:64]}")
    return [row[0] for row in connection.exec_driver_sql(_LIVE_RUNS, (thread_id,))]
