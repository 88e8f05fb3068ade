"""Quota rules as pure functions and values. Floor 1; any thread; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from runwire.errors import OverCapacity
from runwire.settings import Settings


class RunLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What one run may use, besides its time; None leaves it to whoever is asked next: start, agent, server.

    Exceeding one ends the run FAILED ``limit_exceeded`` with the limit's name. Events and bytes count anew with each
    attempt, and so does what a model is asked; artifacts count over all of them.
    """

    idle_timeout_s: (
        Annotated[float, Meta(gt=0, le=86_400, description="RUNNING time without an entry in the log, seconds")] | None
    ) = None
    events: Annotated[int, Meta(ge=1, description="events in the log")] | None = None
    log_bytes: Annotated[int, Meta(ge=1, description="sum of the events, bytes")] | None = None
    artifacts: Annotated[int, Meta(ge=1, description="stored files")] | None = None
    artifact_bytes: Annotated[int, Meta(ge=1, description="sum of the stored files, bytes")] | None = None
    model_tokens: Annotated[int, Meta(ge=1, description="tokens that it reads and writes by a model")] | None = None
    model_cost_usd: Annotated[float, Meta(gt=0, description="what that costs, dollars")] | None = None

    def within(self, other: RunLimits | None) -> RunLimits:
        """Return the stricter of both, field by field."""
        if other is None:
            return self
        stricter = {name: _stricter(getattr(self, name), getattr(other, name)) for name in self.__struct_fields__}
        return msgspec.structs.replace(self, **stricter)


@dataclass(frozen=True, slots=True)
class FamilyLimits:
    """How many runs one run may start, and how deep runs may start runs."""

    children: int = 100
    depth: int = 3


def limits_of_server(settings: Settings) -> RunLimits:
    """Return what a run may use at most, whatever its start or its agent says."""
    return RunLimits(
        idle_timeout_s=settings.run_idle_timeout_s or None,
        events=settings.events_per_run,
        log_bytes=settings.run_log_bytes,
        artifacts=settings.artifacts_per_run,
        artifact_bytes=settings.run_artifact_bytes,
        model_tokens=settings.model_tokens_per_run,
        model_cost_usd=settings.model_cost_per_run_usd or None,
    )


def _stricter(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


@dataclass(frozen=True, slots=True)
class RunningLimits:
    """How many runs may be executed at once: in all, of one user (0: no limit), of single agents, and with a browser
    (0: no limit), which ``browser_agents`` need.
    """

    total: int
    per_user: int = 0
    per_agent: Mapping[str, int] = field(default_factory=dict)
    with_browser: int = 0
    browser_agents: frozenset[str] = frozenset()

    def of_agent(self, agent: str) -> int:
        """Return how many runs of ``agent`` may be executed at once, all things considered."""
        browsers = self.with_browser if agent in self.browser_agents else 0
        return min(self.total, self.per_agent.get(agent, self.total), browsers or self.total)

    def has_room(self, agent: str, running_as: Mapping[str, int]) -> bool:
        """Return whether one more run of ``agent`` may be executed beside the others, by agent."""
        limit = self.per_agent.get(agent)
        return (limit is None or running_as.get(agent, 0) < limit) and self.why_no_browser(agent, running_as) is None

    def why_no_browser(self, agent: str, running_as: Mapping[str, int]) -> str | None:
        """Return why a run of ``agent`` waits although the machine may have room for its browser, or None."""
        if not self.with_browser or agent not in self.browser_agents:
            return None
        running = sum(running_as.get(other, 0) for other in self.browser_agents)
        if running < self.with_browser:
            return None
        return f"{running} runs with a browser are executed, the most at once"


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many runs wait: of this user and of all."""

    queued_of_user: int
    queued: int


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many runs may wait: per user and in all."""

    queued_per_user: int
    queued: int


def admit(counts: QueueCounts, limits: QueueLimits) -> None:
    """Accept one more waiting run, or say why not.

    Raises:
        OverCapacity: the user's or the server's queue is full.
    """
    if counts.queued_of_user >= limits.queued_per_user:
        raise OverCapacity(
            f"you have {counts.queued_of_user} runs waiting, the limit is {limits.queued_per_user}; "
            "wait for some to end or cancel them",
            retry_after_s=5.0,
            limit="queued_per_user",
        )
    if counts.queued >= limits.queued:
        raise OverCapacity(
            f"the server has {counts.queued} runs waiting, its limit", retry_after_s=10.0, limit="queued"
        )
