"""The frames of one followed run as frozen values. Any thread; knows nothing of JSON or sockets.

Entries (``State``, ``Event``) are the run's log and carry a ``seq``; the others stand outside the log. Attributes are
those of the wire protocol, sections 1 and 3; ``data`` is the entry's own JSON object, unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class RunStatus(StrEnum):
    """Where a run is in its life (protocol, L4)."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow this state (protocol, L5)."""
        return self in _TERMINAL


_TERMINAL: Final = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})


class Verdict(StrEnum):
    """What a test run that was carried through found."""

    PASSED = "passed"
    FAILED = "failed"


class ResetReason(StrEnum):
    """Why a log starts over (protocol, S3)."""

    EPOCH = "epoch"
    AHEAD = "ahead"
    TRIMMED = "trimmed"


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Why a run, or an attempt of it, FAILED; ``limit`` names the limit that it exceeded."""

    code: str
    message: str
    retryable: bool
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """An entry of the log: the run moved to ``status``."""

    run_id: str
    seq: int
    ts_ms: int
    data: Mapping[str, Any]
    status: RunStatus
    attempt: int
    reason: str | None = None
    result: Any = None
    verdict: Verdict | None = None
    error: RunFailure | None = None
    usage: Mapping[str, Any] | None = None
    not_before_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the log: the agent said something; ``data`` is one AG-UI event, verbatim."""

    run_id: str
    seq: int
    ts_ms: int
    data: Mapping[str, Any]

    @property
    def type(self) -> str:
        """The AG-UI type, such as ``TEXT_MESSAGE_CONTENT``; empty if the event has none."""
        kind = self.data.get("type")
        return kind if isinstance(kind, str) else ""


@dataclass(frozen=True, slots=True)
class Reset:
    """The log starts over: discard what you hold of this run; entries from ``first_seq`` follow under ``epoch``."""

    run_id: str
    reason: ResetReason
    first_seq: int
    last_seq: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A socket is up (first or again); ``resumed`` says whether the log goes on where it was cut."""

    run_id: str
    status: RunStatus
    epoch: str
    first_seq: int
    last_seq: int
    resumed: bool
    heartbeat_s: float
    protocol: str


@dataclass(frozen=True, slots=True)
class Queue:
    """The run waits: ``position`` (from 1) of ``size``; ``eta_s`` in seconds, only when measured; ``blocked``: why it
    waits although its turn may have come.
    """

    run_id: str
    position: int
    size: int
    eta_s: float | None = None
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing new; the log stands at ``last_seq``."""

    run_id: str
    last_seq: int
    ts_ms: int


Entry = State | Event
"""What is in the log."""

Item = State | Event | Reset
"""What ``follow`` yields."""

Frame = State | Event | Reset | Connected | Queue | Heartbeat
"""What ``frames`` yields."""
