"""The queue in SQL: places, pauses, an operator's cancel. Floor 4.

Threads: the coroutines run on the server's loop; the functions that take a ``Transaction`` on the writer, those that
take a connection on a reader.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from runwire.contracts.actors import User
from runwire.contracts.queue_store import CancelledBatch, QueuePlace, QueuePlaces, QueueView, StoredPause, UserLoad
from runwire.persistence.claims import EVERYTHING, SELECT_PAUSES, Claimer, read_pauses
from runwire.persistence.reader import ReaderPool
from runwire.persistence.run_store import request_cancel
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import Call, LogWriter
from runwire.runs.rank import BEHIND, PARKED
from runwire.runs.state import RunStatus
from runwire.runs.tally import QueueState

log = structlog.get_logger(__name__)
T = TypeVar("T")

OWN_PLACES = 1_000
"""Places of one user in a view; as many as one user may have waiting by default."""

SHOWN_USERS = 50
"""Users in an operator's view: those with most runs."""

CANCEL_BATCH = 256
"""Runs that one transaction cancels: some milliseconds, so that others' writes are not held up."""

SELECT_NAMED = (
    "SELECT rank, id, owner_id, agent FROM runs WHERE status = 'QUEUED' AND id IN (SELECT value FROM json_each(?))"
)
SELECT_OWN = (
    "SELECT rank, id, owner_id, agent FROM runs WHERE status = 'QUEUED' AND owner_id = ? ORDER BY rank, id LIMIT ?"
)
COUNT_BETWEEN = (
    "SELECT agent, count(*) FROM runs WHERE status = 'QUEUED' AND (rank, id) > (?, ?) AND (rank, id) < (?, ?)"
    " GROUP BY agent"
)
COUNT_WAITING = "SELECT count(*) FROM runs WHERE status = 'QUEUED'"
_SELECT_STORED = "SELECT agent, paused_by, since_ms FROM queue_pauses ORDER BY agent"
_COUNT_USERS = (
    "SELECT owner_id, sum(status = 'QUEUED'), sum(status = 'RUNNING') FROM"
    " (SELECT owner_id, status FROM runs WHERE status = 'QUEUED'"
    " UNION ALL SELECT owner_id, status FROM runs WHERE status IN ('RUNNING', 'WAITING'))"
    " GROUP BY owner_id ORDER BY count(*) DESC, owner_id LIMIT ?"
)
_INSERT_PAUSE = "INSERT INTO queue_pauses (agent, paused_by, since_ms) VALUES (?, ?, ?) ON CONFLICT (agent) DO NOTHING"
_DELETE_PAUSE = "DELETE FROM queue_pauses WHERE agent = ?"
_SELECT_LIVE = (
    "SELECT id FROM runs WHERE {} AND owner_id = ? AND cancel_requested_ms IS NULL AND created_ms <= ? LIMIT ?"
)
_SELECT_WAITING_OF = _SELECT_LIVE.format("status = 'QUEUED'")
_SELECT_HELD_OF = _SELECT_LIVE.format("status IN ('RUNNING', 'WAITING')")
_KNOWS_USER = "SELECT EXISTS (SELECT 1 FROM tokens WHERE user_id = ?) OR EXISTS (SELECT 1 FROM runs WHERE owner_id = ?)"


