"""The seam to a run's relatives: the run that it is a fork of. Floor 3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol


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
