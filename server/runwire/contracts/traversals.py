"""The seam to traversals: what a browser run did, step by step, as a file. Floor 3."""

from __future__ import annotations

from typing import Protocol

from runwire.protocol.traversal import Traversal


class RunTraversal(Protocol):
    """The traversal of one run, as its agent sees it. Called on the runner's loop."""

    async def save(self, task: str, traversal: Traversal) -> None:
        """Write it anew in the place of the last one; when this returns, it survives a kill and a loss of power.

        ``task`` is what the run carries out, a suggestion: the server makes a folder's name of it. Only that of the
        first save counts. Cancelling stops the waiting, not the writing.

        Raises:
            StorageUnavailable: the disk refused; what was written before is still there.
        """


class TraversalSaver(Protocol):
    """Takes traversals of runs. Functions may block: call them off the loop."""

    def save(self, run_id: str, task: str, traversal: Traversal) -> None:
        """Write the run's traversal anew. Raises StorageUnavailable."""


class TraversalStore(TraversalSaver, Protocol):
    """Where traversals live."""

    def read(self, run_id: str) -> bytes | None:
        """Return the run's traversal as JSON, or None if it has none. The caller has checked who owns the run.

        Raises:
            StorageUnavailable: the disk refused.
        """
