"""What the writer has done since the start, counted once a commit. Floor 4; its thread counts, any may look."""

from __future__ import annotations

import time

from runwire.persistence.transaction import Transaction
from runwire.telemetry.distribution import LONG_S, QUICK_S, SIZES, Distribution

_CREATED = "SELECT created_ms FROM runs WHERE id = ?"


class WriterCounts:
    """Commits, what was in them, and how the queue moved."""

    def __init__(self) -> None:
        self.commit_s = Distribution(QUICK_S)
        """How long a transaction took, from its beginning to its commit."""
        self.lag_s = Distribution(QUICK_S)
        """How long the oldest work of a commit may have waited until it was committed: at most this."""
        self.items = Distribution(SIZES)
        """Items of work in a commit."""
        self.queue_wait_s = Distribution(LONG_S)
        """How long runs waited from being stored until their first attempt was claimed."""
        self.entries = 0
        self.runs_created = 0
        self.attempts_started = 0
        self.storage_failures = 0
        """Tries to commit that the storage refused: full, locked, read-only, damaged."""
        self.refused = 0
        """Items of work that were given up because the storage stayed away."""
        self._taken_at = time.monotonic()
        self._oldest_at = self._taken_at

    def taken(self, *, waited: bool, all_of_it: bool) -> None:
        """Note that work was taken. ``waited``: it was there before anybody looked, at the earliest since all of it was
        taken the time before.
        """
        now = time.monotonic()
        self._oldest_at = self._taken_at if waited else now
        if all_of_it:
            self._taken_at = now

    def committed(self, tx: Transaction, items: int, begun: float, waits_ms: list[int]) -> None:
        """Note a commit of ``items`` that began at ``begun`` (monotonic seconds)."""
        now = time.monotonic()
        self.commit_s.observe(now - begun)
        self.lag_s.observe(now - self._oldest_at)
        self.items.observe(items)
        self.entries += tx.entries
        self.runs_created += tx.created_by.total() if tx.created_by else 0
        self.attempts_started += len(tx.claimed)
        for wait_ms in waits_ms:
            self.queue_wait_s.observe(wait_ms / 1000)


def queue_waits_ms(tx: Transaction) -> list[int]:
    """Return how long the runs waited whose first attempt ``tx`` has claimed."""
    waits: list[int] = []
    for run in tx.claimed:
        if run.attempt == 1:
            fresh = tx.moved[run.run_id] is None
            waits.append(0 if fresh else tx.now_ms - tx.run(_CREATED, (run.run_id,)).fetchone()[0])
    return waits
