"""The scheduling pass that ends every commit. Floor 4; writer thread only (:meth:`Claimer.pause` may be called from
any).

Each change that could let a run start (one arrives, one ends, a limit is lifted) is a write, so looking at the queue at
the end of each write needs no signal, no poll and no second transaction. A claim reads one row by its key and the next
head of its lane by one index, however many runs wait.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from runwire.clock import Clock
from runwire.contracts.admission import Admission
from runwire.persistence.backoff import Backoff
from runwire.persistence.lanes import Lane, Lanes, Place
from runwire.persistence.seats import Seats
from runwire.persistence.slots import ReturningRuns
from runwire.persistence.thread_turns import ThreadTurns
from runwire.persistence.transaction import Head, Transaction, stored_limits
from runwire.protocol.entries import state_data
from runwire.runs.limits import RunLimits, RunningLimits
from runwire.runs.rank import PARKED, RankBook
from runwire.runs.record import ClaimedRun, NewRun
from runwire.runs.state import Priority, RunStatus
from runwire.runs.tally import Pauses, QueueState, Tally

SELECT_WAITING = (
    "SELECT thread_id, agent, input, timeout_s, priority, id, owner_id, attempt, fence, rank,"
    " (SELECT max(seq) FROM entries WHERE run_id = runs.id), cancel_requested_ms,"
    " limits, parent_id, retry_of, from_seq"
    f" FROM runs WHERE id = ? AND status = 'QUEUED' AND rank < {PARKED}"
)
RANK = 9
"""Where the rank stands in it."""

SELECT_NEXT_OF_LANE = (
    "SELECT rank, id FROM runs WHERE status = 'QUEUED' AND owner_id = ? AND agent = ? AND (rank, id) > (?, ?)"
    f" AND rank < {PARKED} ORDER BY rank, id LIMIT 1"
)
_SELECT_TURNS = (
    "SELECT owner_id, priority, max(rank), min(rank) FROM runs"
    f" WHERE status = 'QUEUED' AND rank < {PARKED} GROUP BY owner_id, priority"
)
_SELECT_LANES = "SELECT owner_id, agent, rank, id FROM runs WHERE status = 'QUEUED' ORDER BY owner_id, agent, rank, id"
_SELECT_HELD = "SELECT owner_id, agent, status FROM runs WHERE status IN ('RUNNING', 'WAITING')"
SELECT_PAUSES = "SELECT agent FROM queue_pauses"

EVERYTHING = ""
"""The agent's name under which a pause of the whole queue is stored."""


def read_pauses(agents: list[str]) -> Pauses:
    """Return what the stored names mean."""
    return Pauses(EVERYTHING in agents, frozenset(agents) - {EVERYTHING})


class _Terms(NamedTuple):
    """What a start has laid down for a run: all that a claim needs beside its head."""

    input: bytes
    timeout_s: float
    priority: Priority
    limits: RunLimits | None
    parent_id: str | None
    retry_of: str | None
    from_seq: int | None


