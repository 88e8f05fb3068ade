"""The seam between what agents say and who listens. Floor 3.

One bridge is made at start-up and handed to everything that speaks or listens; nothing looks it up later.
"""

from __future__ import annotations

from typing import Any, Protocol

from runwire.contracts.event_log import RunAppender


class Bridge(Protocol):
    """Carries a run's events into its log, and committed entries to its followers."""

    def appender(self, run_id: str, fence: int) -> RunAppender:
        """Return the right of one attempt to append to its run's log."""


class Emitter(Protocol):
    """A run's voice: bound to one user, thread and run for its whole life."""

    @property
    def user_id(self) -> str:
        """Whose run it is."""

    @property
    def thread_id(self) -> str:
        """The conversation."""

    @property
    def run_id(self) -> str:
        """The only run that it can speak into."""

    @property
    def bridge(self) -> Bridge:
        """The bridge that carries its events."""

    def offer(self, event: Any) -> bool:
        """Encode and append one event; never blocks. False: wait before the next one.

        Raises EventRefused, FenceLost.
        """
