"""What is kept only so long: artifacts and traversals of runs that ended long ago, files that no run uses. Floor 4.

The running server's part of what ``db prune`` does by hand (``leftovers.py``), a portion at a time: rows on the writer,
files off the loop, an ended run's row before its file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from runwire.clock import Clock
from runwire.persistence import files, leftovers
from runwire.persistence.data_folder import artifacts_folder, files_folder
from runwire.persistence.reader import ReaderPool
from runwire.persistence.transaction import Transaction
from runwire.persistence.traversals import DiskTraversalStore
from runwire.persistence.writer import LogWriter

log = structlog.get_logger(__name__)

PORTION = 200
"""Rows deleted in one transaction: the writer is held for some ms."""


@dataclass(frozen=True, slots=True)
class KeptFor:
    """Seconds: artifacts and traversals after their run's end (0: for ever), files that no run uses after they came."""

    artifacts_s: float
    files_s: float


class Expiry:
    """Removes what has expired; the server's loop."""

    def __init__(
        self,
        data: Path,
        writer: LogWriter,
        readers: ReaderPool,
        clock: Clock,
        traversals: DiskTraversalStore,
        kept_for: KeptFor,
    ) -> None:
        """``data`` is the data folder."""
        self._data = data
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._traversals = traversals
        self._kept_for = kept_for

    async def remove_portion(self) -> bool:
        """Remove the next portion; return whether more may be left. Raises StorageUnavailable, OSError."""
        removed = await self._unused_files()
        if self._kept_for.artifacts_s:
            before_ms = self._before_ms(self._kept_for.artifacts_s)
            removed += await self._old_artifacts(before_ms) or await self._old_traversals(before_ms)
        if removed:
            log.info("expiry.removed", files=removed)
        return removed > 0

    def _before_ms(self, age_s: float) -> int:
        return self._clock.now_ms() - int(age_s * 1000)

    async def _unused_files(self) -> int:
        folder = files_folder(self._data)
        unused = await self._readers.run(partial(files.unused, self._before_ms(self._kept_for.files_s), PORTION))
        gone = await self._writer.write(partial(files.forget_unused, unused)) if unused else []
        paths = [files.place_of(folder, one.owner_id, one.file_id) for one in gone]
        return await asyncio.to_thread(_unlink, paths)

    async def _old_artifacts(self, before_ms: int) -> int:
        old = await self._readers.run(partial(leftovers.old_artifacts, before_ms, PORTION))
        if old:
            await self._writer.write(partial(_forget_artifacts, old))
        return await asyncio.to_thread(leftovers.remove_artifacts, artifacts_folder(self._data), old)

    async def _old_traversals(self, before_ms: int) -> int:
        """Remove the traversals of old runs, all that there are: a folder is read, no row is deleted."""
        kept = await asyncio.to_thread(self._traversals.kept_since, before_ms)
        count = 0
        for begin in range(0, len(kept), PORTION):
            old = await self._readers.run(partial(leftovers.ended_before, before_ms, kept[begin : begin + PORTION]))
            for run_id in old:
                await asyncio.to_thread(self._traversals.remove, run_id)
            count += len(old)
        return count


def _forget_artifacts(old: Sequence[leftovers.OldArtifact], tx: Transaction) -> None:
    for row in old:
        tx.run(leftovers.FORGET_ARTIFACT, (row.artifact_id,))


def _unlink(paths: Sequence[Path]) -> int:
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
