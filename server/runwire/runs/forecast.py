"""When a waiting run will start, from how long runs took lately. Floor 1; pure; one thread.

Nothing is guessed: a time is given only where every agent that stands before the run has been measured.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

from runwire.runs.limits import RunningLimits

MEASURED = 3
"""Ended runs of an agent before its time counts as measured; a guess."""

REMEMBERED = 32
"""Ended runs of an agent that count: the time follows what the agent does now."""


class Forecast:
    """How long the runs of each agent took lately, and what follows from it for those that wait.

    The median, because one run that hung says nothing about the next.
    """

    def __init__(self, limits: RunningLimits) -> None:
        self._limits = limits
        self._took_ms: dict[str, deque[int]] = {}

    def note(self, agent: str, took_ms: int) -> None:
        """Note that a run of ``agent`` was executed for ``took_ms`` milliseconds."""
        self._took_ms.setdefault(agent, deque(maxlen=REMEMBERED)).append(took_ms)

    def measured(self) -> dict[str, float]:
        """Return the seconds that a run takes, of each agent that has been measured."""
        return {name: median(took) / 1000 for name, took in self._took_ms.items() if len(took) >= MEASURED}

    def eta_s(self, agent: str, ahead: Mapping[str, int], measured: Mapping[str, float]) -> float | None:
        """Return in how many seconds a run of ``agent`` starts that has ``ahead`` of it so many runs of each agent.

        The work ahead and the run that ends next, divided by the slots that do it: all slots for everything, the
        agent's own for its own runs; the longer of the two. None where something has not been measured.
        """
        ahead = {name: count for name, count in ahead.items() if count}
        if agent not in measured or any(name not in measured for name in ahead):
            return None
        work_s = sum(count * measured[name] for name, count in ahead.items())
        own_s = measured[agent]
        eta_s = (work_s + own_s) / self._limits.total
        limit = self._limits.per_agent.get(agent)
        if limit is not None:
            eta_s = max(eta_s, (ahead.get(agent, 0) + 1) * own_s / limit)
        return eta_s
