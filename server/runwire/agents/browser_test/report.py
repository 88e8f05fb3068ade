"""What a browser test tells: one record for each step, and their sum. Floor 4; values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from runwire.agents.downloads import KeptDownload
from runwire.runs.state import Verdict

MAX_ERROR = 2_000
"""Most characters of a step's error: an event holds 64 KiB at most."""


class StepStatus(StrEnum):
    """How a step ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step: ``index`` from 1 of ``total``; ``artifact_id`` names its screenshot; ``reading`` is what a model made
    of its sentence: ``sentence``, ``model``, and whether it was ``recorded`` in an earlier run.
    """

    index: int
    total: int
    text: str
    status: StepStatus
    duration_ms: int = 0
    error: str | None = None
    artifact_id: str | None = None
    reading: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The step's name in events."""
        return f"Step {self.index}"

    @property
    def line(self) -> str:
        """The line that people read."""
        error = f": {self.error}" if self.error else ""
        read = f" (read as: {self.reading['sentence']})" if self.reading else ""
        return f"Step {self.index}/{self.total} {self.status} {self.text}{read}{error}\n"

    def as_json(self) -> dict[str, Any]:
        """Return the step as events and results hold it (protocol, section 4)."""
        return {
            "index": self.index,
            "total": self.total,
            "text": self.text,
            "status": self.status.value,
            "duration_ms": self.duration_ms,
            "error": self.error,
            "artifact_id": self.artifact_id,
            **({} if self.reading is None else {"reading": self.reading}),
        }

    def as_event(self) -> dict[str, Any]:
        """Return the AG-UI event that ends the step."""
        return {"type": "STEP_FINISHED", "stepName": self.name, "metadata": {"runwire": self.as_json()}}


@dataclass(frozen=True, slots=True)
class TestReport:
    """A whole test, carried through or not."""

    name: str
    total: int
    steps: tuple[StepReport, ...]
    downloads: tuple[KeptDownload, ...] = ()

    __test__ = False  # pytest takes a class of this name for tests

    @property
    def passed(self) -> int:
        """How many steps passed."""
        return sum(step.status is StepStatus.PASSED for step in self.steps)

    @property
    def verdict(self) -> Verdict:
        """Passed if every step did."""
        return Verdict.PASSED if self.passed == self.total else Verdict.FAILED

    @property
    def line(self) -> str:
        """The line that people read last."""
        return f"{self.passed}/{self.total} passed"

    def as_json(self) -> dict[str, Any]:
        """Return the run's result."""
        return {
            "name": self.name,
            "passed": self.passed,
            "total": self.total,
            "steps": [step.as_json() for step in self.steps],
            "downloads": [one.as_json() for one in self.downloads if one.artifact_id is not None],
        }
