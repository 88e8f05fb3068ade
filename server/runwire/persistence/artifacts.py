"""Artifacts as files on disk with a row each. Floor 4; every function blocks: call it off the loop.

The path is made of ids that the server made (``artifacts/<run>/<id>``); a name from outside never becomes part of one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from runwire.clock import Clock
from runwire.contracts.artifacts import TRACE, Artifact
from runwire.errors import LimitExceeded, NotFound, StorageUnavailable, TooLarge
from runwire.ids import new_id
from runwire.persistence.purge import DOOMED
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import Call, LogWriter
from runwire.runs.limits import RunLimits
from runwire.threads import ReplyBox

STORE_TIMEOUT_S = 35.0
"""How long a save waits for its commit: a little more than the writer keeps trying."""

_INSERT = (
    "INSERT INTO artifacts (id, run_id, kind, name, mime, size_bytes, created_ms)"
    " SELECT ?,?,?,?,?,?,? FROM runs WHERE id = ? AND owner_id != ?"
)
_SELECT = "SELECT id, run_id, kind, name, mime, size_bytes FROM artifacts WHERE run_id = ?"
_USERS = f" AND kind != '{TRACE}'"
_SUM = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM artifacts WHERE run_id = ?"
NAME_LENGTH = 120
NO_LIMITS = RunLimits()


class DiskArtifactStore:
    """Implements ``contracts.artifacts.ArtifactStore``."""

    def __init__(self, folder: Path, writer: LogWriter, engine: sa.Engine, clock: Clock, *, one_bytes: int) -> None:
        """``one_bytes`` limits one artifact."""
        self._folder = folder
        self._writer = writer
        self._engine = engine
        self._clock = clock
        self._one_bytes = one_bytes
        self._used: dict[str, tuple[int, int]] = {}
        """What each run that saves has stored: files, bytes."""
        self._lock = threading.Lock()

    def save(
        self, run_id: str, *, kind: str, name: str, mime: str, data: bytes, limits: RunLimits = NO_LIMITS
    ) -> Artifact:
        """Store one artifact: the file first, then its row, so that a row never points at nothing."""
        if len(data) > self._one_bytes:
            raise TooLarge(f"an artifact has at most {self._one_bytes} bytes, {name!r} has {len(data)}")
        self._take(run_id, len(data), limits)
        artifact_id = new_id()
        clean = clean_name(name)
        url = f"/v1/runs/{run_id}/artifacts/{artifact_id}"
        artifact = Artifact(artifact_id, run_id, kind, clean, mime, len(data), url)
        path = self.path(run_id, artifact_id)
        try:
            self._store(path, data, (artifact_id, run_id, kind, clean, mime, len(data), self._clock.now_ms()))
        except BaseException:
            path.unlink(missing_ok=True)
            self._give_back(run_id, len(data))
            raise
        return artifact

    def _store(self, path: Path, data: bytes, row: tuple[Any, ...]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise StorageUnavailable(f"cannot store an artifact: {error.strerror}") from error
        box: ReplyBox[None] = ReplyBox()

        def insert(tx: Transaction) -> None:
            tx.flush()  # the run may be as new as this very transaction
            if tx.run(_INSERT, (*row, row[1], DOOMED)).rowcount == 0:
                raise NotFound(f"no run {row[1]}: it was deleted")

        self._writer.submit(Call(insert, box.resolve))
        box.wait(STORE_TIMEOUT_S)

    def _take(self, run_id: str, size_bytes: int, limits: RunLimits) -> None:
        with self._lock:
            files, total = self._used.get(run_id) or self._stored(run_id)
            if limits.artifacts is not None and files >= limits.artifacts:
                raise LimitExceeded(f"a run stores at most {limits.artifacts} artifacts", limit="artifacts")
            if limits.artifact_bytes is not None and total + size_bytes > limits.artifact_bytes:
                message = f"a run's artifacts have at most {limits.artifact_bytes} bytes in sum"
                raise LimitExceeded(message, limit="artifact_bytes")
            self._used[run_id] = files + 1, total + size_bytes

    def _give_back(self, run_id: str, size_bytes: int) -> None:
        with self._lock:
            if run_id in self._used:  # its run may have ended meanwhile
                files, total = self._used[run_id]
                self._used[run_id] = files - 1, total - size_bytes

    def forget(self, run_id: str) -> None:
        """Drop what is remembered of an ended run."""
        with self._lock:
            self._used.pop(run_id, None)

    def _stored(self, run_id: str) -> tuple[int, int]:
        with self._engine.connect() as connection:
            files, total = connection.exec_driver_sql(_SUM, (run_id,)).one()
        return int(files), int(total)

    def find(self, run_id: str, artifact_id: str) -> tuple[Artifact, Path] | None:
        """Return the artifact and its file."""
        return self._first(self._rows(_SELECT + _USERS + " AND id = ?", (run_id, artifact_id)))

    def trace(self, run_id: str) -> tuple[Artifact, Path] | None:
        """Return the newest trace of a run, whoever owns it."""
        return self._first(self._rows(_SELECT + " AND kind = ? ORDER BY rowid DESC LIMIT 1", (run_id, TRACE)))

    def _first(self, found: Sequence[Artifact]) -> tuple[Artifact, Path] | None:
        for artifact in found:
            path = self.path(artifact.run_id, artifact.id)
            if path.resolve().is_relative_to(self._folder.resolve()) and path.is_file():
                return artifact, path
        return None

    def list(self, run_id: str) -> Sequence[Artifact]:
        """Return the run's artifacts in the order of their making."""
        return self._rows(_SELECT + _USERS + " ORDER BY rowid", (run_id,))

    def _rows(self, statement: str, values: tuple[Any, ...]) -> Sequence[Artifact]:
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql(statement, values).all()
        return [Artifact(*row, f"/v1/runs/{row[1]}/artifacts/{row[0]}") for row in rows]  # type: ignore[call-arg]

    def path(self, run_id: str, artifact_id: str) -> Path:
        """Return where an artifact's file lies."""
        return self._folder / run_id / artifact_id


def clean_name(name: str) -> str:
    """Return a download name without separators, control characters or leading dots."""
    kept = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in os.path.basename(name))
    return kept.lstrip(".")[:NAME_LENGTH] or "artifact"
