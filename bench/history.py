"""A database that looks as after months of use: written straight into SQLite, since living it would take an hour.

Rows have the shape of real ones (frames included), so that the server's own checks and queries meet what they would
meet. Used on a data folder that no server holds.
"""

from __future__ import annotations

import json
import random
import sqlite3
import string
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.bare import event_text

_INSERT_RUN: Final = (
    "INSERT INTO runs (id, owner_id, thread_id, agent, status, attempt, fence, epoch, priority, rank, timeout_s,"
    " on_disconnect, input, body_hash, created_ms, started_ms, ended_ms, first_seq, terminal)"
    " VALUES (?,?,?,'scripted','SUCCEEDED',1,1,'0123abcd','normal',?,600.0,'continue',?,?,?,?,?,1,?)"
)
_FIRST_MS: Final = 1_780_000_000_000
_TERMINAL: Final = b'{"status":"SUCCEEDED","attempt":1,"result":{"steps":1}}'


@dataclass(frozen=True, slots=True)
class History:
    """How much to store: ``runs`` ended runs of ``entries_per_run`` entries each (states included, at least 4)."""

    runs: int = 10_000
    entries_per_run: int = 100


def fill(database: Path, history: History) -> int:
    """Add a history to an upgraded database and return how many entries it got."""
    ids = _run_ids(history.runs)
    with closing(sqlite3.connect(database)) as connection, connection:
        owner = _owner(connection)
        threads = [(f"thread-{i // 10}", owner, _FIRST_MS) for i in range(0, len(ids), 10)]
        connection.executemany("INSERT INTO threads (id, owner_id, created_ms) VALUES (?,?,?)", threads)
        connection.executemany(_INSERT_RUN, (_run_row(owner, i, run_id) for i, run_id in enumerate(ids)))
        # In the order of the key, whose tree is then filled from left to right instead of at random.
        entries = (row for run_id in sorted(ids) for row in _entry_rows(run_id, history.entries_per_run))
        connection.executemany("INSERT INTO entries (run_id, seq, kind, frame) VALUES (?,?,?,?)", entries)
    return history.runs * history.entries_per_run


def _owner(connection: sqlite3.Connection) -> str:
    """Return whose token the first start made, so that the history is the benchmark's own user's."""
    row = connection.execute("SELECT user_id FROM tokens ORDER BY created_ms LIMIT 1").fetchone()
    if row is None:
        raise LookupError("the database has no token yet: start the server once before filling it")
    return str(row[0])


def _run_ids(count: int) -> list[str]:
    draw = random.Random(8700)
    alphabet = string.ascii_lowercase + string.digits
    return ["h" + "".join(draw.choices(alphabet, k=23)) for _ in range(count)]


def _run_row(owner: str, index: int, run_id: str) -> tuple[Any, ...]:
    created = _FIRST_MS + index * 60_000
    body = json.dumps({"steps": [{"burst": {"count": 96, "bytes": 100}}]}).encode()
    thread = f"thread-{index // 10}"
    return (run_id, owner, thread, index + 1, body, "0" * 64, created, created + 5, created + 90, _TERMINAL)


def _entry_rows(run_id: str, entries: int) -> Iterator[tuple[str, int, str, bytes]]:
    head = f'{{"type":"state","run_id":"{run_id}","seq":%d,"ts_ms":{_FIRST_MS},"data":%s}}'
    yield run_id, 1, "state", (head % (1, '{"status":"QUEUED","attempt":1}')).encode()
    yield run_id, 2, "state", (head % (2, '{"status":"RUNNING","attempt":1}')).encode()
    for seq in range(3, entries):
        yield run_id, seq, "event", event_text(seq, "x" * 100, run_id).encode()
    yield run_id, entries, "state", (head % (entries, _TERMINAL.decode())).encode()
