"""What a report tells, whatever its form. Floor 3; values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runwire.protocol.run_steps import RunStep
from runwire.runs.state import TERMINAL, RunStatus, Verdict


class Ending(StrEnum):
    """How a run of a test came out, in one word. ERROR: the test could not be carried out."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"
    UNFINISHED = "not finished"


def ending(status: RunStatus, verdict: Verdict | None) -> Ending:
    """Return how a run came out. An agent without verdicts has passed when it has succeeded."""
    if status not in TERMINAL:
        return Ending.UNFINISHED
    if status is RunStatus.SUCCEEDED:
        return Ending.FAILED if verdict is Verdict.FAILED else Ending.PASSED
    return Ending.CANCELLED if status is RunStatus.CANCELLED else Ending.ERROR


@dataclass(frozen=True, slots=True)
class Picture:
    """A screenshot or a video: its bytes and their type."""

    data: bytes
    mime: str


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """One run of a test. ``pictures`` are by the artifact ids of the steps, ``video`` shows the whole run; ``error``
    is ``{code, message}``; times are Unix milliseconds."""

    run_id: str
    name: str
    task: str | None
    configuration: str | None
    browser: Mapping[str, Any]
    ending: Ending
    error: Mapping[str, Any] | None
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    steps: Sequence[RunStep]
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    video: Picture | None = None

    @property
    def duration_s(self) -> float:
        """How long it ran, seconds; 0 if it never did, or does not say yet."""
        if self.started_ms is None or self.ended_ms is None:
            return 0.0
        return (self.ended_ms - self.started_ms) / 1000

    @property
    def passed_steps(self) -> int:
        """How many of its steps passed."""
        return sum(step.status == "PASSED" for step in self.steps)

    @property
    def complaint(self) -> str:
        """Why it did not pass, in one line; empty if it did."""
        if self.ending is Ending.ERROR and self.error is not None:
            return f"{self.error.get('code', 'error')}: {self.error.get('message', '')}"
        failed = next((step for step in self.steps if step.status == "FAILED"), None)
        if failed is not None:
            return f"step {failed.index}, {failed.text}: {failed.error or 'failed'}"
        return "" if self.ending is Ending.PASSED else f"the run is {self.ending}"


@dataclass(frozen=True, slots=True)
class Report:
    """One run, or the runs of a suite. ``left_out``: pictures and videos that would have made the report too large."""

    name: str
    created_ms: int
    runs: Sequence[ReportedRun]
    left_out: int = 0

    def count(self, *endings: Ending) -> int:
        """Return how many runs came out so."""
        return sum(run.ending in endings for run in self.runs)

    @property
    def duration_s(self) -> float:
        """The time that the runs took together, seconds."""
        return sum(run.duration_s for run in self.runs)


def moment(ms: int) -> datetime:
    """Return a time as UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)
