"""What a run's end brings with it, in the transaction of its terminal entry. Floor 4; writer thread only.

A fixed number of statements for all runs that a commit ends, whatever they said: what takes longer is only noted here,
and done later by whoever reads the note. A crash in between loses nothing. The ids go in as one JSON array, because
each row that the driver steps over costs a fight for the interpreter's lock (``bulk_insert``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Protocol

import msgspec
import sqlalchemy as sa

from runwire.runs.usage import day_of, used_by

_ENDED = "SELECT value FROM json_each(?)"
TOUCH_THREADS = f"UPDATE threads SET active_ms = ? WHERE id IN ({_ENDED})"
NOTE_UNINDEXED = f"INSERT INTO unindexed (run_id) {_ENDED} WHERE true ON CONFLICT (run_id) DO NOTHING"
_DELIVER = "INSERT INTO webhook_deliveries (id, run_id, webhook_id, owner_id, status, attempts, next_ms, created_ms) "
DELIVER_TO_WEBHOOKS = (
    f"{_DELIVER}SELECT r.id || '.' || r.epoch || '.' || w.id, r.id, w.id, w.owner_id, 'PENDING', 0, ?, ?"
    f" FROM runs r JOIN webhooks w ON w.id IN (SELECT id FROM webhooks WHERE owner_id = r.owner_id"
    " UNION SELECT id FROM webhooks WHERE everyone)"
    f" WHERE r.id IN ({_ENDED})"
    " AND (w.statuses IS NULL OR r.status IN (SELECT value FROM json_each(w.statuses)))"
    " AND (w.agents IS NULL OR r.agent IN (SELECT value FROM json_each(w.agents)))"
)
DELIVER_TO_STARTER = (
    f"{_DELIVER}SELECT r.id || '.' || r.epoch, r.id, '', r.owner_id, 'PENDING', 0, ?, ?"
    f" FROM run_webhooks s JOIN runs r ON r.id = s.run_id WHERE s.run_id IN ({_ENDED})"
)


_ANYBODY = "SELECT EXISTS (SELECT 1 FROM webhooks), EXISTS (SELECT 1 FROM run_webhooks)"
"""Looked at first, because the two statements above cost five times as much."""

ADD_USAGE = (
    "INSERT INTO usage (owner_id, day, runs, input_tokens, output_tokens, cost_micros) VALUES (?,?,?,?,?,?)"
    " ON CONFLICT (owner_id, day) DO UPDATE SET runs = runs + excluded.runs,"
    " input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,"
    " cost_micros = cost_micros + excluded.cost_micros"
)


class Receivers:
    """Whether anybody was ever to be told of an end. Changed on the writer thread, looked at from any: on most servers
    nobody is, and an end costs nothing for it.
    """

    def __init__(self) -> None:
        self.some = False

    def restore(self, connection: sa.Connection) -> None:
        """Learn it from the database; only this process adds receivers from now on."""
        self.some = any(connection.exec_driver_sql(_ANYBODY).one())


class Ended(Protocol):
    """An ended run, as far as its end brings something with it."""

    @property
    def run_id(self) -> str:
        """The run."""

    @property
    def owner_id(self) -> str:
        """Whose it is."""

    @property
    def thread_id(self) -> str:
        """Its conversation."""

    @property
    def terminal(self) -> bytes | None:
        """The encoded ``data`` of its terminal entry."""


def record_endings(connection: sqlite3.Connection, runs: Sequence[Ended], now_ms: int, *, receivers: bool) -> None:
    """Write what the ends of ``runs`` bring with them; their rows are written already. ``receivers``: somebody may want
    to be told.
    """
    for run in runs:
        if run.terminal is not None and (used := used_by(run.terminal)) is not None:
            facts = (used.runs, used.input_tokens, used.output_tokens, used.cost_micros)
            connection.execute(ADD_USAGE, (run.owner_id, day_of(now_ms), *facts))
    ended = msgspec.json.encode([run.run_id for run in runs]).decode()
    threads = msgspec.json.encode([run.thread_id for run in runs]).decode()
    connection.execute(TOUCH_THREADS, (now_ms, threads))
    connection.execute(NOTE_UNINDEXED, (ended,))
    if not receivers:
        return
    for wanted, statement in zip(
        connection.execute(_ANYBODY).fetchone(), (DELIVER_TO_WEBHOOKS, DELIVER_TO_STARTER), strict=True
    ):
        if wanted:
            connection.execute(statement, (now_ms, now_ms, ended))
