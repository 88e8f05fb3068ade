"""When too many threads are lost to code that does not stop, no run gets another one. Floor 5.

Threads: :meth:`ThreadCeiling.may_start` is called on the writer's thread, everything else on the server's loop.
"""

from __future__ import annotations

from collections.abc import Callable

from runwire.contracts.admission import Admission
from runwire.errors import OverCapacity

RETRY_AFTER_S = 30.0
"""Stuck code may end by itself; usually the server is restarted. A guess."""


class ThreadCeiling:
    """Implements ``contracts.admission.Admission``: while ``most`` threads are stuck, runs of agents that need one are
    refused, and those that wait already wait on. Isolated agents are not touched.
    """

    def __init__(self, most: int, *, stuck: Callable[[], int], needs_thread: Callable[[str], bool]) -> None:
        """``stuck`` counts the stuck threads, from any thread; ``needs_thread`` tells it of an agent, by name."""
        self._most = most
        self._stuck = stuck
        self._needs_thread = needs_thread
        self._held_back = False

    def may_start(self, agent: str) -> bool:
        """Return whether a run of ``agent`` may start now."""
        if self.reason(agent) is None:
            return True
        self._held_back = True
        return False

    def check(self, agent: str) -> None:
        """Raise OverCapacity if a run of ``agent`` is not even to wait."""
        reason = self.reason(agent)
        if reason is not None:
            raise OverCapacity(reason, retry_after_s=RETRY_AFTER_S, limit="stuck_threads_most")

    def reason(self, agent: str) -> str | None:
        """Return why runs of ``agent`` wait, or None."""
        return self.problem() if self._needs_thread(agent) else None

    def problem(self) -> str | None:
        """Return what ``/readyz`` says, or None."""
        stuck = self._stuck()
        if stuck < self._most:
            return None
        return (
            f"{stuck} threads are stuck in code that did not stop, the limit is {self._most}: no agent that runs in a "
            'thread is started. Restart the server, and give the agent isolation="process"'
        )

    def is_free_again(self) -> bool:
        """Return, once, whether runs that were held back may start now; asked from time to time."""
        free = self._held_back and self._stuck() < self._most
        if free:
            self._held_back = False
        return free


class Admissions:
    """Implements ``contracts.admission.Admission``: a run starts if everybody who is asked lets it."""

    def __init__(self, *parts: Admission) -> None:
        """The first who refuses ends the asking."""
        self._parts = parts

    def may_start(self, agent: str) -> bool:
        """Return whether a run of ``agent`` may start now."""
        return all(part.may_start(agent) for part in self._parts)
