"""The life of a run as one table. Floor 1; any thread; nothing else in the program assigns a state.

The diagram and the page ``docs/states.md`` are generated from :data:`TRANSITIONS`.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from runwire.errors import IllegalTransition


class RunStatus(StrEnum):
    """Where a run is in its life."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Priority(StrEnum):
    """The class in which a run waits."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Verdict(StrEnum):
    """What a test run that was carried through found."""

    PASSED = "passed"
    FAILED = "failed"


_Q, _R, _W = RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING
_S, _F, _C = RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED

TRANSITIONS: Final = MappingProxyType(
    {
        _Q: frozenset({_R, _F, _C}),
        _R: frozenset({_W, _Q, _S, _F, _C}),
        _W: frozenset({_R, _Q, _F, _C}),
        _S: frozenset[RunStatus](),
        _F: frozenset[RunStatus](),
        _C: frozenset[RunStatus](),
    }
)
"""Every move that exists (protocol, L4)."""

TERMINAL: Final = frozenset(status for status, targets in TRANSITIONS.items() if not targets)
"""The states that end a run: exactly one of them is its last entry (protocol, L5)."""

ACTIVE: Final = frozenset({_R, _W})
"""The states in which a worker holds the run."""


def advance(current: RunStatus, target: RunStatus) -> RunStatus:
    """Return ``target`` if the table has the move.

    Raises:
        IllegalTransition: the table has no such move.
    """
    if target not in TRANSITIONS[current]:
        raise IllegalTransition("run", current, target)
    return target
