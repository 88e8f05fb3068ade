"""How far a suite run is, made of its runs. Floor 1; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from runwire.runs.state import TERMINAL, RunStatus, Verdict


class SuiteStatus(StrEnum):
    """Where a suite run is: no run of it has begun, some have not ended, all have."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class SuiteCounts:
    """Its runs by what has become of them; ``errors`` could not be carried out, ``deleted`` are gone."""

    total: int
    queued: int = 0
    running: int = 0
    waiting: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    cancelled: int = 0
    deleted: int = 0

    @property
    def status(self) -> SuiteStatus:
        """Where it is."""
        if self.queued and self.queued + self.deleted == self.total:
            return SuiteStatus.QUEUED
        return SuiteStatus.RUNNING if self.queued or self.running or self.waiting else SuiteStatus.ENDED

    @property
    def verdict(self) -> Verdict | None:
        """Passed if every run did; None before the end, or if nothing is left of it."""
        if self.status is not SuiteStatus.ENDED or self.deleted == self.total:
            return None
        return Verdict.PASSED if self.passed + self.deleted == self.total else Verdict.FAILED

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def counts_of(total: int, runs: Iterable[tuple[RunStatus, Verdict | None]]) -> SuiteCounts:
    """Return the counts of a suite run that began with ``total`` runs."""
    found = dict.fromkeys(("queued", "running", "waiting", "passed", "failed", "errors", "cancelled"), 0)
    for status, verdict in runs:
        found[_word(status, verdict)] += 1
    return SuiteCounts(total, **found, deleted=total - sum(found.values()))


def _word(status: RunStatus, verdict: Verdict | None) -> str:
    if status not in TERMINAL or status is RunStatus.CANCELLED:
        return status.value.lower()
    if status is RunStatus.FAILED:
        return "errors"
    return "failed" if verdict is Verdict.FAILED else "passed"
