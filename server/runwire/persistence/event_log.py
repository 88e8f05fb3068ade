"""The event log on SQL: appenders on the way in, one read path on the way out. Floor 4.

Threads: :class:`SqlRunAppender` is used by a run's own thread and by the writer, :meth:`SqlEventLog.read` on a loop.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import sqlalchemy as sa

from runwire.contracts.actors import OwnedRun
from runwire.contracts.event_log import Chunk
from runwire.errors import NotFound
from runwire.persistence.reader import ReaderPool
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import LogWriter
from runwire.runs.state import TERMINAL, RunStatus
from runwire.threads import CrossLoopSignal

WINDOW_ENTRIES = 256
"""Entries of one run that may wait for the writer (protocol, L9)."""

WINDOW_BYTES = 1_048_576
"""Bytes of one run that may wait for the writer (protocol, L9)."""

SELECT_CHUNK = "SELECT seq, frame FROM entries WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
SELECT_STATUS = "SELECT status, (SELECT max(seq) FROM entries WHERE run_id = runs.id) FROM runs WHERE id = ?"


class SqlRunAppender:
    """Appends one attempt's events: the run's thread adds, the writer takes all that waits with each commit."""

    on_loop = False
    patient = False

    def __init__(self, writer: LogWriter, run_id: str, fence: int) -> None:
        self._writer = writer
        self._run_id = run_id
        self._fence = fence
        self._lock = threading.Lock()
        self._blocked: threading.Condition | None = None  # made when a thread without a loop waits, which is seldom
        self._signal: CrossLoopSignal | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._in_commit: list[bytes] = []
        self._tx: Transaction | None = None
        self._scheduled = False
        self._error: Exception | None = None
        self._committed_seq = 0

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop on which the waiting methods will be called."""
        self._signal = CrossLoopSignal(loop)

    @property
    def failure(self) -> Exception | None:
        """Why nothing more of this attempt can be stored; None while all is well."""
        return self._error

    # The run's thread

    def append(self, data: bytes) -> bool:
        """Hand over one encoded event; False when the window is full. Raises what ended an earlier append."""
        with self._lock:
            if self._error is not None:
                raise self._error
            self._waiting.append(data)
            self._waiting_bytes += len(data)
            schedule, self._scheduled = not self._scheduled, True
            accepting = self._accepting
        if schedule:
            self._writer.submit(self)
        return accepting

    @property
    def _accepting(self) -> bool:
        return len(self._waiting) < WINDOW_ENTRIES and self._waiting_bytes < WINDOW_BYTES

    @property
    def _settled(self) -> bool:
        return not self._waiting and not self._in_commit

    async def wait_accepting(self) -> None:
        """Wait until the window has room. Raises what ended an earlier append."""
        await self._wait(lambda: self._accepting)

    async def flush(self) -> int:
        """Wait until everything appended is committed; return the last committed ``seq``."""
        await self._wait(lambda: self._settled)
        return self._committed_seq

    async def _wait(self, condition: Any) -> None:
        assert self._signal is not None, "bind() comes first"
        while True:
            with self._lock:  # every change is made under it and notified behind it: none can fall in between
                if self._error is not None:
                    raise self._error
                if condition():
                    return
                woken = self._signal.prepare()
            await woken

    def wait_accepting_blocking(self, timeout_s: float) -> None:
        """The same for a thread without a loop. Raises TimeoutError."""
        self._wait_blocking(lambda: self._accepting, timeout_s)

    def flush_blocking(self, timeout_s: float) -> int:
        """The same for a thread without a loop. Raises TimeoutError."""
        self._wait_blocking(lambda: self._settled, timeout_s)
        return self._committed_seq

    def _wait_blocking(self, condition: Any, timeout_s: float) -> None:
        with self._lock:
            if self._blocked is None:
                self._blocked = threading.Condition(self._lock)
            if not self._blocked.wait_for(lambda: self._error is not None or condition(), timeout_s):
                raise TimeoutError(f"the log did not accept within {timeout_s} s")
            if self._error is not None:
                raise self._error

    # The writer's thread

    def apply(self, tx: Transaction) -> int:
        """Append what waits; a commit that is tried again gets what it had before, and no more: otherwise each try
        would open the window anew.

        A commit that is tried again may find this appender queued twice: what the same ``tx`` has got already is not
        given to it again.
        """
        with self._lock:
            again = self._in_commit if self._tx is not tx else []
            self._tx = tx
            if again:
                taken = again
            else:
                taken = self._waiting
                self._in_commit = self._in_commit + taken
                self._waiting, self._waiting_bytes, self._scheduled = [], 0, False
                if self._blocked is not None:
                    self._blocked.notify_all()
        if self._signal is not None:
            self._signal.notify()
        return tx.append_events(tx.held(self._run_id, self._fence), taken).last_seq

    def done(self, answer: Any, error: Exception | None) -> None:
        """Note the commit, or why there was none: then nothing more of this attempt is taken."""
        with self._lock:
            self._in_commit, self._tx = [], None
            if error is not None:
                self._error = error
                self._waiting, self._waiting_bytes = [], 0
            else:
                self._committed_seq = answer
            if self._blocked is not None:
                self._blocked.notify_all()
        if self._signal is not None:
            self._signal.notify()


class SqlEventLog:
    """Implements ``contracts.event_log.EventLog``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool) -> None:
        self._writer = writer
        self._readers = readers

    def appender(self, run_id: str, fence: int) -> SqlRunAppender:
        """Return the appender of one attempt."""
        return SqlRunAppender(self._writer, run_id, fence)

    async def read(self, run: OwnedRun, after: int, *, entries: int, size_bytes: int) -> Chunk:
        """Return committed entries behind ``after`` and, from the same read, where the log ends if it has ended."""
        return await self._readers.run(lambda connection: _read(connection, run.run_id, after, entries, size_bytes))


def _read(connection: sa.Connection, run_id: str, after: int, entries: int, size_bytes: int) -> Chunk:
    row = connection.exec_driver_sql(SELECT_STATUS, (run_id,)).one_or_none()
    if row is None:
        raise NotFound(f"no run {run_id}")  # deleted while somebody reads
    status, last_seq = row
    end_seq = last_seq if RunStatus(status) in TERMINAL else None
    frames: list[bytes] = []
    first_seq, size = after + 1, 0
    for seq, frame in connection.exec_driver_sql(SELECT_CHUNK, (run_id, after, entries)):
        if not frames:
            first_seq = seq
        frames.append(frame)
        size += len(frame)
        if size >= size_bytes:
            break
    return Chunk(first_seq, frames, end_seq)
