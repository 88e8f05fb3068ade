"""Files of users on disk, with a row each. Floor 4; every function blocks: call it off the loop.

A file lies at ``files/<owner>/<id>``; the first is a hash, the second was made by the server: nothing from outside
becomes part of a path. It is written beside its place, synced, renamed, and only then gets its row.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from runwire.clock import Clock
from runwire.contracts.actors import User
from runwire.contracts.files import FilePage, StoredFile
from runwire.errors import Conflict, NotFound, StorageUnavailable, TooLarge
from runwire.ids import new_id
from runwire.persistence.artifacts import STORE_TIMEOUT_S, clean_name
from runwire.persistence.run_store import parse_mark
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import Call, LogWriter
from runwire.runs.state import TERMINAL
from runwire.threads import ReplyBox

T = TypeVar("T")

_COLUMNS = "id, owner_id, name, mime, size_bytes, sha256, created_ms"
_SELECT = f"SELECT {_COLUMNS} FROM files WHERE id = ? AND owner_id = ?"
_LIST = f"SELECT {_COLUMNS} FROM files WHERE owner_id = ?"
_INSERT = f"INSERT INTO files ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)"
_HELD = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM files WHERE owner_id = ?"
_DELETE = "DELETE FROM files WHERE id = ?"
_LIVE = ", ".join(f"'{status.value}'" for status in sorted(TERMINAL))
_LIVE_USE = (
    f"SELECT run_id FROM file_uses JOIN runs ON runs.id = run_id WHERE file_id = ? AND status NOT IN ({_LIVE}) LIMIT 1"
)
_FORGET_USES = "DELETE FROM file_uses WHERE file_id = ?"
_IS_UNUSED = (
    "NOT EXISTS (SELECT 1 FROM file_uses WHERE file_id = files.id)"
    " AND NOT EXISTS (SELECT 1 FROM schedules WHERE owner_id = files.owner_id AND instr(run, files.id))"
)
"""A schedule's input names files that its next run will use."""
_UNUSED = f"SELECT id, owner_id, size_bytes FROM files WHERE created_ms < ? AND {_IS_UNUSED} LIMIT ?"
_MIME = re.compile(r"[A-Za-z0-9][\w.+-]{0,60}/[A-Za-z0-9][\w.+-]{0,60}")
_DELETE_UNUSED = f"{_DELETE} AND {_IS_UNUSED}"
FILES_A_STEP = 500
TEMPORARY = ".part"


class Unused(NamedTuple):
    """A file that no run uses."""

    file_id: str
    owner_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Bytes of one file, and count and bytes of all files of one user."""

    one_bytes: int
    count: int
    sum_bytes: int


class DiskFileStore:
    """Implements ``contracts.files.FileStore``."""

    def __init__(self, folder: Path, writer: LogWriter, engine: sa.Engine, clock: Clock, limits: FileLimits) -> None:
        """``engine`` is only read from."""
        self._folder = folder
        self._writer = writer
        self._engine = engine
        self._clock = clock
        self.limits = limits
        self._arriving: Counter[str] = Counter()
        self._lock = threading.Lock()

    # On the way in

    def receive(self, owner: User, *, name: str, mime: str) -> DiskUpload:
        """Begin to take a file; see the contract."""
        with self._engine.connect() as connection:
            count, held = connection.exec_driver_sql(_HELD, (owner.id,)).one()
        self._check_count(count)
        file_id = new_id()
        kind = mime.partition(";")[0].strip()
        facts = (file_id, owner.id, clean_name(name), kind if _MIME.fullmatch(kind) else "application/octet-stream")
        return DiskUpload(self, place_of(self._folder, owner.id, file_id), facts, held)

    def _check_count(self, count: int) -> None:
        if count >= self.limits.count:
            raise TooLarge(f"you have {count} files, the limit; delete some", limit=self.limits.count)

    def _check_sum(self, size_bytes: int) -> None:
        if size_bytes > self.limits.sum_bytes:
            raise TooLarge(
                f"your files have at most {self.limits.sum_bytes} bytes in sum; delete some",
                limit_bytes=self.limits.sum_bytes,
            )

    def count_arriving(self, owner_id: str, size_bytes: int, held: int) -> None:
        """Count bytes that come in now, or with a negative number those that do so no more. Raises TooLarge."""
        with self._lock:
            if size_bytes > 0:
                self._check_sum(held + self._arriving[owner_id] + size_bytes)
            self._arriving[owner_id] += size_bytes
            if not self._arriving[owner_id]:
                del self._arriving[owner_id]

    def insert(self, facts: tuple[str, str, str, str], size_bytes: int, sha256: str) -> StoredFile:
        """Store the row of a file that lies in its place. Raises TooLarge if others came first."""
        stored = StoredFile(*facts, size_bytes, sha256, self._clock.now_ms())

        def apply(tx: Transaction) -> None:
            [(count, held)] = tx.run(_HELD, (stored.owner_id,)).fetchall()
            self._check_count(count)
            self._check_sum(held + size_bytes)
            tx.run(_INSERT, (*facts, size_bytes, sha256, stored.created_ms))

        self._write(apply)
        return stored

    # What is there

    def find(self, owner_id: str, file_id: str) -> tuple[StoredFile, Path]:
        """Return a file of that owner and where it lies."""
        with self._engine.connect() as connection:
            row = connection.exec_driver_sql(_SELECT, (str(file_id), owner_id)).one_or_none()
        if row is not None and (path := place_of(self._folder, owner_id, row[0])).is_file():
            return StoredFile(*row), path
        raise NotFound(f"no file {str(file_id)[:64]}")

    def list(self, owner: User, *, limit: int, before: str | None) -> FilePage:
        """Return a page of the owner's files."""
        statement, values = _LIST, [owner.id]
        parameters: list[Any] = [*values]
        if before is not None:
            statement += " AND (created_ms, id) < (?, ?)"
            parameters += parse_mark(before)
        statement += " ORDER BY created_ms DESC, id DESC LIMIT ?"
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql(statement, (*parameters, limit + 1)).all()
        files = [StoredFile(*row) for row in rows[:limit]]
        more = len(rows) > limit
        return FilePage(files, f"{files[-1].created_ms}.{files[-1].id}" if more else None)

    def delete(self, owner: User, file_id: str) -> None:
        """Remove a file: its row first, so that no row ever points at nothing."""

        def apply(tx: Transaction) -> None:
            tx.flush()  # a run may be as new as this very transaction
            if tx.run(_SELECT, (file_id, owner.id)).fetchone() is None:
                raise NotFound(f"no file {file_id[:64]}")
            user = tx.run(_LIVE_USE, (file_id,)).fetchone()
            if user is not None:
                raise Conflict(f"run {user[0]} uses the file and has not ended", run_id=user[0])
            tx.run(_FORGET_USES, (file_id,))
            tx.run(_DELETE, (file_id,))

        self._write(apply)
        place_of(self._folder, owner.id, file_id).unlink(missing_ok=True)

    def _write(self, apply: Callable[[Transaction], T]) -> T:
        box: ReplyBox[T] = ReplyBox()
        self._writer.submit(Call(apply, box.resolve))
        return box.wait(STORE_TIMEOUT_S)


