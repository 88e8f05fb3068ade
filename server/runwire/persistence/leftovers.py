"""Files that nobody needs any more: artifacts and traversals of runs that ended long ago, and what a crash left
half-written. Floor 4; admin commands, one thread, blocking. Works beside a running server, whose own part of this is
``expiry.py``.

A row goes before its file, the reverse of how they come: a row never points at nothing, and a prune that is killed
leaves files without a row, which the next one finds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from runwire.errors import StorageUnavailable
from runwire.ids import is_client_run_id
from runwire.persistence.data_folder import artifacts_folder, files_folder
from runwire.persistence.database import DATABASE_NAME
from runwire.persistence.files import TEMPORARY
from runwire.persistence.traversals import DiskTraversalStore

ARTIFACTS_A_STEP = 500
"""Rows removed in one transaction: the server's writer waits for one at most some 10 ms."""

ABANDONED_S = 3_600.0
"""Age from which a file without a row, or a temporary file, belongs to nobody. Storing takes at most 35 s; a guess."""

_OLD = (
    "SELECT artifacts.id, run_id, size_bytes FROM artifacts JOIN runs ON runs.id = run_id"
    " WHERE ended_ms IS NOT NULL AND ended_ms < ? LIMIT ?"
)
FORGET_ARTIFACT = "DELETE FROM artifacts WHERE id = ?"
_ENDED = "SELECT id FROM runs WHERE ended_ms IS NOT NULL AND ended_ms < ? AND id IN ({})"
_KNOWN = "SELECT id FROM artifacts WHERE run_id = ?"
_KNOWN_FILE = "SELECT 1 FROM files WHERE id = ?"


class OldArtifact(NamedTuple):
    """An artifact of a run that ended long ago."""

    artifact_id: str
    run_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was removed: artifacts with their row, traversals, files that belonged to nobody, and the bytes of the first
    and last.
    """

    artifacts: int
    traversals: int
    abandoned: int
    size_bytes: int


def clear(engine: sa.Engine, data: Path, older_than_ms: int) -> Cleared:
    """Remove artifacts and traversals of runs that ended before ``older_than_ms`` (Unix milliseconds), and abandoned
    files.

    Raises StorageUnavailable: a file cannot be removed; what was removed before stays so.
    """
    try:
        artifacts, size_bytes = _clear_artifacts(engine, data, older_than_ms)
        traversals = _clear_traversals(engine, data, older_than_ms)
        abandoned, abandoned_bytes = _clear_abandoned(engine, data)
    except OSError as error:
        raise StorageUnavailable(f"cannot remove {error.filename}: {error.strerror}") from error
    return Cleared(artifacts, traversals, abandoned, size_bytes + abandoned_bytes)


def _clear_artifacts(engine: sa.Engine, data: Path, older_than_ms: int) -> tuple[int, int]:
    folder = artifacts_folder(data)
    count = size_bytes = 0
    with engine.connect() as connection:
        while True:
            with connection.begin():
                old = old_artifacts(older_than_ms, ARTIFACTS_A_STEP, connection)
                for one in old:
                    connection.exec_driver_sql(FORGET_ARTIFACT, (one.artifact_id,))
            if not old:
                return count, size_bytes
            count += remove_artifacts(folder, old)
            size_bytes += sum(one.size_bytes for one in old)


def _clear_traversals(engine: sa.Engine, data: Path, older_than_ms: int) -> int:
    traversals = DiskTraversalStore(data, engine)
    kept, count = traversals.kept_since(older_than_ms), 0
    with engine.connect() as connection:
        for begin in range(0, len(kept), ARTIFACTS_A_STEP):
            for run_id in ended_before(older_than_ms, kept[begin : begin + ARTIFACTS_A_STEP], connection):
                traversals.remove(run_id)
                count += 1
    return count


def old_artifacts(before_ms: int, most: int, connection: sa.Connection) -> Sequence[OldArtifact]:
    """Return artifacts of runs that ended before ``before_ms`` (Unix milliseconds)."""
    return [OldArtifact(*row) for row in connection.exec_driver_sql(_OLD, (before_ms, most))]


def remove_artifacts(folder: Path, old: Sequence[OldArtifact]) -> int:
    """Remove files whose rows are gone, and the folders that are empty then; return how many files."""
    for one in old:
        (folder / one.run_id / one.artifact_id).unlink(missing_ok=True)
    for run_id in {one.run_id for one in old}:
        _remove_empty(folder / run_id)
    return len(old)


def ended_before(before_ms: int, run_ids: Sequence[str], connection: sa.Connection) -> list[str]:
    """Return those of the runs that ended before ``before_ms`` (Unix milliseconds)."""
    statement = _ENDED.format(",".join("?" * len(run_ids)))
    return list(connection.exec_driver_sql(statement, (before_ms, *run_ids)).scalars())


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
