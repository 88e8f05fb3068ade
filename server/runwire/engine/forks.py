"""Beginning again behind an entry of an earlier run. Floor 5; used on the run's own thread but for the pure check."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from runwire.agents.registry import AgentSpec
from runwire.engine.family import Family
from runwire.errors import Conflict, InvalidInput
from runwire.runs.record import ClaimedRun, RunRecord


def check_retry(record: RunRecord, spec: AgentSpec, from_seq: int | None) -> None:
    """Refuse what cannot be repeated, or not from there. Raises Conflict, InvalidInput."""
    if not record.ended:
        raise Conflict(f"the run is {record.status}; cancel it or wait for its end, then retry it", run_id=record.id)
    if from_seq is None:
        return
    if not spec.forkable:
        message = f"the agent {spec.name!r} cannot begin in the middle of a run; leave out from_seq"
        raise Conflict(message, agent=spec.name)
    if from_seq > record.last_seq:
        raise InvalidInput(f"from_seq: the run has {record.last_seq} entries, got {from_seq}")
    if record.first_seq > 1:
        raise Conflict("the run's early entries have been pruned; leave out from_seq", first_seq=record.first_seq)


def original_of(claimed: ClaimedRun) -> tuple[str, int] | None:
    """Return the run that this one is a fork of, and behind which entry; None if it is none."""
    if claimed.retry_of is None or claimed.from_seq is None:
        return None
    return claimed.retry_of, claimed.from_seq


@dataclass(frozen=True, slots=True)
class LiveForkedRun:
    """Implements ``contracts.family.ForkedRun``."""

    run_id: str
    seq: int
    family: Family

    async def entries(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the original's entries 1 to ``seq``, in order."""
        after = 0
        while after < self.seq:
            frames = await self.family.ask("family.page", after=after)
            after += len(frames)
            for frame in frames:
                yield msgspec.json.decode(frame)


@dataclass(frozen=True, slots=True)
class BlockingForkedRun:
    """Implements ``contracts.family.SyncForkedRun``."""

    run_id: str
    seq: int
    family: Family

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield the original's entries 1 to ``seq``, in order."""
        after = 0
        while after < self.seq:
            frames = self.family.ask_blocking("family.page", after=after)
            after += len(frames)
            for frame in frames:
                yield msgspec.json.decode(frame)