class DiskUpload:
    """Implements ``contracts.files.Upload``."""

    def __init__(self, store: DiskFileStore, path: Path, facts: tuple[str, str, str, str], held: int) -> None:
        """``held``: bytes of the owner's other files when it began."""
        self._store = store
        self._path = path
        self._facts = facts
        self._held = held
        self._size = 0
        self._digest = hashlib.sha256()
        self._ended = False
        self._part = path.with_name(path.name + TEMPORARY)
        with _disk():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb")

    def write(self, data: bytes) -> None:
        """Add bytes to its end."""
        limit = self._store.limits.one_bytes
        if self._size + len(data) > limit:
            raise TooLarge(f"a file has at most {limit} bytes", limit_bytes=limit)
        self._store.count_arriving(self._facts[1], len(data), self._held)
        self._size += len(data)
        self._digest.update(data)
        with _disk():
            self._file.write(data)

    def finish(self) -> StoredFile:
        """Store it durably and return it."""
        try:
            with _disk():
                self._file.flush()
                os.fsync(self._file.fileno())
                self._part.replace(self._path)
                _sync(self._path.parent)
            return self._store.insert(self._facts, self._size, self._digest.hexdigest())
        except BaseException:
            self._path.unlink(missing_ok=True)
            raise
        finally:
            self.discard()

    def discard(self) -> None:
        """Forget what has come, unless it was finished."""
        if self._ended:
            return
        self._ended = True
        self._store.count_arriving(self._facts[1], -self._size, 0)
        self._part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a full disk: what was written last is not wanted any more
            self._file.close()


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"cannot store a file: {error.strerror}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def place_of(folder: Path, owner_id: str, file_id: str) -> Path:
    """Return where a file lies."""
    return folder / hashlib.sha256(owner_id.encode("utf-8", "surrogatepass")).hexdigest()[:32] / file_id


def unused(before_ms: int, most: int, connection: sa.Connection) -> Sequence[Unused]:
    """Return files that came before ``before_ms`` (Unix milliseconds) and that no run and no schedule uses."""
    return [Unused(*row) for row in connection.exec_driver_sql(_UNUSED, (before_ms, most))]


def forget_unused(found: Sequence[Unused], tx: Transaction) -> list[Unused]:
    """Delete the rows of those that are still unused, and return these: a run may have come to use one meanwhile."""
    tx.flush()  # a run may be as new as this very transaction
    return [one for one in found if tx.run(_DELETE_UNUSED, (one.file_id,)).rowcount]


def remove_unused(engine: sa.Engine, folder: Path, before_ms: int) -> tuple[int, int]:
    """Remove the files that came before ``before_ms`` (Unix milliseconds) and that no run and no schedule uses;
    return how many, and their bytes. An admin command's; works beside a running server.
    """
    count = size_bytes = 0
    with engine.connect() as connection:
        while True:
            with connection.begin():
                unused = connection.exec_driver_sql(_UNUSED, (before_ms, FILES_A_STEP)).all()
                for row in unused:
                    connection.exec_driver_sql(_DELETE, (row[0],))
            if not unused:
                return count, size_bytes
            for file_id, owner_id, size in unused:
                place_of(folder, owner_id, file_id).unlink(missing_ok=True)
                size_bytes += size
            count += len(unused)
