"""The judge: takes everything that was seen, acknowledged and stored, and finds every broken promise. Pure.

The promises are lines of the protocol: L1 (no hole), L2 (commit before publish; what was seen stays), L4 and L5 (moves,
one terminal entry, the last), L6 (epoch), L8 (the same bytes everywhere), S1–S5 (one socket).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.frames import Entry, ServerFrame, entries_in, parse_entry, parse_frame
from tests.faults.journal import Acknowledged
from tests.faults.observer import Observer

TERMINAL: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
MOVES: Final = {
    "": {"QUEUED"},
    "QUEUED": {"RUNNING", "FAILED", "CANCELLED"},
    "RUNNING": {"WAITING", "QUEUED", "SUCCEEDED", "FAILED", "CANCELLED"},
    "WAITING": {"RUNNING", "QUEUED", "FAILED", "CANCELLED"},
}
"""The table of L4, written down a second time: the judge does not ask the accused."""

RESET: Final = b'{"type":"reset"'


class HistoryBroken(AssertionError):
    """At least one promise was broken; the message lists all of them."""


@dataclass(frozen=True, slots=True)
class StoredLog:
    """One run as the database holds it."""

    run_id: str
    epoch: str
    status: str
    first_seq: int
    entries: list[Entry]

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry."""
        return self.entries[-1].seq if self.entries else 0


def read_logs(database: Path) -> dict[str, StoredLog]:
    """Read every run of a database that a server may be using, in one transaction."""
    connection = sqlite3.connect(database, timeout=5.0, isolation_level=None)
    try:
        connection.execute("BEGIN")
        (incarnation,) = connection.execute("SELECT value FROM meta WHERE key = 'incarnation'").fetchone()
        logs: dict[str, StoredLog] = {}
        for run_id, epoch, status, first_seq in connection.execute("SELECT id, epoch, status, first_seq FROM runs"):
            rows = connection.execute("SELECT frame FROM entries WHERE run_id = ? ORDER BY seq", (run_id,))
            entries = [parse_entry(bytes(frame)) for (frame,) in rows]
            logs[run_id] = StoredLog(run_id, f"{incarnation}.{epoch}", status, first_seq, entries)
    finally:
        connection.close()
    return logs


@dataclass(frozen=True, slots=True)
class Stream:
    """What one socket has seen of one run. ``whole``: nothing but the server ended it, so its end must be proper."""

    run_id: str
    after: int | None
    texts: list[bytes]
    close_code: int | None
    whole: bool

    @classmethod
    def of(cls, observer: Observer, run_id: str, after: int | None = None, *, whole: bool | None = None) -> Stream:
        """Take what an observer has seen; ``whole`` defaults to whether the observer itself did not cut it."""
        alone = not observer.cut_by_us if whole is None else whole
        return cls(run_id, after, list(observer.texts), observer.close_code, alone)


