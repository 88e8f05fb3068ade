"""Opening the SQLite database: its settings, its schema check, its incarnation. Floor 4; called at start-up, main
thread.

WAL with ``synchronous=NORMAL`` survives ``kill -9`` of the process. A crash of the whole machine may lose the last
commits, and so does a log that was damaged while nobody had it open: then the incarnation, and with it every epoch,
changes (protocol, L6).
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from runwire.errors import DatabaseOutOfDate, StorageUnavailable
from runwire.persistence.wal_index import commits_were_lost

log = structlog.get_logger(__name__)

Engine = sa.Engine
"""What opening a database gives; named here so that the wiring need not know SQLAlchemy."""

STATEMENTS = 256
"""Prepared statements that a connection keeps: bulk inserts have many sizes."""

HEAD_REVISION = "0008"
"""The newest Alembic revision; a test holds it equal to the scripts' head, so that serving need not import Alembic."""

DATABASE_NAME = "runwire.db"
BUSY_TIMEOUT_MS = 5_000
WRITER_CACHE_KIB, READER_CACHE_KIB = 8_192, 2_048
"""Page caches of a connection: what a long-lived server's memory grows to. The system caches the file besides."""

WAL_BYTES = 67_108_864
"""Size of the write-ahead log above which the writer empties it between two commits."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def database_file(data: Path) -> Path:
    """Return where the database of a data folder lies."""
    return data / DATABASE_NAME


def open_engine(path: Path, *, read_only: bool = False) -> sa.Engine:
    """Return an engine for ``path`` whose connections are in WAL mode and begin no transaction by themselves.

    Each connection belongs to the thread that asked for it and is closed by it (no pool): the writer and the readers
    keep one each for their life.

    Before the first of them recovers a log that a kill left, the log is looked at: if commits are gone from it, the
    database gets a new incarnation.
    """
    _renew_if_commits_were_lost(path)
    url = sa.URL.create("sqlite", database=str(path))
    engine = sa.create_engine(
        url, poolclass=NullPool, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "cached_statements": STATEMENTS}
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 would otherwise open transactions behind our back
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute(f"PRAGMA cache_size=-{READER_CACHE_KIB if read_only else WRITER_CACHE_KIB}")
        cursor.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _renew_if_commits_were_lost(path: Path) -> None:
    with suppress(sqlite3.DatabaseError):  # whoever opens it next says what is wrong with it
        if commits_were_lost(path):
            log.error("database.commits_lost", path=str(path), advice="every epoch changes; look at the disk")
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE meta SET value = ? WHERE key = 'incarnation'", (secrets.token_hex(4),))


def check_schema(engine: sa.Engine) -> None:
    """Accept a database whose schema is this version's.

    Raises:
        DatabaseOutOfDate: no schema, or another revision's; the message names the command that mends it.
        StorageUnavailable: the file cannot be opened.
    """
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                raise DatabaseOutOfDate("the database has no schema yet; run: runwire db upgrade")
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except sa.exc.DBAPIError as error:  # locked, unreadable, or no database at all
        raise StorageUnavailable(f"cannot open the database: {error.orig}{_hint(engine)}") from error
    if found != HEAD_REVISION:
        raise DatabaseOutOfDate(
            f"the database is at revision {found}, this version needs {HEAD_REVISION}; run: runwire db upgrade"
        )


def _hint(engine: sa.Engine) -> str:
    """Return what SQLite's message leaves out: that this process may not write here."""
    file = Path(engine.url.database or "")
    denied = next((path for path in (file, file.parent) if not os.access(path, os.W_OK)), None)
    return "" if denied is None else f" ({denied} is read-only)"


def open_incarnation(engine: sa.Engine, boot_id: str | None = None) -> str:
    """Return the database's incarnation, made anew if the machine went down while a server was running.

    A server that was killed leaves ``clean=0``; only together with another boot of the machine does that mean that
    committed entries could be gone.
    """
    boot = boot_id if boot_id is not None else current_boot_id()
    with engine.begin() as connection:
        facts: dict[str, str] = {row[0]: row[1] for row in connection.exec_driver_sql("SELECT key, value FROM meta")}
        incarnation = facts.get("incarnation")
        crashed = facts.get("clean") == "0" and facts.get("boot_id") != boot
        if incarnation is None or crashed:
            incarnation = secrets.token_hex(4)
        _store(connection, incarnation=incarnation, boot_id=boot, clean="0")
    return incarnation


def renew_incarnation(engine: sa.Engine) -> None:
    """Give the database a new incarnation: its content has been replaced, every epoch must change."""
    with engine.begin() as connection:
        _store(connection, incarnation=secrets.token_hex(4))


def wal_bytes(path: Path) -> int:
    """Return the size of the write-ahead log; 0 if there is none."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def mark_clean(engine: sa.Engine) -> None:
    """Note that the server has ended with everything flushed."""
    with engine.begin() as connection:
        _store(connection, clean="1")


def current_boot_id() -> str:
    """Return what identifies this boot of the machine; a constant where the system does not tell."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _store(connection: sa.Connection, **facts: str) -> None:
    statement = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    connection.exec_driver_sql(statement, list(facts.items()))
