"""The seam to files that people give to runs. Floor 3. Everything here may block: call it off the loop.

A file belongs to one user; somebody else's is absent. An input names one as ``{"file_id": …}``, wherever it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from runwire.contracts.actors import User


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it is stored. ``id`` is made by the server; ``name`` is what a download is called; ``sha256`` is the
    digest of its content in hexadecimal; ``created_ms`` Unix milliseconds."""

    id: str
    owner_id: str
    name: str
    mime: str
    size_bytes: int
    sha256: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class FilePage:
    """A page of files, newest first; ``next`` is the mark of the following page or None."""

    files: Sequence[StoredFile]
    next: str | None


class Upload(Protocol):
    """A file on its way in. One thread at a time."""

    def write(self, data: bytes) -> None:
        """Add bytes to its end.

        Raises:
            TooLarge: the file, or the sum of its owner's files, exceeds its limit.
            StorageUnavailable: the disk refused.
        """

    def finish(self) -> StoredFile:
        """Store it durably and return it. Raises TooLarge (the owner has too many files), StorageUnavailable."""

    def discard(self) -> None:
        """Forget what has come, unless it was finished. Idempotent."""


class FileFinder(Protocol):
    """Finds files for runs."""

    def find(self, owner_id: str, file_id: str) -> tuple[StoredFile, Path]:
        """Return a file of that owner and where it lies. Raises NotFound."""


class FileStore(FileFinder, Protocol):
    """Where files live."""

    def receive(self, owner: User, *, name: str, mime: str) -> Upload:
        """Begin to take a file. ``name`` and ``mime`` are suggestions: neither becomes part of a path.

        Raises:
            TooLarge: the owner has as many files as allowed.
        """

    def list(self, owner: User, *, limit: int, before: str | None) -> FilePage:
        """Return a page of the owner's files. Raises InvalidInput for a page mark that is none."""

    def delete(self, owner: User, file_id: str) -> None:
        """Remove a file. Raises NotFound; Conflict: a run that has not ended uses it."""


class RunFiles(Protocol):
    """The files of a run's owner, as an agent sees them. Called on the runner's loop."""

    async def info(self, file_id: str) -> StoredFile:
        """Return what is known of a file. Raises NotFound, also for another user's."""

    async def path(self, file_id: str) -> Path:
        """Return where a file lies, to be read only. Raises NotFound."""

    async def open(self, file_id: str) -> BinaryIO:
        """Open a file for reading; use it in a ``with`` block. Raises NotFound."""


class SyncRunFiles(Protocol):
    """The same for a plain function."""

    def info(self, file_id: str) -> StoredFile:
        """Return what is known of a file. Raises NotFound, also for another user's."""

    def path(self, file_id: str) -> Path:
        """Return where a file lies, to be read only. Raises NotFound."""

    def open(self, file_id: str) -> BinaryIO:
        """Open a file for reading; use it in a ``with`` block. Raises NotFound."""
