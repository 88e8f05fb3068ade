"""The seam to the log: what is committed, in order, and who hears of it. Floor 3.

Commit before publish (protocol, L2): whatever implements this calls :meth:`CommitListener.on_commit` only with
entries that a ``kill -9`` at that moment would leave in place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from runwire.contracts.actors import OwnedRun
from runwire.runs.record import ClaimedRun
from runwire.runs.state import RunStatus
from runwire.runs.tally import Move


@dataclass(frozen=True, slots=True)
class Published:
    """Entries of one run that have just been committed: ``frames[i]`` has seq ``first_seq + i``.

    ``status`` and ``fence`` are the run's after the last of them; ``ended`` says that the last frame is the terminal
    entry.
    """

    run_id: str
    first_seq: int
    frames: list[bytes]
    status: RunStatus
    fence: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """Committed entries behind a cursor: ``frames[i]`` has seq ``first_seq + i``; ``end_seq`` is the terminal entry's
    seq if the run has ended, else None."""

    first_seq: int
    frames: list[bytes]
    end_seq: int | None


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit brought: runs that it moved to RUNNING, answers that the server's loop waits for (each to be
    called there), entries, and the runs whose state it has changed."""

    claimed: list[ClaimedRun]
    answers: Sequence[Callable[[], None]]
    published: list[Published]
    moves: Sequence[Move] = ()


class CommitListener(Protocol):
    """Who hears of commits. Called on the log's own thread, in the order of the commits; must not block."""

    def on_commit(self, commit: Commit) -> None:
        """Take what one commit brought."""


class RunAppender(Protocol):
    """The right of one attempt to append to its run's log."""

    @property
    def failure(self) -> Exception | None:
        """Why nothing more of this attempt can be stored; None while all is well."""

    def append(self, data: bytes) -> bool:
        """Hand over one encoded event; any thread, never blocks. False: the window is full, wait before the next one.

        Raises:
            FenceLost: the run has been taken away.
            StorageUnavailable: an earlier entry could not be stored.
        """

    async def wait_accepting(self) -> None:
        """Wait until the window has room; on the loop that the appender was bound to."""

    async def flush(self) -> int:
        """Wait until everything appended is committed; return the last committed ``seq``."""

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop on which the waiting methods will be called."""

    def wait_accepting_blocking(self, timeout_s: float) -> None:
        """The same for a thread without a loop. Raises TimeoutError."""

    def flush_blocking(self, timeout_s: float) -> int:
        """The same for a thread without a loop. Raises TimeoutError."""


class EventLog(Protocol):
    """The durable, gapless log of every run."""

    def appender(self, run_id: str, fence: int) -> RunAppender:
        """Return the appender of one attempt; ``fence`` is what its claim gave it."""

    async def read(self, run: OwnedRun, after: int, *, entries: int, size_bytes: int) -> Chunk:
        """Return what is committed behind ``after``: at most ``entries`` entries or about ``size_bytes``, from one
        read.
        """
