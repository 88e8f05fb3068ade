"""Quota rules as pure functions over counts. Floor 1; any thread; no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from runwire.errors import OverCapacity


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
