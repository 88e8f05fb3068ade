"""The seam to a run's relatives: the runs that it starts, and the one that it is a fork of. Floor 3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from runwire.runs.record import RunError
from runwire.runs.state import RunStatus, Verdict


@dataclass(frozen=True, slots=True)
class ChildOutcome:
    """How a child ended. ``error`` is set if FAILED; ``verdict`` if it was a test that was carried through."""

    run_id: str
    agent: str
    status: RunStatus
    result: Any = None
    verdict: Verdict | None = None
    error: RunError | None = None
    usage: dict[str, Any] | None = None


class ChildRun(Protocol):
    """A run that this one has started."""

    @property
    def run_id(self) -> str:
        """Its name."""

    async def outcome(self) -> ChildOutcome:
        """Wait for its end, however it ends. Meanwhile it may be executed on this run's slot."""

    async def result(self) -> Any:
        """Wait for its end and return its result. Raises ChildFailed unless it SUCCEEDED."""


class SyncChildRun(Protocol):
    """The same for a plain function."""

    @property
    def run_id(self) -> str:
        """Its name."""

    def outcome(self) -> ChildOutcome:
        """Wait for its end, however it ends."""

    def result(self) -> Any:
        """Wait for its end and return its result. Raises ChildFailed unless it SUCCEEDED."""


class ForkedRun(Protocol):
    """The run behind whose entry ``seq`` this one begins."""

    @property
    def run_id(self) -> str:
        """The original's name."""

    @property
    def seq(self) -> int:
        """The last entry that still counts."""

    def entries(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the original's entries 1 to ``seq``, as its followers got them, a page at a time."""


class SyncForkedRun(Protocol):
    """The same for a plain function."""

    @property
    def run_id(self) -> str:
        """The original's name."""

    @property
    def seq(self) -> int:
        """The last entry that still counts."""

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield the original's entries 1 to ``seq``."""
