"""What a start wants where its thread has a run that has not ended. Floor 1; any thread; pure."""

from __future__ import annotations

from enum import StrEnum


class IfBusy(StrEnum):
    """Chosen for each start; a thread without a live run is never busy."""

    PARALLEL = "parallel"
    """Start beside the others."""
    REJECT = "reject"
    """Refuse the start: ``thread_busy``."""
    ENQUEUE = "enqueue"
    """Start when no earlier run of the thread is left, one after the other."""
    INTERRUPT = "interrupt"
    """Cancel the others, keep what they did, and start when they have stopped."""
    ROLLBACK = "rollback"
    """The same, and mark them as rolled back by the new run."""
    STEER = "steer"
    """Send the input as a message into the live run instead of starting another."""
