"""Whether a damaged write-ahead log has lost commits. Floor 4; called before the database is first opened.

SQLite keeps the number of committed frames in the log's index (``-shm``), a mapped file that outlives ``kill -9``, and
after that kill rebuilds the index from the frames whose checksums hold. If fewer are left than were committed, entries
that clients have seen are gone, and SQLite says nothing of it. Layout of the index: https://sqlite.org/walformat.html
"""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct(
    "=IIIBBHI28s"
)  # version, unused, change counter, is initialised, checksum order, page size, frames
_BACKFILLED = struct.Struct("=I")
_BACKFILLED_AT = 96


@dataclass(frozen=True, slots=True)
class WalIndex:
    """How many frames of the log are committed, and how many of those the database file holds already."""

    frames: int
    backfilled: int


def read_index(database: Path) -> WalIndex | None:
    """Return what the index of ``database`` says, or None if there is none."""
    try:
        with database.with_name(database.name + "-shm").open("rb") as file:
            data = file.read(_BACKFILLED_AT + _BACKFILLED.size)
    except FileNotFoundError:
        return None
    if len(data) < _BACKFILLED_AT + _BACKFILLED.size:
        return None
    _, _, _, initialised, _, _, frames, _ = _HEADER.unpack_from(data)
    return WalIndex(frames, _BACKFILLED.unpack_from(data, _BACKFILLED_AT)[0]) if initialised else None


def commits_were_lost(database: Path) -> bool:
    """Let SQLite recover ``database`` and return whether that cost commits.

    While another process has the database open there is nothing to recover, and nothing is lost.
    """
    before = read_index(database)
    if before is None or not before.frames:
        return False
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the first read recovers
        after = read_index(database)
    left = 0 if after is None else after.frames
    emptied = left == 0 and before.backfilled == before.frames  # all of it stands in the database file
    return left < before.frames and not emptied
