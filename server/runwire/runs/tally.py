"""The queue as values: what holds it back, how many wait and run, how a run moved. Floor 1; any thread; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runwire.runs.state import RunStatus


@dataclass(frozen=True, slots=True)
class Move:
    """A run's change of state in one commit. ``before`` is None for a run that the commit has created; ``took_ms`` is
    how long an ended run was executed, where it ended in its first attempt."""

    run_id: str
    owner_id: str
    thread_id: str
    agent: str
    before: RunStatus | None
    status: RunStatus
    took_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Pauses:
    """What operators have paused: everything, or single agents."""

    everything: bool = False
    agents: frozenset[str] = frozenset()

    def hold(self, agent: str) -> bool:
        """Return whether runs of ``agent`` may not start."""
        return self.everything or agent in self.agents

    def reason(self, agent: str) -> str | None:
        """Return why runs of ``agent`` wait, as a sentence's beginning, or None."""
        if self.everything:
            return "the queue is paused by an operator"
        return f"the agent {agent} is paused by an operator" if agent in self.agents else None


@dataclass(slots=True)
class Tally:
    """How many runs are queued and how many hold a slot: in all, of each user, of each agent. Kept by moves, never
    counted anew.

    Plain dictionaries without zeros: they are on the way of every start.
    """

    queued: int = 0
    running: int = 0
    queued_of: dict[str, int] = field(default_factory=dict)
    running_of: dict[str, int] = field(default_factory=dict)
    queued_as: dict[str, int] = field(default_factory=dict)
    running_as: dict[str, int] = field(default_factory=dict)

    def move(self, owner_id: str, agent: str, before: RunStatus | None, after: RunStatus | None, runs: int = 1) -> None:
        """Count ``runs`` runs from one state to another; None is outside of it all."""
        self._add(owner_id, agent, before, -runs)
        self._add(owner_id, agent, after, runs)

    def _add(self, owner_id: str, agent: str, status: RunStatus | None, runs: int) -> None:
        if status is RunStatus.QUEUED:
            self.queued += runs
            _add(self.queued_of, owner_id, runs)
            _add(self.queued_as, agent, runs)
        elif status is RunStatus.RUNNING:
            self.running += runs
            _add(self.running_of, owner_id, runs)
            _add(self.running_as, agent, runs)


def _add(counts: dict[str, int], key: str, runs: int) -> None:
    left = counts.get(key, 0) + runs
    if left:
        counts[key] = left
    else:
        del counts[key]


@dataclass(frozen=True, slots=True)
class QueueState:
    """The queue's counts as of one commit, for whoever shows them.

    ``running`` hold a slot, ``waiting`` wait for a person; some do both.
    """

    queued: int = 0
    running: int = 0
    waiting: int = 0
    queued_as: Mapping[str, int] = field(default_factory=dict)
    running_as: Mapping[str, int] = field(default_factory=dict)
    pauses: Pauses = Pauses()

    @classmethod
    def of(cls, tally: Tally, waiting: int, pauses: Pauses) -> QueueState:
        """Return what stands in ``tally`` now."""
        return cls(tally.queued, tally.running, waiting, tally.queued_as.copy(), tally.running_as.copy(), pauses)
