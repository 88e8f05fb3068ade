"""Files that nobody needs any more: artifacts of runs that ended long ago, and what a crash left half-written. Floor 4;
admin commands, one thread, blocking. Works beside a running server.

A row goes before its file, the reverse of how they come: a row never points at nothing, and a prune that is killed
leaves files without a row, which the next one finds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from runwire.errors import StorageUnavailable
from runwire.ids import is_client_run_id
from runwire.persistence.data_folder import artifacts_folder, files_folder
from runwire.persistence.database import DATABASE_NAME
from runwire.persistence.files import TEMPORARY

ARTIFACTS_A_STEP = 500
"""Rows removed in one transaction: the server's writer waits for one at most some 10 ms."""

ABANDONED_S = 3_600.0
"""Age from which a file without a row, or a temporary file, belongs to nobody. Storing takes at most 35 s; a guess."""

_OLD = (
    "SELECT artifacts.id, run_id, size_bytes FROM artifacts JOIN runs ON runs.id = run_id"
    " WHERE ended_ms IS NOT NULL AND ended_ms < ? LIMIT ?"
)
_DELETE = "DELETE FROM artifacts WHERE id = ?"
_KNOWN = "SELECT id FROM artifacts WHERE run_id = ?"
_KNOWN_FILE = "SELECT 1 FROM files WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was removed: artifacts with their row, files that belonged to nobody, and the bytes of both."""

    artifacts: int
    abandoned: int
    size_bytes: int


def clear(engine: sa.Engine, data: Path, older_than_ms: int) -> Cleared:
    """Remove the artifacts of runs that ended before ``older_than_ms`` (Unix milliseconds), and abandoned files.

    Raises StorageUnavailable: a file cannot be removed; what was removed before stays so.
    """
    try:
        artifacts, size_bytes = _clear_artifacts(engine, data, older_than_ms)
        abandoned, abandoned_bytes = _clear_abandoned(engine, data)
    except OSError as error:
        raise StorageUnavailable(f"cannot remove {error.filename}: {error.strerror}") from error
    return Cleared(artifacts, abandoned, size_bytes + abandoned_bytes)


def _clear_artifacts(engine: sa.Engine, data: Path, older_than_ms: int) -> tuple[int, int]:
    folder = artifacts_folder(data)
    count = size_bytes = 0
    with engine.connect() as connection:
        while True:
            with connection.begin():
                old = connection.exec_driver_sql(_OLD, (older_than_ms, ARTIFACTS_A_STEP)).all()
                for row in old:
                    connection.exec_driver_sql(_DELETE, (row[0],))
            if not old:
                return count, size_bytes
            for artifact_id, run_id, size in old:
                (folder / run_id / artifact_id).unlink(missing_ok=True)
                size_bytes += size
            for run_id in {row[1] for row in old}:
                _remove_empty(folder / run_id)
            count += len(old)


def _clear_abandoned(engine: sa.Engine, data: Path) -> tuple[int, int]:
    """Remove files without a row and temporary files, once they are old enough to be nobody's work in progress."""
    newest = time.time() - ABANDONED_S
    count = size_bytes = 0
    for path in (*_without_row(engine, artifacts_folder(data)), *_without_owner(engine, data), *_temporary(data)):
        with contextlib.suppress(FileNotFoundError):  # a server beside us has just finished with it
            facts = path.lstat()
            if facts.st_mtime < newest:
                path.unlink()
                count += 1
                size_bytes += facts.st_size
                if path.parent.parent == artifacts_folder(data):
                    _remove_empty(path.parent)
    return count, size_bytes


def _without_row(engine: sa.Engine, folder: Path) -> Iterator[Path]:
    with engine.connect() as connection:
        for run in sorted(folder.glob("*")):
            if is_client_run_id(run.name) and run.is_dir() and not run.is_symlink():
                known = set(connection.exec_driver_sql(_KNOWN, (run.name,)).scalars())
                yield from (path for path in run.iterdir() if path.name not in known and path.is_file())


def _without_owner(engine: sa.Engine, data: Path) -> Iterator[Path]:
    with engine.connect() as connection:
        for path in sorted(files_folder(data).glob("*/*")):
            known = connection.exec_driver_sql(_KNOWN_FILE, (path.name,)).first() is not None
            if not known and not path.name.endswith(TEMPORARY):
                yield path


def _temporary(data: Path) -> Iterator[Path]:
    """Yield what is renamed once it is whole: token and address, traversals, a backup on its way back."""
    yield from data.glob("*.new")
    yield from data.glob("tasks/*/traversals/*.new")
    yield from data.glob(f"{DATABASE_NAME}.restored*")
    yield from data.glob(f"files/*/*{TEMPORARY}")


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not empty, or gone
        folder.rmdir()
