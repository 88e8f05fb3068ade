"""The seam to what may hold a run back although a slot is free. Floor 3."""

from __future__ import annotations

from typing import Protocol


class Admission(Protocol):
    """Asked before each start of a run, on the thread that writes: must not block, nor look at anything outside.

    Who refuses wakes the queue (``QueueStore.look``) when that may have changed.
    """

    def may_start(self, agent: str) -> bool:
        """Return whether one run of ``agent`` may start now. True is good for this one run."""
