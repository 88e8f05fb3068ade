"""Runs that a run starts, as its agent holds them. Floor 5; used on the run's own thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from runwire.contracts.agent import ChildFailed
from runwire.contracts.family import ChildOutcome
from runwire.engine.family import Family
from runwire.runs.state import RunStatus


@dataclass(frozen=True, slots=True)
class LiveChildRun:
    """Implements ``contracts.family.ChildRun``."""

    run_id: str
    family: Family

    async def outcome(self) -> ChildOutcome:
        """Wait for its end, however it ends."""
        return msgspec.convert(await self.family.ask("family.outcome", run_id=self.run_id), ChildOutcome)

    async def result(self) -> Any:
        """Wait for its end and return its result. Raises ChildFailed unless it SUCCEEDED."""
        return _result(await self.outcome())


@dataclass(frozen=True, slots=True)
class BlockingChildRun:
    """Implements ``contracts.family.SyncChildRun``."""

    run_id: str
    family: Family

    def outcome(self) -> ChildOutcome:
        """Wait for its end, however it ends."""
        return msgspec.convert(self.family.ask_blocking("family.outcome", run_id=self.run_id), ChildOutcome)

    def result(self) -> Any:
        """Wait for its end and return its result. Raises ChildFailed unless it SUCCEEDED."""
        return _result(self.outcome())


def wish_for(
    agent: str,
    input: Any,
    key: str | None,
    priority: str,
    timeout_s: float | None,
    limits: Mapping[str, float] | None,
) -> dict[str, Any]:
    """Return a start as the service takes it."""
    options = {"timeout_s": timeout_s, "limits": None if limits is None else dict(limits)}
    given = {name: value for name, value in options.items() if value is not None}
    return {"command": {"agent": agent, "input": input, "priority": priority, **given}, "key": key}


def _result(outcome: ChildOutcome) -> Any:
    if outcome.status is not RunStatus.SUCCEEDED:
        raise ChildFailed(outcome)
    return outcome.result
