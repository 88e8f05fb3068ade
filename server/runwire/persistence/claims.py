"""The scheduling pass that ends every commit. Floor 4; writer thread only (:meth:`pause` may be called from any).

Each change that could let a run start (one arrives, one ends, a limit is lifted) is a write, so looking at the queue at
the end of each write needs no signal, no poll and no second transaction.
"""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from runwire.clock import Clock
from runwire.persistence.backoff import Backoff
from runwire.persistence.transaction import Head, Transaction, stored_limits
from runwire.protocol.entries import state_data
from runwire.runs.limits import RunLimits
from runwire.runs.rank import PARKED, RankBook
from runwire.runs.record import ClaimedRun
from runwire.runs.state import Priority, RunStatus

SELECT_NEXT = (
    "SELECT thread_id, agent, input, timeout_s, priority, id, owner_id, attempt, fence, rank,"
    " (SELECT max(seq) FROM entries WHERE run_id = runs.id), cancel_requested_ms"
    ", limits, parent_id, retry_of, from_seq"
    f" FROM runs WHERE status = 'QUEUED' AND rank < {PARKED} ORDER BY rank, id LIMIT ?"
)


class Claimer:
    """Moves waiting runs to RUNNING while there are free slots: best rank first, at most ``max_running`` at once."""

    def __init__(self, max_running: int, worker_id: str, clock: Clock) -> None:
        self._worker_id = worker_id
        self.backoff = Backoff(clock)
        self.ranks = RankBook()
        self._paused = False
        self._max_running = max_running
        self._running = 0
        self._queued = 0
        self._queued_of: Counter[str] = Counter()

    def pause(self) -> None:
        """Start nothing more; for the drain."""
        self._paused = True

    @property
    def running(self) -> int:
        """Runs that hold a slot, as of the last commit."""
        return self._running

    @property
    def queued(self) -> int:
        """Runs that wait, as of the last commit."""
        return self._queued

    def restore(self, connection: sa.Connection) -> None:
        """Take up the queue that an earlier process left."""
        rows = connection.exec_driver_sql(
            "SELECT owner_id, priority, max(rank), min(rank), count(*) FROM runs"
            f" WHERE status = 'QUEUED' GROUP BY 1, 2, rank = {PARKED}"
        ).all()
        held = connection.exec_driver_sql("SELECT status FROM runs WHERE status IN ('RUNNING', 'WAITING')").scalars()
        self._running = sum(status == RunStatus.RUNNING for status in held)
        for owner_id, priority, highest, lowest, count in rows:
            if highest != PARKED:
                self.ranks.restore(owner_id, Priority(priority), highest, lowest)
            self._queued += count
            self._queued_of[owner_id] += count

        self.backoff.restore(connection)

    def claim(self, tx: Transaction) -> None:
        """Give the free slots to the heads of the queue, inside ``tx``."""
        self.backoff.release(tx, self.ranks)
        free = self._max_running - self._running_after(tx)
        queued = self._queued_after(tx)
        if self._paused or free <= 0 or queued <= 0:
            return
        fresh = tx.fresh_queued()
        if len(fresh) == queued:  # nobody else waits: what is to be started need not be read back first
            for head, new in fresh[:free]:
                terms = new.limits, new.parent_id, new.retry_of, new.from_seq
                self._start(tx, head, new.thread_id, new.agent, new.input, new.timeout_s, new.priority, terms)
            return
        tx.flush()
        for row in tx.run(SELECT_NEXT, (free,)).fetchall():
            thread_id, agent, body, timeout_s, priority, *facts, cancel_ms, limits, parent_id, retry_of, from_seq = row
            head = tx.adopt(queued_head(*facts, cancel_ms=cancel_ms))
            terms = stored_limits(limits), parent_id, retry_of, from_seq
            self._start(tx, head, thread_id, agent, body, timeout_s, Priority(priority), terms)

    def _start(
        self,
        tx: Transaction,
        head: Head,
        thread_id: str,
        agent: str,
        body: bytes,
        timeout_s: float,
        priority: Priority,
        terms: tuple[RunLimits | None, str | None, str | None, int | None],
    ) -> None:
        data = state_data(RunStatus.RUNNING, head.attempt)
        tx.move(head, RunStatus.RUNNING, data, started_ms=tx.now_ms, worker_id=self._worker_id)
        run_id, owner_id, attempt, fence = head.run_id, head.owner_id, head.attempt, head.fence
        claimed = ClaimedRun(run_id, owner_id, thread_id, agent, body, attempt, fence, timeout_s, *terms)
        tx.claimed.append(claimed)
        self.ranks.served(head.rank, priority)

    def queued_of(self, owner_id: str) -> int:
        """Return how many runs of one user wait, as of the last commit."""
        return self._queued_of[owner_id]

    def _running_after(self, tx: Transaction) -> int:
        return self._running + sum(
            (head.status is RunStatus.RUNNING) - (tx.status_before(run_id) is RunStatus.RUNNING)
            for run_id, head in tx.changed.items()
        )

    def _queued_after(self, tx: Transaction) -> int:
        return self._queued + sum(
            (head.status is RunStatus.QUEUED) - (tx.status_before(run_id) is RunStatus.QUEUED)
            for run_id, head in tx.changed.items()
        )

    def committed(self, tx: Transaction) -> None:
        """Count what ``tx`` changed; called once it is committed."""
        self.backoff.committed()
        self._running = self._running_after(tx)
        for run_id, head in tx.changed.items():
            delta = (head.status is RunStatus.QUEUED) - (tx.status_before(run_id) is RunStatus.QUEUED)
            if delta:
                self._queued += delta
                self._queued_of[head.owner_id] += delta
                if self._queued_of[head.owner_id] == 0:
                    del self._queued_of[head.owner_id]


def queued_head(
    run_id: str, owner_id: str, attempt: int, fence: int, rank: int, last_seq: int, *, cancel_ms: int | None
) -> Head:
    """Return the head of a waiting run as the queue's query gives it."""
    return Head(run_id, owner_id, RunStatus.QUEUED, attempt, fence, rank, last_seq, cancel_requested_ms=cancel_ms)
