"""Runs that gave their slot back while they waited for a person, and want one again. Floor 4; writer thread only.

They have begun already, so they come before everything in the queue, the one that asked first before the others, as
far as the limits of their users and agents allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwire.runs.state import RunStatus

if TYPE_CHECKING:
    from runwire.persistence.transaction import Head, Transaction


@dataclass(frozen=True, slots=True, eq=False)
class Returning:
    """A WAITING run that would go on: ``data`` is its entry for RUNNING, ``told`` is called once that is committed."""

    run_id: str
    fence: int
    data: bytes
    told: Callable[[], None]


class ReturningRuns:
    """The line of those runs. Bounded by the runs that wait: each stands here once for each of its questions."""

    def __init__(self) -> None:
        self._line: dict[Returning, None] = {}

    def readmit(self, tx: Transaction, has_room: Callable[[Head], bool]) -> Iterator[Head]:
        """Move those that have room to RUNNING inside ``tx`` and yield each, to be counted before the next is asked
        for.
        """
        for returning in (*self._line, *tx.returning):
            head = tx.head(returning.run_id)
            if head is None or head.fence != returning.fence or head.status is not RunStatus.WAITING:
                tx.returned.append(returning)  # it runs already, or never will again
            elif has_room(head):
                tx.returned.append(returning)
                yield tx.move(head, RunStatus.RUNNING, returning.data, keeps_slot=True)

    def committed(self, tx: Transaction) -> None:
        """Keep what ``tx`` has changed; called once it is committed."""
        self._line.update(dict.fromkeys(tx.returning))
        for returning in tx.returned:
            del self._line[returning]
