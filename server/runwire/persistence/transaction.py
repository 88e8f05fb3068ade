"""One write transaction: what is known of the runs it touches, and the rows it will write. Floor 4; writer thread only.

Rows gather in memory and go to the database as few statements of the driver, because a statement for each run and entry
costs more than the rest of the work (measured with 64 rows a commit: 290k rows/s so, 196k by Core ``executemany``, 20k
as ORM objects). Nothing is published from here: the writer does that after the commit
(protocol, L2).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from runwire import failpoints
from runwire.contracts.event_log import Published
from runwire.errors import FenceLost
from runwire.persistence.bulk_insert import BulkInsert
from runwire.persistence.endings import Receivers, record_endings
from runwire.persistence.slots import Returning
from runwire.protocol.entries import entry_frame, state_data
from runwire.runs.limits import RunLimits
from runwire.runs.rank import PARKED
from runwire.runs.record import ClaimedRun, NewRun
from runwire.runs.state import ACTIVE, TERMINAL, RunStatus, advance
from runwire.runs.tally import Move, Pauses

INSERT_RUNS = BulkInsert(
    "runs",
    "id, owner_id, thread_id, agent, status, attempt, fence, epoch, priority, rank, timeout_s, on_disconnect, input,"
    " body_hash, created_ms, started_ms, ended_ms, cancel_requested_ms, terminal, worker_id,"
    " first_seq, agent_version, max_attempts, limits, parent_id, retry_of, from_seq",
)
INSERT_ENTRIES = BulkInsert("entries", "run_id, seq, kind, frame")
INSERT_THREADS = BulkInsert(
    "threads",
    "id, owner_id, created_ms, active_ms, first_words",
    "ON CONFLICT (id) DO UPDATE SET active_ms = excluded.active_ms",
)
UPDATE_RUN = (
    "UPDATE runs SET status = ?, attempt = ?, fence = ?, started_ms = coalesce(started_ms, ?),"
    " ended_ms = ?, cancel_requested_ms = ?, rank = ?, terminal = ?, worker_id = ? WHERE id = ?"
)
SELECT_HEAD = (
    "SELECT owner_id, thread_id, agent, status, attempt, fence, rank, started_ms, cancel_requested_ms, worker_id,"
    " (SELECT coalesce(max(seq), 0) FROM entries WHERE run_id = runs.id) FROM runs WHERE id = ?"
)


evolve = msgspec.structs.replace


class Head(msgspec.Struct, frozen=True):
    """What the writer knows of a live run: enough to give out the next ``seq`` and to refuse a stale fence."""

    run_id: str
    owner_id: str
    status: RunStatus
    attempt: int
    fence: int
    rank: int
    last_seq: int
    thread_id: str
    agent: str
    started_ms: int | None = None
    ended_ms: int | None = None
    cancel_requested_ms: int | None = None
    terminal: bytes | None = None
    worker_id: str | None = None
    guest: bool = False
    """Whether it is executed on the slot of its parent, which waits for it; not stored, for the same reason as this:"""
    keeps_slot: bool = True
    """Whether a WAITING run still counts as running; not stored: whoever finds it after a crash settles it first."""

    @property
    def counted_as(self) -> RunStatus:
        """The status by which slots are counted."""
        if self.guest and self.status in ACTIVE:
            return RunStatus.WAITING
        return RunStatus.RUNNING if self.status is RunStatus.WAITING and self.keeps_slot else self.status


class Transaction:
    """Gathers the rows of one commit. ``heads`` is the writer's cache of committed heads; changes stay here
    until then.
    """

    def __init__(
        self, connection: sqlite3.Connection, heads: dict[str, Head], now_ms: int, receivers: Receivers
    ) -> None:
        """The transaction begins with the first statement: most commits are entries alone, one statement without it."""
        self._connection = connection
        self._begun = False
        self.now_ms = now_ms
        self.receivers = receivers
        self.changed: dict[str, Head] = {}
        self.claimed: list[ClaimedRun] = []
        self.returning: list[Returning] = []
        self.returned: list[Returning] = []
        self.created_by: Counter[str] = Counter()
        self.entries = 0
        """How many entries were appended."""
        self.moved: dict[str, RunStatus | None] = {}
        """The runs whose state has changed, and which they had before; None for those that this transaction creates."""
        self.pauses: Pauses | None = None
        """What operators have paused, where this transaction changes it."""
        self.fallen: list[str] = []
        """The runs that have failed, were cancelled or are to be: their children follow."""
        self.look = False
        """Whether the queue is to be looked at although no run has moved."""
        self._committed = heads
        self._fresh: dict[str, NewRun] = {}
        self._thread_values: list[Any] = []
        self._entry_values: list[Any] = []
        self._dirty: set[str] = set()
        self._ended: list[str] = []
        self._frames: dict[str, tuple[int, list[bytes]]] = {}

    def run(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute one statement inside the transaction and return its cursor."""
        self._begin()
        return self._connection.execute(statement, values)

    def _begin(self) -> None:
        if not self._begun:
            self._connection.execute("BEGIN IMMEDIATE")
            self._begun = True

    # What is known

    def head(self, run_id: str) -> Head | None:
        """Return the run's head as this transaction sees it, or None if there is no such run."""
        return self.changed.get(run_id) or self._committed.get(run_id) or self._load(run_id)

    def counted_before(self, run_id: str) -> RunStatus | None:
        """Return the status by which a run that has moved was counted before; None for one that is created here."""
        before = self.moved[run_id]
        committed = self._committed.get(run_id)
        if before in ACTIVE:
            return RunStatus.RUNNING if committed is None else committed.counted_as
        return before

    def adopt(self, head: Head) -> Head:
        """Take a head that was read by this transaction's own query."""
        return self.changed.get(head.run_id, head)

    def _load(self, run_id: str) -> Head | None:
        row = self.run(SELECT_HEAD, (run_id,)).fetchone()
        if row is None:
            return None
        owner_id, thread_id, agent, status, attempt, fence, rank, started_ms, cancel_ms, worker_id, last_seq = row
        return Head(
            run_id,
            owner_id,
            RunStatus(status),
            attempt,
            fence,
            rank,
            last_seq,
            thread_id=thread_id,
            agent=agent,
            started_ms=started_ms,
            cancel_requested_ms=cancel_ms,
            worker_id=worker_id,
        )

    def held(self, run_id: str, fence: int) -> Head:
        """Return the head if ``fence`` still is the right to write. Raises FenceLost."""
        head = self.head(run_id)
        if head is None or head.fence != fence or head.status in TERMINAL:
            raise FenceLost(f"run {run_id} was taken from this worker", run_id=run_id, fence=fence)
        return head

    # What is written

    def insert(self, statement: BulkInsert, values: list[Any]) -> None:
        """Insert rows now: ``values`` holds their columns, one row behind the other."""
        self._begin()
        statement.execute(self._connection, values)

    def insert_run(self, new: NewRun, rank: int) -> Head:
        """Add a run with its first entry, QUEUED."""
        head = Head(
            new.run_id,
            new.owner_id,
            RunStatus.QUEUED,
            attempt=1,
            fence=1,
            rank=rank,
            last_seq=0,
            thread_id=new.thread_id,
            agent=new.agent,
        )
        self.moved[new.run_id] = None
        self._thread_values += (new.thread_id, new.owner_id, self.now_ms, self.now_ms, new.first_words)
        self._fresh[new.run_id] = new
        self.created_by[new.owner_id] += 1
        self.changed[new.run_id] = head
        return self.append_state(head, state_data(head.status, head.attempt))

    def append_events(self, head: Head, events: Iterable[bytes]) -> Head:
        """Append encoded events."""
        return self._append(head, "event", events)

    def append_state(self, head: Head, data: bytes) -> Head:
        """Append one ``state`` entry without changing the state (the caller does)."""
        return self._append(head, "state", (data,))

    def _append(self, head: Head, kind: str, datas: Iterable[bytes]) -> Head:
        run_id, seq, now_ms = head.run_id, head.last_seq, self.now_ms
        wire_kind, wire_id = kind.encode(), run_id.encode()
        frames, values = self._frames.setdefault(run_id, (seq + 1, []))[1], self._entry_values
        for data in datas:
            seq += 1
            frame = entry_frame(wire_kind, wire_id, seq, now_ms, data)
            frames.append(frame)
            values += (run_id, seq, kind, frame)
        self.entries += seq - head.last_seq
        changed = self.changed[run_id] = evolve(head, last_seq=seq)
        return changed

    def move(self, head: Head, status: RunStatus, data: bytes, **changes: Any) -> Head:
        """Move the run along the state table and append the entry that says so; ``changes`` are other fields of the
        head.

        Raises IllegalTransition.
        """
        advance(head.status, status)
        self.moved.setdefault(head.run_id, head.status)
        if status in TERMINAL:
            changes |= {"ended_ms": self.now_ms, "terminal": data}
            self._ended.append(head.run_id)
            if status is not RunStatus.SUCCEEDED:
                self.fallen.append(head.run_id)
        moved = evolve(head, status=status, **changes)
        self._touch(head.run_id)
        return self.append_state(moved, data)

    def update(self, head: Head, **changes: Any) -> Head:
        """Change fields of the run without an entry."""
        self._touch(head.run_id)
        changed = self.changed[head.run_id] = evolve(head, **changes)
        return changed

    def _touch(self, run_id: str) -> None:
        if run_id not in self._fresh:  # a run that is not written yet is written as it then is
            self._dirty.add(run_id)

    def fresh_queued(self) -> list[tuple[Head, NewRun]]:
        """Return the waiting runs that this transaction has created and not yet written, best rank first."""
        pairs = [(self.changed[run_id], new) for run_id, new in self._fresh.items()]
        waiting = [pair for pair in pairs if pair[0].status is RunStatus.QUEUED and pair[0].rank < PARKED]
        return sorted(waiting, key=lambda pair: (pair[0].rank, pair[0].run_id))

    # The end

    def commit(self) -> None:
        """Send what has gathered to the database and commit it."""
        if self._is_one_statement:
            failpoints.reach("before_commit")
            INSERT_ENTRIES.execute(self._connection, self._entry_values)
            return
        self.flush()
        failpoints.reach("before_commit")
        self._connection.execute("COMMIT")

    @property
    def _is_one_statement(self) -> bool:
        """Whether entries are all there is, and few enough: SQLite commits a statement outside a transaction itself,
        and each of BEGIN and COMMIT is a fight for the interpreter's lock (``bulk_insert``).
        """
        more = self._begun or self._thread_values or self._fresh or self._dirty or self._ended
        return not more and INSERT_ENTRIES.is_one_statement(self._entry_values)

    def flush(self) -> None:
        """Send what has gathered to the database, still inside the transaction."""
        self._begin()
        if self._thread_values:
            INSERT_THREADS.execute(self._connection, self._thread_values)
            self._thread_values = []
        if self._fresh:
            values: list[Any] = []
            for run_id, new in self._fresh.items():
                values += _run_values(new, self.changed[run_id], self.now_ms)
            INSERT_RUNS.execute(self._connection, values)
            self._fresh = {}
        if self._entry_values:
            INSERT_ENTRIES.execute(self._connection, self._entry_values)
            self._entry_values = []
        if self._dirty:
            self._connection.executemany(UPDATE_RUN, [_update_row(self.changed[run_id]) for run_id in self._dirty])
            self._dirty = set()
        if self._ended:
            ended = [self.changed[run_id] for run_id in self._ended]
            record_endings(self._connection, ended, self.now_ms, receivers=self.receivers.some)
            self._ended = []

    def published(self) -> list[Published]:
        """Return what to publish once the commit has succeeded."""
        return [
            Published(run_id, first, frames, (head := self.changed[run_id]).status, head.fence, head.status in TERMINAL)
            for run_id, (first, frames) in self._frames.items()
        ]

    def moves(self) -> list[Move]:
        """Return how the runs have moved, for those who show it."""
        return [
            _move(self.changed[run_id], before)
            for run_id, before in self.moved.items()
            if before is not self.changed[run_id].status
        ]


