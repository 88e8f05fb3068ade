"""Removing deleted runs from the disk, a portion at a time. Floor 4.

A deleted run belongs to nobody from the moment of its deletion (owner and thread :data:`DOOMED`), so no answer holds it
any more; its files and rows go in the background, the run's own row last, so that a crash in between is made good
after the restart. Until then its id is taken; afterwards it is free, and a new run of it has another epoch (protocol,
L6).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
import structlog

from runwire.persistence.transaction import Transaction

log = structlog.get_logger(__name__)

DOOMED = ""
"""The owner of what is deleted: no user's name, because a user has one."""

ENTRIES_A_PORTION = 2_000
"""Entries deleted in one transaction: the writer is held for a few ms."""

TABLES_OF_A_RUN = (
    "artifacts",
    "entries",
    "file_uses",
    "input_requests",
    "messages",
    "run_steps",
    "run_webhooks",
    "search_texts",
    "shares",
    "test_runs",
    "unindexed",
    "webhook_deliveries",
)
"""Every table with a column ``run_id``; a test holds this equal to the schema."""

_NEXT = "SELECT id FROM runs WHERE owner_id = ? ORDER BY created_ms, id LIMIT ?"
_TRIM = "DELETE FROM entries WHERE run_id = ? AND seq < (SELECT min(seq) FROM entries WHERE run_id = ?) + ?"
_REMOVE_RUN = "DELETE FROM runs WHERE id = ? AND owner_id = ?"


class Purge:
    """Removes doomed runs: :meth:`next_doomed` on a reader, files off the loop, rows on the writer."""

    def __init__(self, artifacts: Path, remove_traversal: Callable[[str], None]) -> None:
        """``artifacts`` is the folder with one folder a run."""
        self._artifacts = artifacts
        self._remove_traversal = remove_traversal
        self._put_off: set[str] = set()

    def next_doomed(self, connection: sa.Connection) -> str | None:
        """Return the id of a run that is to be removed."""
        doomed = connection.exec_driver_sql(_NEXT, (DOOMED, len(self._put_off) + 1)).scalars()
        return next((run_id for run_id in doomed if run_id not in self._put_off), None)

    async def remove_files(self, run_id: str) -> bool:
        """Remove what the run left on the disk; False if that cannot be: the next process tries again, and no other
        run waits for it.
        """
        try:
            await asyncio.to_thread(self._remove_files, run_id)
        except OSError as error:
            log.error("purge.files_not_removed", run_id=run_id, error=str(error))
            self._put_off.add(run_id)
            return False
        return True

    def _remove_files(self, run_id: str) -> None:
        folder = self._artifacts / run_id
        if folder.is_dir():
            shutil.rmtree(folder)
        self._remove_traversal(run_id)

    def remove_rows(self, run_id: str, tx: Transaction) -> None:
        """Remove a portion of the run's entries, or with the last of them everything else."""
        if tx.run(_TRIM, (run_id, run_id, ENTRIES_A_PORTION)).rowcount >= ENTRIES_A_PORTION:
            return
        for table in TABLES_OF_A_RUN:
            tx.run(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
        tx.run(_REMOVE_RUN, (run_id, DOOMED))
