"""The wish that a run stop, carried from whoever has it to the run's own thread. Floor 5."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

from runwire.errors import LimitExceeded


class StopReason(StrEnum):
    """Why a run was asked to stop; decides its terminal state."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    DRAIN = "drain"
    LIMIT = "limit"
    PARENT = "parent"


class StopToken:
    """One run's stop signal: set once, the first reason stays. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: StopReason | None = None
        self.exceeded: LimitExceeded | None = None
        """What was exceeded, if the reason is LIMIT."""
        self._deliver: Callable[[], None] | None = None

    @property
    def reason(self) -> StopReason | None:
        """Why the run was asked to stop; None: it was not."""
        return self._reason

    def request(self, reason: StopReason, exceeded: LimitExceeded | None = None) -> bool:
        """Ask the run to stop; True for the first who asks."""
        with self._lock:
            if self._reason is not None:
                return False
            self._reason, self.exceeded = reason, exceeded
            deliver = self._deliver
        if deliver is not None:
            deliver()
        return True

    def arm(self, deliver: Callable[[], None] | None) -> None:
        """Name what stops the run's work (it must be callable from any thread); called at once if the wish came
        before.
        """
        with self._lock:
            self._deliver = deliver
            asked = self._reason is not None
        if asked and deliver is not None:
            deliver()
