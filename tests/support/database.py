"""What is really stored: a look into a server's database from outside, by plain ``sqlite3``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runwire.clock import SystemClock
from runwire.contracts.actors import User
from runwire.persistence.database import database_file, open_engine
from runwire.persistence.user_store import create_token


@contextmanager
def _reading(data: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{database_file(data)}?mode=ro", uri=True, timeout=2)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()


def query(data: Path, statement: str, *values: Any) -> list[dict[str, Any]]:
    """Return the rows of a query on the data folder's database."""
    with _reading(data) as connection:
        return [dict(row) for row in connection.execute(statement, values)]


def change(data: Path, statement: str, *values: Any) -> None:
    """Change a database that no server uses: how a test makes the past."""
    connection = sqlite3.connect(database_file(data), timeout=2)
    try:
        connection.execute(statement, values)
        connection.commit()
    finally:
        connection.close()


def stored_frames(data: Path, run_id: str) -> list[bytes]:
    """Return a run's entries in their order, as the bytes that are stored."""
    return [row["frame"] for row in query(data, "SELECT frame FROM entries WHERE run_id = ? ORDER BY seq", run_id)]


def stored_entries(data: Path, run_id: str) -> list[dict[str, Any]]:
    """Return a run's entries in their order, decoded."""
    return [json.loads(frame) for frame in stored_frames(data, run_id)]


def stored_status(data: Path, run_id: str) -> str:
    """Return a run's status as stored; an empty string if there is no such run."""
    rows = query(data, "SELECT status FROM runs WHERE id = ?", run_id)
    return rows[0]["status"] if rows else ""


def last_seq(data: Path, run_id: str) -> int:
    """Return the last committed seq of a run; 0 if it has no entry."""
    rows = query(data, "SELECT coalesce(max(seq), 0) AS last FROM entries WHERE run_id = ?", run_id)
    return int(rows[0]["last"])


def new_token(data: Path, user: str, *, admin: bool = False) -> str:
    """Make a token for ``user``, as ``runwire token create`` does, also while a server runs."""
    engine = open_engine(database_file(data))
    with engine.begin() as connection:
        return create_token(connection, User(user, admin=admin), "test", SystemClock().now_ms())


def assert_log_is_whole(entries: list[dict[str, Any]]) -> None:
    """Check what holds for every ended run's log (protocol, L1, L4, L5): gapless, one terminal state, and that last."""
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1)), "the log has holes"
    ends = [index for index, entry in enumerate(entries) if is_terminal(entry)]
    assert ends == [len(entries) - 1], f"terminal entries at {ends} of {len(entries)}"


def is_terminal(entry: dict[str, Any]) -> bool:
    """Return whether an entry ends its run."""
    return entry["type"] == "state" and entry["data"]["status"] in ("SUCCEEDED", "FAILED", "CANCELLED")
