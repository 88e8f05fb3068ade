"""Traversals as files. Floor 4; every function blocks: call it off the loop. One run's saves come one after the other.

The file is ``tasks/<task>/traversals/traverse_<YYYYMMDD>_<HHMMSS>_<run>.json``, the time being the run's first start
in UTC; ``traversals/<run>.json`` is a symbolic link to it, so that it is found by its run without looking through
folders, and by a later attempt as well. A link may lead to nothing: it is made first.
"""

from __future__ import annotations

import os
import re
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import sqlalchemy as sa

from runwire.errors import StorageUnavailable
from runwire.protocol.traversal import Traversal

_STARTED = "SELECT started_ms FROM runs WHERE id = ?"
TASK_LENGTH = 60


class DiskTraversalStore:
    """Implements ``contracts.traversals.TraversalStore``."""

    def __init__(self, data: Path, engine: sa.Engine) -> None:
        """``data`` is the data folder; ``engine`` is only read from."""
        self._data = data
        self._links = data / "traversals"
        self._engine = engine

    def save(self, run_id: str, task: str, traversal: Traversal) -> None:
        """Write the run's traversal anew: a temporary file, fsync, rename."""
        body = msgspec.json.format(msgspec.json.encode(traversal), indent=1) + b"\n"
        try:
            path = self._place(run_id, task)
            # An attempt that was given up may still write: it shall not write into the next one's temporary file.
            _write_whole(path, path.with_name(f"{path.name}.{traversal.attempt}.new"), body)
        except OSError as error:
            raise StorageUnavailable(f"cannot store the traversal: {error.strerror}") from error

    def read(self, run_id: str) -> bytes | None:
        """Return the run's traversal as JSON, or None."""
        try:
            path = self._link(run_id).resolve()
            return path.read_bytes() if path.is_relative_to(self._data.resolve() / "tasks") else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"cannot read the traversal: {error.strerror}") from error

    def remove(self, run_id: str) -> None:
        """Remove what the run kept, the link last: a removal that was cut off is found again by it."""
        link = self._link(run_id)
        if link.is_symlink():
            path = self._links / link.readlink()
            for leftover in path.parent.glob(f"{path.name}*"):
                leftover.unlink(missing_ok=True)
            link.unlink(missing_ok=True)

    def kept_since(self, before_ms: int) -> list[str]:
        """Return the runs whose traversal was begun before ``before_ms`` (Unix milliseconds), ended or not."""
        if not self._links.is_dir():
            return []
        with os.scandir(self._links) as links:
            old = [link for link in links if link.stat(follow_symlinks=False).st_mtime * 1000 < before_ms]
        return [link.name.removesuffix(".json") for link in old]

    def _link(self, run_id: str) -> Path:
        return self._links / f"{run_id}.json"

    def _place(self, run_id: str, task: str) -> Path:
        """Return where the run's traversal lies; decided by its first save."""
        link = self._link(run_id)
        if not link.is_symlink():
            name = f"traverse_{self._first_start(run_id):%Y%m%d_%H%M%S}_{run_id}.json"
            path = Path("tasks", folder_name(task), "traversals", name)
            (self._data / path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._links.mkdir(exist_ok=True, mode=0o700)
            link.symlink_to(".." / path)
            for folder in (self._links, (self._data / path).parents[1], self._data / "tasks", self._data):
                _sync(folder)
        return self._links / link.readlink()

    def _first_start(self, run_id: str) -> datetime:
        with self._engine.connect() as connection:
            started_ms = connection.exec_driver_sql(_STARTED, (run_id,)).scalar_one()
        return datetime.fromtimestamp(started_ms / 1000, UTC)


def folder_name(task: str) -> str:
    """Return a task's name as that of a folder: ``Buy two mugs!`` becomes ``buy-two-mugs``; never empty."""
    plain = unicodedata.normalize("NFKD", task).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", plain)[:TASK_LENGTH].strip("-") or "test"


def _write_whole(path: Path, temporary: Path, body: bytes) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Have the disk keep what was named in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
