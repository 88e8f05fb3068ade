"""Whether commits are gone from a write-ahead log, asked of a database that another process left by ``kill -9``."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from runwire.persistence.wal_index import commits_were_lost, read_index

WRITE_AND_DIE = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("CREATE TABLE numbers (n)")
for n in range(50):
    connection.execute("INSERT INTO numbers VALUES (?)", (n,))
if sys.argv[2] == "checkpoint":
    connection.execute("PRAGMA wal_checkpoint(FULL)")
if sys.argv[2] == "uncommitted":
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN")
    for n in range(5_000):
        connection.execute("INSERT INTO numbers VALUES (?)", ("x" * 500,))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Callable[[str], Path]:
    """Return a database with 50 committed rows, left by a kill after ``last``."""

    def make(last: str) -> Path:
        path = tmp_path / "left.db"
        for left in tmp_path.iterdir():
            left.unlink()
        child = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path), last], timeout=8, check=False)
        assert child.returncode == -signal.SIGKILL
        return path

    return make


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM numbers").fetchone()[0])


@pytest.mark.parametrize("last", ["commit", "checkpoint", "uncommitted"])
def test_a_kill_alone_loses_nothing(killed: Callable[[str], Path], last: str) -> None:
    path = killed(last)
    assert not commits_were_lost(path)
    assert rows(path) == 50


def test_frames_that_no_longer_hold_are_lost_commits(killed: Callable[[str], Path]) -> None:
    path = killed("commit")
    log = path.with_name("left.db-wal")
    os.truncate(log, log.stat().st_size - 1)
    assert commits_were_lost(path)
    assert rows(path) == 49


def test_a_log_that_is_gone_is_lost_only_if_the_file_lacks_it(killed: Callable[[str], Path]) -> None:
    path = killed("checkpoint")
    path.with_name("left.db-wal").unlink()
    assert not commits_were_lost(path)
    assert rows(path) == 50

    path = killed("commit")
    path.with_name("left.db-wal").unlink()
    assert commits_were_lost(path)


def test_without_an_index_nothing_can_be_said(killed: Callable[[str], Path]) -> None:
    path = killed("commit")
    path.with_name("left.db-shm").unlink()
    assert read_index(path) is None
    assert not commits_were_lost(path)


def test_a_database_that_is_open_elsewhere_has_lost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "open.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE numbers (n)")
        assert not commits_were_lost(path)
