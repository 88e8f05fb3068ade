"""A double for the files that people give to runs. Floor 9; runs on the loop of the test."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from runwire.contracts.files import StoredFile
from runwire.errors import NotFound


class GivenFiles:
    """Fills RunFiles: ``places`` holds the test's files by id."""

    def __init__(self) -> None:
        self.places: dict[str, Path] = {}

    async def info(self, file_id: str) -> StoredFile:
        """Return what is known of a file."""
        content = (await self.path(file_id)).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        name = self.places[file_id].name
        return StoredFile(file_id, "user", name, "application/octet-stream", len(content), digest, 0)

    async def path(self, file_id: str) -> Path:
        """Return where a file lies. Raises NotFound."""
        if file_id not in self.places:
            raise NotFound(f"no file {file_id}")
        return self.places[file_id]

    async def open(self, file_id: str) -> BinaryIO:
        """Open a file for reading."""
        return (await self.path(file_id)).open("rb")
