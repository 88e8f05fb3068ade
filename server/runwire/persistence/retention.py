"""Keeping the database small and safe: prune, backup, restore. Floor 4; admin commands, one thread, blocking.
The files beside it are ``leftovers.py``'s.

Prune and backup work beside a running server; restore needs the data folder for itself.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from runwire.errors import StorageUnavailable
from runwire.persistence import database

RUNS_A_STEP = 200
"""Ended runs pruned in one transaction: the server's writer waits for one at most some 10 ms."""

_OLD = (
    "SELECT id, (SELECT max(seq) FROM entries WHERE run_id = runs.id) FROM runs"
    " WHERE ended_ms IS NOT NULL AND ended_ms < ? AND id > ?"
    " AND EXISTS (SELECT 1 FROM entries WHERE run_id = runs.id AND seq >= runs.first_seq LIMIT 1 OFFSET 1)"
    " ORDER BY id LIMIT ?"
)
_FORGET_WORDS = "DELETE FROM search_texts WHERE run_id = ?"
_INDEX_AGAIN = "INSERT INTO unindexed (run_id) VALUES (?) ON CONFLICT (run_id) DO NOTHING"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune removed."""

    runs: int
    entries: int


def prune(engine: sa.Engine, older_than_ms: int) -> Pruned:
    """Remove the entries of runs that ended before ``older_than_ms`` (Unix milliseconds), but for the terminal one.

    A follower whose cursor lies below what is kept is told ``reset {reason: trimmed}`` (protocol, S3). What was said
    there is found by no search any more: a run is indexed again from what is kept.
    """
    runs = entries = 0
    after = ""
    with engine.connect() as connection:
        while True:
            with connection.begin():
                old = connection.exec_driver_sql(_OLD, (older_than_ms, after, RUNS_A_STEP)).all()
                for run_id, last_seq in old:
                    gone = connection.exec_driver_sql(
                        "DELETE FROM entries WHERE run_id = ? AND seq < ?", (run_id, last_seq)
                    )
                    connection.exec_driver_sql("UPDATE runs SET first_seq = ? WHERE id = ?", (last_seq, run_id))
                    connection.exec_driver_sql(_FORGET_WORDS, (run_id,))
                    connection.exec_driver_sql(_INDEX_AGAIN, (run_id,))
                    entries += gone.rowcount
            if not old:
                return Pruned(runs, entries)
            runs += len(old)
            after = old[-1][0]


def backup(source: Path, target: Path) -> int:
    """Copy the database of a running or stopped server into ``target``, consistent as of one moment; return its bytes.

    Raises:
        StorageUnavailable: there is no database, or the target cannot be written.
    """
    if not source.is_file():
        raise StorageUnavailable(f"there is no database at {source}")
    temporary = target.with_name(target.name + ".part")
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as origin,
            closing(sqlite3.connect(temporary)) as copy,
        ):
            origin.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        temporary.replace(target)
    except (sqlite3.Error, OSError) as error:
        temporary.unlink(missing_ok=True)
        raise StorageUnavailable(f"cannot back up {source} to {target}: {error}") from error
    return target.stat().st_size


def restore(copy: Path, target: Path) -> None:
    """Put a backup in the place of the database, which must be nobody's; every epoch changes (protocol, L6).

    Raises:
        StorageUnavailable: the backup is no sound database; nothing has been changed then.
        DatabaseOutOfDate: it is of another version of the schema.
    """
    if not copy.is_file():
        raise StorageUnavailable(f"there is no backup at {copy}")
    temporary = target.with_name(target.name + ".restored")
    try:
        shutil.copyfile(copy, temporary)
        with closing(sqlite3.connect(temporary)) as candidate:
            verdict = candidate.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise StorageUnavailable(f"{copy} is damaged: {verdict}")
        engine = database.open_engine(temporary)
        database.check_schema(engine)
        database.renew_incarnation(engine)
        with closing(sqlite3.connect(temporary)) as candidate:
            candidate.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for suffix in ("-wal", "-shm"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        temporary.replace(target)
    except (sqlite3.DatabaseError, OSError) as error:
        raise StorageUnavailable(f"cannot restore {copy}: {error}") from error
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
