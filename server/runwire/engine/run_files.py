"""The files of a run's owner, in an agent's hands. Floor 5; used on the run's own thread."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO

from runwire.contracts.files import FileFinder, StoredFile


class BlockingRunFiles:
    """Implements ``contracts.files.SyncRunFiles``: looks up nothing but files of one owner."""

    def __init__(self, owner_id: str, store: FileFinder) -> None:
        self._owner_id = owner_id
        self._store = store

    def info(self, file_id: str) -> StoredFile:
        """Return what is known of a file."""
        return self._store.find(self._owner_id, file_id)[0]

    def path(self, file_id: str) -> Path:
        """Return where a file lies."""
        return self._store.find(self._owner_id, file_id)[1]

    def open(self, file_id: str) -> BinaryIO:
        """Open a file for reading."""
        return self.path(file_id).open("rb")


class LiveRunFiles:
    """Implements ``contracts.files.RunFiles``: the same off the runner's loop."""

    def __init__(self, owner_id: str, store: FileFinder) -> None:
        self._blocking = BlockingRunFiles(owner_id, store)

    async def info(self, file_id: str) -> StoredFile:
        """Return what is known of a file."""
        return await asyncio.to_thread(self._blocking.info, file_id)

    async def path(self, file_id: str) -> Path:
        """Return where a file lies."""
        return await asyncio.to_thread(self._blocking.path, file_id)

    async def open(self, file_id: str) -> BinaryIO:
        """Open a file for reading."""
        return await asyncio.to_thread(self._blocking.open, file_id)
