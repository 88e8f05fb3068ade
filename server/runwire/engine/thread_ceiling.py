"""When too many threads are lost to code that does not stop, no run gets another one. Floor 5; the server's loop."""

from __future__ import annotations

from collections.abc import Callable

from runwire.agents.registry import AgentRegistry
from runwire.errors import OverCapacity

RETRY_AFTER_S = 30.0
"""Stuck code may end by itself; usually the server is restarted. A guess."""


class ThreadCeiling:
    """Refuses runs of agents that need a thread while ``most`` of them are stuck; isolated agents are not touched."""

    def __init__(self, most: int, stuck: Callable[[], int], agents: AgentRegistry) -> None:
        self._most = most
        self._stuck = stuck
        self._agents = agents

    def check(self, agent: str) -> None:
        """Raise OverCapacity if a run of ``agent`` is not to begin."""
        if self._agents.isolation(agent) == "thread" and self._stuck() >= self._most:
            raise OverCapacity(self._reason(), retry_after_s=RETRY_AFTER_S, limit="stuck_threads_most")

    def problem(self) -> str | None:
        """Return what ``/readyz`` says, or None."""
        return self._reason() if self._stuck() >= self._most else None

    def _reason(self) -> str:
        return (
            f"{self._stuck()} threads are stuck in code that did not stop, the limit is {self._most}: no agent that "
            'runs in a thread is started. Restart the server, and give the agent isolation="process"'
        )
