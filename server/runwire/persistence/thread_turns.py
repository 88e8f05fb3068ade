"""Runs that wait for the earlier runs of their thread. Floor 4; writer thread only.

Such a run is QUEUED with a rank from :data:`BEHIND` on, which no claim reaches, so it costs the queue nothing. The
commit that ends the last other run of the thread gives the first of them its place in the queue, and may start it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from runwire.errors import ThreadBusy
from runwire.persistence.transaction import Head, Transaction
from runwire.runs.if_busy import IfBusy
from runwire.runs.rank import BEHIND, RankBook
from runwire.runs.record import NewRun
from runwire.runs.state import TERMINAL, Priority

_QUEUED = "status = 'QUEUED' AND owner_id = ? AND +thread_id = ?"
_HELD = "status IN ('RUNNING', 'WAITING') AND +thread_id = ?"
# The plus keeps SQLite from the index of all runs of the thread: these find live ones alone, so what a look costs is
# bounded by the runs under way and by what one user may have waiting, however long the thread is.
SELECT_LIVE = (
    f"SELECT id FROM (SELECT id, created_ms, rank FROM runs WHERE {_HELD}"
    f" UNION ALL SELECT id, created_ms, rank FROM runs WHERE {_QUEUED}) AS live ORDER BY created_ms DESC, rank DESC"
)
SELECT_ANOTHER = (
    f"SELECT 1 FROM runs WHERE {_HELD} UNION ALL SELECT 1 FROM runs WHERE {_QUEUED} AND rank < {BEHIND} LIMIT 1"
)
SELECT_NEXT = (
    f"SELECT id, priority FROM runs WHERE status = 'QUEUED' AND rank >= {BEHIND} AND +thread_id = ?"
    " ORDER BY rank, id LIMIT 1"
)
_SELECT_BEHIND = f"SELECT DISTINCT thread_id FROM runs WHERE status = 'QUEUED' AND rank >= {BEHIND}"
_SELECT_LAST = f"SELECT coalesce(max(rank), {BEHIND}) FROM runs WHERE status = 'QUEUED' AND rank >= {BEHIND}"
_ROLL_BACK = "UPDATE runs SET rolled_back_by = ? WHERE id = ?"


class ThreadTurns:
    """Lets runs into busy threads as their starts wish. Holds the ids of threads with a run behind another."""

    def __init__(self) -> None:
        self._threads: set[str] = set()
        self._freed: set[str] = set()
        self._last = BEHIND

    def restore(self, connection: sa.Connection) -> None:
        """Take up what an earlier process left."""
        self._threads = set(connection.exec_driver_sql(_SELECT_BEHIND).scalars())
        self._last = connection.exec_driver_sql(_SELECT_LAST).scalar_one()

    def enter(
        self, tx: Transaction, new: NewRun, cancel: Callable[[str, Transaction], object]
    ) -> tuple[int | None, list[str]]:
        """Return the rank of a run that has to wait for others, and which of them are to be stopped now; None: it may
        start at once. ``cancel`` stores the wish to cancel a run.

        Raises:
            ThreadBusy: the thread has a live run, and the start is to be refused then.
        """
        if new.if_busy is IfBusy.PARALLEL or not new.thread_from_client:
            return None, []
        tx.flush()
        live = [row[0] for row in tx.run(SELECT_LIVE, (new.thread_id, new.owner_id, new.thread_id))]
        if not live:
            return None, []
        if new.if_busy in (IfBusy.REJECT, IfBusy.STEER):
            raise ThreadBusy(f"the thread {new.thread_id} has a run that has not ended", run_id=live[0], live=len(live))
        stopping: list[str] = []
        if new.if_busy in (IfBusy.INTERRUPT, IfBusy.ROLLBACK):
            stopping = [run_id for run_id in live if self._stop(tx, run_id, new, cancel)]
            if not stopping:
                return None, []
        self._threads.add(new.thread_id)
        self._last += 1
        return self._last, stopping

    def _stop(self, tx: Transaction, run_id: str, new: NewRun, cancel: Callable[[str, Transaction], object]) -> bool:
        """Cancel a run; return whether it has yet to stop."""
        cancel(run_id, tx)
        if new.if_busy is IfBusy.ROLLBACK:
            tx.run(_ROLL_BACK, (new.run_id, run_id))
        head = tx.head(run_id)
        return head is not None and head.status not in TERMINAL

    def release(self, tx: Transaction, ranks: RankBook) -> Iterator[Head]:
        """Give the next run of each thread that ``tx`` has emptied its place in the queue."""
        if not self._threads:
            return
        heads = [tx.changed[run_id] for run_id in tx.moved]
        emptied = {(head.owner_id, head.thread_id) for head in heads if head.status in TERMINAL}
        for owner_id, thread_id in emptied:
            if thread_id not in self._threads:
                continue
            tx.flush()
            if tx.run(SELECT_ANOTHER, (thread_id, owner_id, thread_id)).fetchone() is not None:
                continue
            row = tx.run(SELECT_NEXT, (thread_id,)).fetchone()
            if row is None:
                self._freed.add(thread_id)
                continue
            head = tx.head(row[0])
            assert head is not None, "it was read a line above"
            yield tx.update(head, rank=ranks.next_rank(head.owner_id, Priority(row[1])))

    def committed(self) -> None:
        """Forget the threads that have emptied; called once the transaction is committed."""
        self._threads -= self._freed
        self._freed.clear()

    def rolled_back(self) -> None:
        """Take back what :meth:`release` has noted."""
        self._freed.clear()
