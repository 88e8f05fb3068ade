"""The seam to stored runs. Floor 3. Every coroutine is called on the server's loop and hops to the store's own
threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from runwire.contracts.actors import Actor, OwnedRun, Reader, User
from runwire.contracts.event_log import RunAppender
from runwire.runs.record import NewRun, Outcome, RunRecord
from runwire.runs.state import RunStatus


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a start: the run, and whether it existed before (the same id, owner and body). ``stopping``: the
    runs that were cancelled for it and have yet to stop; ``steered``: what became of the message that the start was.
    """

    run: OwnedRun
    existed: bool
    stopping: Sequence[str] = ()
    steered: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list; ``before`` is the page mark that the last page gave."""

    limit: int = 50
    before: str | None = None
    status: RunStatus | None = None
    agent: str | None = None
    thread_id: str | None = None
    task_id: str | None = None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of runs, newest first; ``next`` is the mark of the following page or None."""

    runs: list[RunRecord]
    next: str | None


class RunStore(Protocol):
    """Runs in the database."""

    async def create(self, new: NewRun, actor: User) -> Created:
        """Store the run with its first entry (QUEUED), in one transaction.

        Raises:
            RunIdTaken: the id names another run (protocol, L7).
            NotFound: the thread belongs to somebody else.
            OverCapacity: too many runs wait; OverBudget: the owner has used up what they may.
            ThreadBusy: the thread has a live run, and the start is to be refused then, or to become a message.
        """

    async def pause(self) -> None:
        """Start no more waiting runs; returns once the last that was claimed has been handed out.

        Raises StorageUnavailable.
        """

    async def request_cancel(self, run: OwnedRun) -> RunStatus:
        """Store the wish to cancel and return the status that the run then has; a waiting run is CANCELLED at once."""

    async def newest_live(self, thread_id: str, actor: User) -> OwnedRun | None:
        """Return the newest run of the actor's thread that has not ended."""

    async def get(self, run_id: str, actor: Actor) -> OwnedRun:
        """Return the run if it is the actor's. Raises NotFound, the same for absent and foreign."""

    async def watched(self) -> Sequence[OwnedRun]:
        """Return the live runs that were started with ``on_disconnect: cancel``; for the start after a restart."""

    async def list(self, actor: Reader, wanted: RunFilter) -> Page:
        """Return a page of the runs that the actor may see."""

    async def check_thread(self, thread_id: str, actor: User) -> None:
        """Raise NotFound unless the conversation is there and the actor's."""

    def finish(self, run_id: str, fence: int, outcome: Outcome, appender: RunAppender | None = None) -> None:
        """Write the terminal state, compare-and-set under ``fence``; any thread, returns at once.

        A lost fence is no error: somebody else has ended the run (protocol, L5). What ``appender`` was given before is
        stored before; should that have failed, the run ends FAILED ``storage_unavailable`` instead of hiding the loss.
        """

    def wait_for_child(self, parent_id: str, fence: int, child_id: str, wait_id: str) -> None:
        """Note that a held run waits for its child, which may then be executed on its slot; any thread.

        ``wait_id`` names this wait for :meth:`leave_child`.
        """

    def leave_child(self, parent_id: str, wait_id: str) -> None:
        """Note that the wait is over; any thread."""

    def retry(
        self, run_id: str, fence: int, outcome: Outcome, delay_s: float, appender: RunAppender | None = None
    ) -> None:
        """Follow a failed attempt by another, under a new fence, that begins in ``delay_s`` seconds at the earliest.

        Without an attempt left it is :meth:`finish`; a run that was to be cancelled is CANCELLED. Any thread.
        """

    async def recover(self, recoverable: Callable[[str], bool], worker_id: str | None = None) -> int:
        """Settle every run that a dead worker held; return how many there were.

        What was to be cancelled is CANCELLED; a run whose agent (by name) is recoverable goes back to the queue; the
        others end FAILED ``worker_lost``. ``worker_id=None`` means every worker: at start-up, when holding the data
        folder's lock proves that no other process lives.
        """

    def requeue(self, run_id: str, fence: int, reason: str) -> None:
        """Return a held run to the queue for another attempt, under a new fence; FAILED if no attempt is left. Any
        thread.
        """
