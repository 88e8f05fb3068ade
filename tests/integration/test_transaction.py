"""What a commit costs in statements: each is a fight for the interpreter's lock beside busy threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runwire.persistence import search
from runwire.persistence.database import database_file
from runwire.persistence.endings import Receivers
from runwire.persistence.transaction import Head, Transaction
from runwire.protocol.entries import state_data
from runwire.runs.state import RunStatus

HEAD = Head("run00001", "ann", RunStatus.RUNNING, 1, 1, 1, 2, thread_id="t", agent="chat")
EVENT = b'{"type":"RAW"}'


@pytest.fixture
def connection(make_data: Callable[[], Path]) -> Iterator[sqlite3.Connection]:
    """The writer's connection to a fresh database."""
    with closing(sqlite3.connect(database_file(make_data()), isolation_level=None)) as opened:
        yield opened


def _transaction(connection: sqlite3.Connection) -> tuple[Transaction, list[str]]:
    statements: list[str] = []
    connection.set_trace_callback(lambda statement: statements.append(statement.split()[0]))
    return Transaction(connection, {HEAD.run_id: HEAD}, 1, Receivers()), statements


def _stored(connection: sqlite3.Connection) -> list[int]:
    with closing(sqlite3.connect(connection.execute("PRAGMA database_list").fetchone()[2])) as other:
        return [
            row[0] for row in other.execute("SELECT seq FROM entries WHERE run_id = ? ORDER BY seq", (HEAD.run_id,))
        ]


@pytest.mark.parametrize("events", [1, 5, 16, 64, 256])
def test_entries_alone_are_one_statement_and_committed(connection: sqlite3.Connection, events: int) -> None:
    tx, statements = _transaction(connection)
    tx.append_events(HEAD, [EVENT] * events)
    tx.commit()
    assert statements == ["INSERT"]
    assert _stored(connection) == list(range(3, 3 + events))


def test_entries_of_two_statements_are_committed_together_or_not_at_all(connection: sqlite3.Connection) -> None:
    tx, statements = _transaction(connection)
    tx.append_events(HEAD, [EVENT] * 40)
    tx.commit()
    assert statements == ["BEGIN", "INSERT", "INSERT", "COMMIT"]
    assert _stored(connection) == list(range(3, 43))


def test_what_changes_a_run_too_is_a_transaction(connection: sqlite3.Connection) -> None:
    tx, statements = _transaction(connection)
    tx.append_events(HEAD, [EVENT])
    tx.move(tx.changed[HEAD.run_id], RunStatus.WAITING, state_data(RunStatus.WAITING, 1))
    tx.commit()
    assert statements == ["BEGIN", "INSERT", "UPDATE", "COMMIT"]


def test_what_was_asked_before_is_part_of_the_transaction(connection: sqlite3.Connection) -> None:
    tx, statements = _transaction(connection)
    tx.run("SELECT 1").fetchone()
    tx.append_events(HEAD, [EVENT])
    tx.commit()
    assert statements == ["BEGIN", "SELECT", "INSERT", "COMMIT"]


def test_the_search_looks_at_what_is_not_indexed_and_not_at_every_run(connection: sqlite3.Connection) -> None:
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {search._PENDING}", (5,))]
    assert plan[:2] == ["SCAN u", "SEARCH r USING INDEX sqlite_autoindex_runs_1 (id=?)"]