class SqlQueueStore:
    """Implements ``contracts.queue.QueueStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool, claimer: Claimer) -> None:
        self._writer = writer
        self._readers = readers
        self._claimer = claimer

    @property
    def state(self) -> QueueState:
        """The counts as of the last commit."""
        return self._claimer.state

    async def view(self, actor: User) -> QueueView:
        """Return what the actor may see of the queue."""
        return await self._readers.run(partial(_view, actor))

    async def places(
        self, run_ids: Collection[str], owners: Collection[str] = (), each: int = OWN_PLACES
    ) -> QueuePlaces:
        """Return the places of runs, and of the first that users have waiting."""
        return await self._readers.run(lambda connection: _places(connection, run_ids, owners, each))

    async def pause(self, agent: str | None, actor: User) -> None:
        """Store a pause."""

        def apply(tx: Transaction) -> None:
            tx.run(_INSERT_PAUSE, (agent or EVERYTHING, actor.id, tx.now_ms))
            _reload(tx)

        await self._writer.write(apply)

    async def resume(self, agent: str | None) -> bool:
        """Take a pause back."""

        def apply(tx: Transaction) -> bool:
            found = tx.run(_DELETE_PAUSE, (agent or EVERYTHING,)).rowcount > 0
            _reload(tx)
            return found

        return await self._writer.write(apply)

    async def cancel_some(self, user_id: str, until_ms: int) -> CancelledBatch:
        """Store the wish to cancel some more of a user's runs."""
        return await self._writer.write(partial(_cancel_some, user_id, until_ms))

    async def knows_user(self, user_id: str) -> bool:
        """Return whether there is a token or a run of that user."""
        values = (user_id, user_id)
        return bool(await self._readers.run(lambda c: c.exec_driver_sql(_KNOWS_USER, values).scalar_one()))

    def look(self) -> None:
        """Look at the queue again."""
        self._writer.submit(Call(_look, _log_look))


def _reload(tx: Transaction) -> None:
    tx.pauses = read_pauses([row[0] for row in tx.run(SELECT_PAUSES)])
    tx.look = True


def _look(tx: Transaction) -> None:
    tx.look = True


def _log_look(_answer: None, error: Exception | None) -> None:
    if error is not None:  # the next write looks at the queue as well
        log.warning("queue.look_failed", error=str(error))


def _cancel_some(user_id: str, until_ms: int, tx: Transaction) -> CancelledBatch:
    """Cancel what waits before what is executed: otherwise each run that stops would let another of them start."""
    tx.flush()
    for statement in (_SELECT_WAITING_OF, _SELECT_HELD_OF):
        ids = [row[0] for row in tx.run(statement, (user_id, until_ms, CANCEL_BATCH))]
        if ids:
            held = [run_id for run_id in ids if request_cancel(run_id, tx) is not RunStatus.CANCELLED]
            return CancelledBatch(len(ids) - len(held), held)
    return CancelledBatch(0, [])


def _view(actor: User, connection: sa.Connection) -> QueueView:
    pauses = [StoredPause(agent or None, by, since) for agent, by, since in connection.exec_driver_sql(_SELECT_STORED)]
    users = connection.exec_driver_sql(_COUNT_USERS, (SHOWN_USERS,)).all() if actor.admin else []
    return QueueView(_places(connection, (), (actor.id,), OWN_PLACES), pauses, [UserLoad(*row) for row in users])


def _places(connection: sa.Connection, run_ids: Collection[str], owners: Collection[str], each: int) -> QueuePlaces:
    """Return places in the order of the queue. Between two of them the index is counted once, so that all together
    cost one pass over it at most.
    """
    named = connection.exec_driver_sql(SELECT_NAMED, (json.dumps(list(run_ids)),)).all() if run_ids else []
    rows: set[tuple[Any, ...]] = {tuple(row) for row in named}
    for owner_id in owners:
        rows.update(tuple(row) for row in connection.exec_driver_sql(SELECT_OWN, (owner_id, each)))
    ahead: Counter[str] = Counter()
    places: list[QueuePlace] = []
    last: tuple[int, str] = (-(2**63), "")
    for rank, run_id, owner_id, agent in sorted(rows):
        for other, runs in connection.exec_driver_sql(COUNT_BETWEEN, (*last, rank, run_id)):
            ahead[other] += runs
        facts = run_id, owner_id, agent, ahead.total() + 1, dict(ahead)
        places.append(QueuePlace(*facts, parked=rank == PARKED, behind=rank >= BEHIND))
        ahead[agent] += 1
        last = (rank, run_id)
    size = connection.exec_driver_sql(COUNT_WAITING).scalar_one()
    return QueuePlaces(size, places)