class Claimer:
    """Moves waiting runs to RUNNING while there are free slots: the best rank among users and agents below their
    limits.
    """

    def __init__(self, limits: RunningLimits, worker_id: str, clock: Clock) -> None:
        self.backoff = Backoff(clock)
        self.turns = ThreadTurns()
        self.ranks = RankBook()
        self.state = QueueState()
        """The queue as of the last commit; replaced as a whole, so any thread may look at it."""
        self._limits = limits
        self._worker_id = worker_id
        self._admission: Admission | None = None
        self._tally = Tally()
        self._waiting = 0
        self._lanes = Lanes()
        self._returning = ReturningRuns()
        self.seats = Seats()
        self._pauses = Pauses()
        self._stopped = False
        self._look = True
        self._counted: list[tuple[str, str, RunStatus | None, RunStatus]] = []
        self._replaced: list[tuple[Lane, Place]] = []

    def connect(self, admission: Admission) -> None:
        """Name who is asked before a run is started; at start-up."""
        self._admission = admission

    def pause(self) -> None:
        """Start nothing more; for the drain."""
        self._stopped = True

    @property
    def running(self) -> int:
        """Runs that hold a slot, as of the last commit."""
        return self._tally.running

    @property
    def queued(self) -> int:
        """Runs that wait, as of the last commit."""
        return self._tally.queued

    def queued_of(self, owner_id: str) -> int:
        """Return how many runs of one user wait, as of the last commit."""
        return self._tally.queued_of.get(owner_id, 0)

    def restore(self, connection: sa.Connection) -> None:
        """Take up the queue that an earlier process left."""
        self._pauses = read_pauses(list(connection.exec_driver_sql(SELECT_PAUSES).scalars()))
        for owner_id, priority, highest, lowest in connection.exec_driver_sql(_SELECT_TURNS):
            self.ranks.restore(owner_id, Priority(priority), highest, lowest)
        for owner_id, agent, rank, run_id in connection.exec_driver_sql(_SELECT_LANES):
            if rank < PARKED:
                self._lanes.offer((owner_id, agent), (rank, run_id))
            self._tally.move(owner_id, agent, None, RunStatus.QUEUED)
        for owner_id, agent, status in connection.exec_driver_sql(_SELECT_HELD):
            self._waiting += status == RunStatus.WAITING
            self._tally.move(owner_id, agent, None, RunStatus.RUNNING)  # a WAITING one too, until recovery settles it
        self.backoff.restore(connection)
        self.turns.restore(connection)
        self.state = QueueState.of(self._tally, self._waiting, self._pauses)

    # The pass

    def claim(self, tx: Transaction) -> None:
        """Give the free slots to the best heads of the queue, inside ``tx``."""
        for head in (*self.backoff.release(tx, self.ranks), *self.turns.release(tx, self.ranks)):
            self._lanes.offer((head.owner_id, head.agent), (head.rank, head.run_id))
            tx.look = True
        if not (tx.moved or tx.returning or tx.look or self._look):
            return  # nothing has changed that could let a run start
        self._count(tx, {run_id: tx.counted_before(run_id) for run_id in tx.moved})
        for head in self._returning.readmit(tx, self._has_room):
            self._count(tx, {head.run_id: RunStatus.WAITING})
        pauses = self._pauses if tx.pauses is None else tx.pauses
        fresh = tx.fresh_queued()
        may_look = not self._stopped and not pauses.everything
        if may_look and len(fresh) == self._tally.queued:  # nobody else waits: nothing need be read back first
            self._start_fresh(tx, fresh, pauses)
        self._note_waiting(tx)
        if may_look and self._tally.queued and self._tally.running < self._limits.total:
            self._start_heads(tx, pauses)
        if may_look and self.seats:
            self._start_guests(tx, pauses)

    def _start_guests(self, tx: Transaction, pauses: Pauses) -> None:
        """Start children on the slots of parents that wait for them."""
        for child_id in list(self.seats.next_guests(tx)):
            tx.flush()
            row = tx.run(SELECT_WAITING, (child_id,)).fetchone()
            if row is not None and not pauses.hold(row[1]) and self._admits(row[1]):
                place = self._start_row(tx, row, guest=True)
                if self._lanes.head(place[0]) == place[1]:
                    tx.flush()
                    self._replace(tx, *place)

    def _count(self, tx: Transaction, moved: dict[str, RunStatus | None]) -> None:
        for run_id, before in moved.items():
            head = tx.changed[run_id]
            self._counted.append((head.owner_id, head.agent, before, head.counted_as))
            self._tally.move(*self._counted[-1])

    def _start_fresh(self, tx: Transaction, fresh: list[tuple[Head, NewRun]], pauses: Pauses) -> None:
        for head, new in fresh:
            if self._tally.running >= self._limits.total:
                return
            room = self._may_start(head.agent, pauses) and not self._is_full(head.owner_id)
            if room and self._admits(head.agent):
                facts = new.input, new.timeout_s, new.priority, new.limits, new.parent_id, new.retry_of, new.from_seq
                self._start(tx, head, _Terms(*facts))

    def _note_waiting(self, tx: Transaction) -> None:
        """Note what has come to the queue, and look for the next head where one has left it otherwise than by a
        claim.
        """
        for run_id, before in tx.moved.items():
            head = tx.changed[run_id]
            lane, place = (head.owner_id, head.agent), (head.rank, run_id)
            if head.status is RunStatus.QUEUED and head.rank < PARKED:
                self._lanes.offer(lane, place)
            elif before is RunStatus.QUEUED and self._lanes.head(lane) == place:
                tx.flush()
                self._replace(tx, lane, place)

    def _start_heads(self, tx: Transaction, pauses: Pauses) -> None:
        refused: set[str] = set()
        tx.flush()
        while self._tally.running < self._limits.total:
            best = self._lanes.best(lambda a: a not in refused and self._may_start(a, pauses), self._is_full)
            if best is None:
                return
            lane, place = best
            if not self._admits(lane[1]):
                refused.add(lane[1])
                continue
            row = tx.run(SELECT_WAITING, (place[1],)).fetchone()
            if row is not None and row[RANK] == place[0]:  # else this place was given out by a commit that failed
                self._start_row(tx, row)
            self._replace(tx, lane, place)

    def _start_row(self, tx: Transaction, row: Any, *, guest: bool = False) -> tuple[Lane, Place]:
        thread_id, agent, body, timeout_s, priority, *facts, cancel_ms, limits, parent_id, retry_of, from_seq = row
        head = tx.adopt(queued_head(thread_id, agent, *facts, cancel_ms=cancel_ms))
        terms = _Terms(body, timeout_s, Priority(priority), stored_limits(limits), parent_id, retry_of, from_seq)
        self._start(tx, head, terms, guest=guest)
        return (head.owner_id, head.agent), (head.rank, head.run_id)

    def _replace(self, tx: Transaction, lane: Lane, place: Place) -> None:
        """Put the next run of a lane in the place of its head. What ``tx`` has started and not written yet lies before
        ``place``, so it is not found again.
        """
        self._replaced.append((lane, place))
        self._lanes.set(lane, tx.run(SELECT_NEXT_OF_LANE, (*lane, *place)).fetchone())

    def _start(self, tx: Transaction, head: Head, terms: _Terms, *, guest: bool = False) -> None:
        data = state_data(RunStatus.RUNNING, head.attempt)
        tx.move(head, RunStatus.RUNNING, data, started_ms=tx.now_ms, worker_id=self._worker_id, guest=guest)
        self._count(tx, {head.run_id: RunStatus.QUEUED})
        claimed = ClaimedRun(
            head.run_id,
            head.owner_id,
            head.thread_id,
            head.agent,
            terms.input,
            head.attempt,
            head.fence,
            terms.timeout_s,
            terms.limits,
            terms.parent_id,
            terms.retry_of,
            terms.from_seq,
        )
        tx.claimed.append(claimed)
        self.ranks.served(head.rank, terms.priority)

    def _may_start(self, agent: str, pauses: Pauses) -> bool:
        return self._limits.has_room(agent, self._tally.running_as) and not pauses.hold(agent)

    def _has_room(self, head: Head) -> bool:
        """Return whether a run that has begun already may go on; a pause is for those that have not. A guest goes on
        where it was, on the slot that its parent holds for it.
        """
        if head.guest:
            return True
        return (
            self._tally.running < self._limits.total
            and self._limits.has_room(head.agent, self._tally.running_as)
            and not self._is_full(head.owner_id)
        )

    def _is_full(self, owner_id: str) -> bool:
        return 0 < self._limits.per_user <= self._tally.running_of.get(owner_id, 0)

    def _admits(self, agent: str) -> bool:
        return self._admission is None or self._admission.may_start(agent)

    # The commit

    def committed(self, tx: Transaction) -> None:
        """Keep what :meth:`claim` has noted; called once ``tx`` is committed."""
        self.backoff.committed()
        self.turns.committed()
        self.seats.committed()
        self._returning.committed(tx)
        self._look = False
        if tx.pauses is not None:
            self._pauses = tx.pauses
        if self._counted or tx.pauses is not None:
            self._counted.clear()
            self._replaced.clear()
            for run_id, before in tx.moved.items():
                after = tx.changed[run_id].status
                self._waiting += (after is RunStatus.WAITING) - (before is RunStatus.WAITING)
            self.state = QueueState.of(self._tally, self._waiting, self._pauses)

    def rolled_back(self) -> None:
        """Take back what :meth:`claim` has noted; a lane's head may be too good a place afterwards, never too bad."""
        for owner_id, agent, before, after in self._counted:
            if before is None:
                self._tally.move(owner_id, agent, after, None)
            else:
                self._tally.move(owner_id, agent, after, before)
        self.turns.rolled_back()
        self.seats.rolled_back()
        for lane, place in self._replaced:
            self._lanes.offer(lane, place)
        self._counted.clear()
        self._replaced.clear()


def queued_head(
    thread_id: str,
    agent: str,
    run_id: str,
    owner_id: str,
    attempt: int,
    fence: int,
    rank: int,
    last_seq: int,
    *,
    cancel_ms: int | None,
) -> Head:
    """Return the head of a waiting run as the queue's query gives it."""
    facts: dict[str, Any] = {"thread_id": thread_id, "agent": agent, "cancel_requested_ms": cancel_ms}
    return Head(run_id, owner_id, RunStatus.QUEUED, attempt, fence, rank, last_seq, **facts)