@dataclass(slots=True)
class History:
    """Gathers what was seen, then judges. One history spans kills and restarts of a server."""

    streams: list[Stream] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def add(self, observer: Observer, run_id: str, after: int | None = None, *, whole: bool | None = None) -> None:
        """Add a socket."""
        self.streams.append(Stream.of(observer, run_id, after, whole=whole))

    def check(self, logs: dict[str, StoredLog], *, ended: bool = True) -> None:
        """Judge against what is stored. ``ended``: every run must have ended by now. Raises HistoryBroken."""
        self.broken = []
        for log in logs.values():
            self._log(log, ended=ended)
        for number, stream in enumerate(self.streams):
            if stream.run_id not in logs:
                self.broken.append(f"socket {number}: run {stream.run_id} was seen and is gone")
                continue
            self._stream(number, stream, logs[stream.run_id])
        for told in self.acknowledged:
            self._acknowledged(told, logs)
        if self.broken:
            more = f"\n… and {len(self.broken) - 20} more" if len(self.broken) > 20 else ""
            raise HistoryBroken("\n".join(self.broken[:20]) + more)

    def _log(self, log: StoredLog, *, ended: bool) -> None:
        """L1, L4, L5: no hole, legal moves, one terminal entry, the last; the run's row says the same."""
        where = f"log {log.run_id}"
        seqs = [entry.seq for entry in log.entries]
        if seqs != list(range(log.first_seq, log.first_seq + len(seqs))) or not seqs:
            self.broken.append(f"{where}: not contiguous from {log.first_seq}: {_brief(seqs)}")
        status, attempt = "", 0
        for entry in log.entries:
            if entry.run_id != log.run_id:
                self.broken.append(f"{where}: entry {entry.seq} names run {entry.run_id}")
            if status in TERMINAL:
                self.broken.append(f"{where}: entry {entry.seq} stands behind the terminal entry")
            if entry.type != "state":
                if status != "RUNNING" and status != "WAITING" and log.first_seq == 1:
                    self.broken.append(f"{where}: event {entry.seq} while {status or 'nothing'}")
                continue
            moved = entry.data.status
            if (log.first_seq == 1 or status) and moved not in MOVES.get(status, set()):
                self.broken.append(f"{where}: entry {entry.seq} moves {status or 'nothing'} → {moved}")
            if moved == "QUEUED" and entry.data.attempt != attempt + 1:
                self.broken.append(f"{where}: entry {entry.seq} is attempt {entry.data.attempt} after {attempt}")
            status, attempt = moved, entry.data.attempt
        if status != log.status:
            self.broken.append(f"{where}: the row says {log.status}, the last state entry {status}")
        if ended and status not in TERMINAL:
            self.broken.append(f"{where}: has not ended, it is {status}")

    def _stream(self, number: int, stream: Stream, log: StoredLog) -> None:
        """L2, L6, L8, S1–S5 for one socket."""
        where = f"socket {number} ({stream.run_id}, after={stream.after})"
        if not stream.texts:
            return
        opening, *rest = stream.texts
        connected = parse_frame(opening)
        if connected.type != "connected":
            self.broken.append(f"{where}: the first frame is {connected.type}")
            return
        if connected.epoch != log.epoch:
            self.broken.append(f"{where}: epoch {connected.epoch}, the database says {log.epoch}")
        cursor = self._cursor(where, stream, connected, rest)
        stored = {entry.seq: entry for entry in log.entries}
        terminal_seen = False
        for text in rest:
            if text.startswith(RESET) and (trimmed := parse_frame(text)).reason == "trimmed":
                cursor = trimmed.first_seq - 1
            for entry in entries_in(text):
                if entry.seq != cursor + 1:
                    self.broken.append(f"{where}: {entry.seq} came after {cursor}")
                cursor = entry.seq
                kept = stored.get(entry.seq)
                if kept is None and entry.seq >= log.first_seq:
                    self.broken.append(f"{where}: entry {entry.seq} was seen and is not stored")
                elif kept is not None and kept.raw != entry.raw:
                    self.broken.append(f"{where}: entry {entry.seq} has other bytes than the stored one")
                terminal_seen = entry.type == "state" and entry.data.status in TERMINAL
        self._end(where, stream, cursor, log, terminal_seen=terminal_seen)

    def _cursor(self, where: str, stream: Stream, connected: ServerFrame, rest: list[bytes]) -> int:
        """Return behind which entry the socket starts, by what it was told (S2, S3)."""
        if connected.resumed:
            return stream.after if stream.after is not None else connected.first_seq - 1
        if not rest or parse_frame(rest[0]).type != "reset":
            if rest:
                self.broken.append(f"{where}: not resumed and no reset but {rest[0][:60]!r}")
            return connected.first_seq - 1
        return parse_frame(rest[0]).first_seq - 1

    def _end(self, where: str, stream: Stream, cursor: int, log: StoredLog, *, terminal_seen: bool) -> None:
        """S5: 1000 means that the terminal state is held; who holds it and was not cut was closed with 1000."""
        holds = terminal_seen or (log.status in TERMINAL and stream.after == log.last_seq == cursor)
        if stream.close_code == 1000 and not holds:
            self.broken.append(f"{where}: closed 1000 at {cursor} without the terminal entry")
        if terminal_seen and stream.whole and stream.close_code != 1000:
            self.broken.append(f"{where}: holds the terminal entry and was closed {stream.close_code}")

    def _acknowledged(self, told: Acknowledged, logs: dict[str, StoredLog]) -> None:
        """L2, L9: what ``flush`` has confirmed is stored, in its place, and what was emitted before it too."""
        log = logs.get(told.run_id)
        if log is None or log.last_seq < told.flushed_seq:
            have = "nothing" if log is None else str(log.last_seq)
            self.broken.append(f"journal {told.run_id}: flush confirmed {told.flushed_seq}, stored is {have}")
            return
        numbers = [entry.data.value for entry in log.entries if entry.data.name == told.name]
        wanted = list(range(told.flushed_numbers))
        if numbers[: len(wanted)] != wanted:
            self.broken.append(f"journal {told.run_id} {told.name}: {len(wanted)} confirmed, stored {_brief(numbers)}")
        if numbers != list(range(len(numbers))):
            self.broken.append(f"journal {told.run_id} {told.name}: not in the order of emission: {_brief(numbers)}")
        if len(numbers) > told.begun_numbers:
            self.broken.append(f"journal {told.run_id} {told.name}: more stored than was ever emitted")


def _brief(values: Iterable[object]) -> str:
    text = ", ".join(map(str, values))
    return f"[{text}]" if len(text) < 120 else f"[{text[:80]} … {text[-30:]}]"