def _move(head: Head, before: RunStatus | None) -> Move:
    took_ms = None
    if head.ended_ms is not None and head.started_ms is not None and head.attempt == 1:
        took_ms = head.ended_ms - head.started_ms
    return Move(head.run_id, head.owner_id, head.thread_id, head.agent, before, head.status, took_ms)


def stored_limits(encoded: bytes | None) -> RunLimits | None:
    """Return a run's own limits as :class:`Transaction` has stored them."""
    return None if encoded is None else msgspec.json.decode(encoded, type=RunLimits)


def _run_values(new: NewRun, head: Head, now_ms: int) -> tuple[Any, ...]:
    return (
        new.run_id,
        new.owner_id,
        new.thread_id,
        new.agent,
        head.status.value,
        head.attempt,
        head.fence,
        new.epoch,
        new.priority.value,
        head.rank,
        new.timeout_s,
        new.on_disconnect,
        new.input,
        new.body_hash,
        now_ms,
        head.started_ms,
        head.ended_ms,
        head.cancel_requested_ms,
        head.terminal,
        head.worker_id,
        1,
        new.agent_version,
        new.max_attempts,
        None if new.limits is None else msgspec.json.encode(new.limits),
        new.parent_id,
        new.retry_of,
        new.from_seq,
    )


def _update_row(head: Head) -> tuple[Any, ...]:
    return (
        head.status.value,
        head.attempt,
        head.fence,
        head.started_ms,
        head.ended_ms,
        head.cancel_requested_ms,
        head.rank,
        head.terminal,
        head.worker_id,
        head.run_id,
    )
