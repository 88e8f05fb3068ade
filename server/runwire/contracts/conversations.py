"""The seam to conversations: a user's runs by thread, their search, their end. Floor 3; coroutines of the server's
loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runwire.contracts.actors import OwnedRun, User
from runwire.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class Conversation:
    """A thread as one read saw it. ``runs`` and ``live`` count all of its runs and those that have not ended;
    ``snippet`` is where a search found it, if one did; times are Unix milliseconds."""

    id: str
    title: str
    titled: bool
    """Whether a person gave the title; else it is the first words of the first input."""
    created_ms: int
    active_ms: int
    runs: int
    live: int
    last_run: RunRecord | None
    snippet: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which conversations to list, newest activity first; ``before`` is the page mark that the last page gave;
    ``query`` are words that all stand in one run or in the title."""

    limit: int = 50
    before: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """A page of conversations; ``next`` is the mark of the following page or None."""

    conversations: list[Conversation]
    next: str | None


class ConversationStore(Protocol):
    """Conversations in the database. Somebody else's is absent."""

    async def list(self, actor: User, wanted: ConversationFilter) -> ConversationPage:
        """Return a page of the actor's conversations. Raises InvalidInput for a page mark or query that is none."""

    async def get(self, thread_id: str, actor: User) -> Conversation:
        """Return one conversation. Raises NotFound."""

    async def rename(self, thread_id: str, actor: User, title: str | None) -> None:
        """Give it a title, or with None the first words again. Raises NotFound."""

    async def live_runs(self, thread_id: str, actor: User) -> Sequence[str]:
        """Return the ids of its runs that have not ended. Raises NotFound."""

    async def runs(self, thread_id: str, actor: User, after: RunRecord | None, limit: int) -> Sequence[RunRecord]:
        """Return at most ``limit`` of its runs in the order of their start, those behind ``after``."""

    async def delete(self, thread_id: str, actor: User) -> None:
        """Delete it with everything in it: at once for every reader; from the disk by :meth:`purge`, also after a
        crash.

        Raises:
            NotFound: there is none.
            Conflict: one of its runs has not ended; nothing was deleted.
        """

    async def delete_run(self, run: OwnedRun) -> None:
        """Delete one run likewise. Raises Conflict if it has not ended, NotFound if it is gone already."""

    async def purge(self) -> bool:
        """Remove the next portion of what was deleted; return whether more is left."""

    async def index(self) -> bool:
        """Make the next portion of ended runs searchable; return whether more may be left."""
