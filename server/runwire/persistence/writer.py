"""The one thread that writes. Floor 4: takes whatever work has gathered, commits it as one transaction, then tells.

Group commit without a timer: what arrives while a commit runs is the next commit, so one producer gets the shortest
latency and many get the largest batches (7–50 × over a commit per event). Callers are answered, entries published and
claimed runs handed out only after the commit.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
import structlog

from runwire import failpoints
from runwire.clock import Clock
from runwire.contracts.event_log import Commit, CommitListener
from runwire.errors import RunwireError, StorageUnavailable
from runwire.persistence.claims import Claimer
from runwire.persistence.database import BUSY_TIMEOUT_MS, WAL_BYTES, wal_bytes
from runwire.persistence.endings import Receivers
from runwire.persistence.seats import follow_parents
from runwire.persistence.transaction import Head, Transaction
from runwire.persistence.writer_counts import WriterCounts, queue_waits_ms
from runwire.runs.state import ACTIVE
from runwire.threads import LoopReply, OwnedThread, WorkQueue

log = structlog.get_logger(__name__)
T = TypeVar("T")

ITEMS_PER_COMMIT = 512
"""Most items of work in one commit; with 256 events waiting for each of a few runs, a commit stays below some 10 ms."""

RETRY_STORAGE_S = 30.0
"""How long a commit is tried again while the disk is full, read-only or locked, before its callers are told; a guess.
"""

STALL_S = 2.0
"""How long a commit has been tried again when new requests are refused at once instead of joining the wait; a guess."""

WAL_CHECK_S = 1.0
"""How often the size of the write-ahead log is looked at, at most."""

RETRY_FIRST_S, RETRY_MOST_S = 0.02, 0.5


class Work(Protocol):
    """One item of work. Both methods run on the writer thread, ``done`` on the server's loop where ``on_loop``
    says so.
    """

    @property
    def on_loop(self) -> bool:
        """Where ``done`` is called."""

    @property
    def patient(self) -> bool:
        """Whether it waits as long as the storage is away, instead of being refused: a truth that must be written."""

    def apply(self, tx: Transaction) -> Any:
        """Do the work inside ``tx`` and return the answer. Raises RunwireError *before* it has changed ``tx``.

        May be called again with a fresh transaction when a commit did not succeed.
        """

    def done(self, answer: Any, error: Exception | None) -> None:
        """Take the answer after the commit, or the error; must not block or raise."""


class Call:
    """A function to apply, and whom to tell. ``on_loop``: ``done`` belongs on the server's loop, like the
    entries there. ``patient``: never refused because of the storage.
    """

    __slots__ = ("apply", "done", "on_loop", "patient")

    def __init__(
        self,
        apply: Callable[[Transaction], Any],
        done: Callable[[Any, Exception | None], None],
        *,
        on_loop: bool = False,
        patient: bool = False,
    ) -> None:
        self.apply = apply
        self.done = done
        self.on_loop = on_loop
        self.patient = patient


_Answer = tuple[Work, Any, Exception | None]


class LogWriter:
    """Owns the writing connection and the cache of live heads."""

    def __init__(self, engine: sa.Engine, clock: Clock, claimer: Claimer, receivers: Receivers) -> None:
        self._wal_checked_at = 0.0
        self._engine = engine
        self._clock = clock
        self._claimer = claimer
        self.receivers = receivers
        self._work: WorkQueue[Work | None] = WorkQueue()
        self._thread = OwnedThread("runwire-writer", self._run)
        self._heads: dict[str, Head] = {}
        self._listener: CommitListener | None = None
        self._closing = threading.Event()
        self.counts = WriterCounts()
        self.failure: str | None = None
        """What is wrong with the storage right now, for ``/readyz``; None when the last commit succeeded."""
        self._trying_since: float | None = None

    def start(self, listener: CommitListener) -> None:
        """Start the thread; ``listener`` hears of every commit."""
        self._listener = listener
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs; without it nothing can be stored."""
        return self._thread.alive

    def refuse_if_stalled(self) -> None:
        """Refuse what need not wait for a storage that is away; any thread. Raises StorageUnavailable.

        Whoever comes while no commit is being tried again is let in: it is the attempt that finds the storage healed.
        """
        since = self._trying_since
        if since is not None and time.monotonic() - since > STALL_S:
            raise StorageUnavailable(f"the database cannot be written: {self.failure}")

    def last_seqs(self) -> dict[str, int]:
        """Return the last committed ``seq`` of every run that is held here; any thread."""
        return {run_id: head.last_seq for run_id, head in self._heads.copy().items()}

    async def write(self, apply: Callable[[Transaction], T]) -> T:
        """Return what ``apply`` returns, once it is committed; on the server's loop. Raises what ``apply`` raises, and
        StorageUnavailable.
        """
        reply: LoopReply[T] = LoopReply()
        self.submit(Call(apply, reply.deliver, on_loop=True))
        return await reply.wait()

    def submit(self, work: Work) -> None:
        """Add work; any thread, never blocks. Bounded by the callers: appenders have a window, requests a limit."""
        self._work.put(work)

    def close(self, timeout_s: float) -> bool:
        """Commit what waits and end the thread; return whether it ended within ``timeout_s`` seconds."""
        self._closing.set()
        self._work.put(None)
        return self._thread.join(timeout_s)

    def _run(self) -> None:
        lent = self._engine.raw_connection()
        connection = lent.driver_connection
        assert isinstance(connection, sqlite3.Connection), "this writer speaks SQLite"
        try:
            ended = False
            wait_s: float | None = None  # the first work is to settle what dead workers hold: no claim comes before it
            while not ended:
                waited = self._work.waiting
                items = self._work.take_all(ITEMS_PER_COMMIT, wait_s)
                self.counts.taken(waited=waited, all_of_it=len(items) < ITEMS_PER_COMMIT)
                ended = None in items
                self._commit(connection, [item for item in items if item is not None])
                self._bound_wal(connection)
                wait_s = self._claimer.backoff.wait_s()
        finally:
            lent.close()

    def _bound_wal(self, connection: sqlite3.Connection) -> None:
        """Empty a write-ahead log that readers have let grow: SQLite's own checkpoints restart it only in a
        quiet moment.
        """
        now = time.monotonic()
        if now - self._wal_checked_at < WAL_CHECK_S:
            return
        self._wal_checked_at = now
        if wal_bytes(Path(self._engine.url.database or "")) > WAL_BYTES:
            try:
                connection.execute("PRAGMA busy_timeout = 0")  # a reader is not waited for: every commit would be late
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            except sqlite3.DatabaseError as error:
                log.warning("storage.wal_not_emptied", error=str(error))
            else:
                if busy:  # the next second tries again
                    log.info("storage.wal_not_emptied", error="a reader holds it")

    def _commit(self, connection: sqlite3.Connection, items: list[Work]) -> None:
        """Commit ``items``, or refuse them."""
        try:
            self._commit_or_try_again(connection, items)
        finally:
            self._trying_since = None

    def _commit_or_try_again(self, connection: sqlite3.Connection, items: list[Work]) -> None:
        """Commit ``items``, trying again while the storage is unavailable and apart when one of them is at fault."""
        started = time.monotonic()
        pause_s = RETRY_FIRST_S
        while True:
            try:
                tx, answers = self._commit_once(connection, items)
            except sqlite3.DatabaseError as error:
                if not _is_storage_trouble(error):
                    self._commit_apart(connection, items, error)
                    return
                self.failure, self._trying_since = str(error), started
                self.counts.storage_failures += 1
                log.error("storage.unavailable", error=self.failure, items=len(items))
                if time.monotonic() >= started + RETRY_STORAGE_S or self._closing.is_set():
                    self._give_up(items)
                    return
                self._closing.wait(pause_s)
                pause_s = min(pause_s * 2, RETRY_MOST_S)
            except Exception as error:  # an item's own defect
                self._commit_apart(connection, items, error)
                return
            else:
                self.failure = None
                self._tell(tx, answers)  # outside the try: nothing that goes wrong here may commit a second time
                return

    def _commit_apart(self, connection: sqlite3.Connection, items: list[Work], error: Exception) -> None:
        """Commit each item alone, so that the one at fault does not take the others with it; refuse that one."""
        if len(items) <= 1:  # without any it is the look at the queue that fails: the next commit looks again
            log.error("writer.item_failed", exc_info=error, items=len(items))
            self._refuse(items, error)
            return
        for item in items:
            self._commit(connection, [item])

    def _commit_once(self, connection: sqlite3.Connection, items: list[Work]) -> tuple[Transaction, list[_Answer]]:
        answers: list[_Answer] = []
        begun = time.monotonic()
        try:
            tx = Transaction(connection, self._heads, self._clock.now_ms(), self.receivers)
            for item in items:
                try:
                    answers.append((item, item.apply(tx), None))
                except RunwireError as error:  # refused before it changed anything: the caller's answer
                    answers.append((item, None, error))
            if tx.fallen:
                follow_parents(tx)
            self._claimer.claim(tx)
            waits_ms = queue_waits_ms(tx) if tx.claimed else []
            tx.commit()
        except BaseException:
            self._claimer.rolled_back()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        failpoints.reach("after_commit")
        self._claimer.committed(tx)
        self._keep(tx)
        self.counts.committed(tx, len(items), begun, waits_ms)
        return tx, answers

    def _keep(self, tx: Transaction) -> None:
        for run_id, head in tx.changed.items():
            if head.status in ACTIVE:
                self._heads[run_id] = head
            else:
                self._heads.pop(run_id, None)

    def _tell(self, tx: Transaction, answers: list[_Answer]) -> None:
        """Tell whoever waits; what belongs on the server's loop goes there together, with one wake-up."""
        for_loop: list[Callable[[], None]] = []
        for item, answer, error in answers:
            if item.on_loop:
                for_loop.append(partial(item.done, answer, error))
            else:
                item.done(answer, error)
        for returned in tx.returned:
            returned.told()
        assert self._listener is not None, "start() comes first"
        self._listener.on_commit(Commit(tx.claimed, for_loop, tx.published(), tx.moves()))

    def _give_up(self, items: list[Work]) -> None:
        """Refuse what did not get into the storage in time; what is patient stands in the queue again."""
        refused: list[Work] = []
        for item in items:
            if item.patient and not self._closing.is_set():
                self._work.put(item)
            else:
                refused.append(item)
        self.counts.refused += len(refused)
        self._refuse(refused, StorageUnavailable(f"the database cannot be written: {self.failure}"))

    def _refuse(self, items: list[Work], error: Exception) -> None:
        """Tell everybody that nothing was stored."""
        assert self._listener is not None, "start() comes first"
        for item in items:
            if not item.on_loop:
                item.done(None, error)
        for_loop = [partial(item.done, None, error) for item in items if item.on_loop]
        self._listener.on_commit(Commit([], for_loop, []))


def _is_storage_trouble(error: sqlite3.DatabaseError) -> bool:
    """Return whether the world is at fault: full, locked, read-only, I/O error; damaged, or no database at all.

    The last two come as the bare class; its other subclasses are defects of a statement.
    """
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
