"""The seam to the queue: who waits where, what holds it back. Floor 3. Coroutines are called on the server's loop."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from runwire.contracts.actors import User
from runwire.runs.tally import QueueState


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A waiting run's place: ``position`` counts from 1 over all that wait, ``ahead`` says by agent who stands
    before it. ``parked``: it is in the pause before its next attempt, behind everybody until that is over.
    ``behind``: the same while earlier runs of its thread live.
    """

    run_id: str
    owner_id: str
    agent: str
    position: int
    ahead: Mapping[str, int]
    parked: bool = False
    behind: bool = False


@dataclass(frozen=True, slots=True)
class QueuePlaces:
    """Places from one read, in the order of the queue, and how many runs waited at that moment."""

    size: int
    places: list[QueuePlace]


@dataclass(frozen=True, slots=True)
class StoredPause:
    """What an operator has paused, who and when (Unix milliseconds); ``agent`` is None for the whole queue."""

    agent: str | None
    paused_by: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class UserLoad:
    """How many runs one user has in the queue and in work."""

    user_id: str
    queued: int
    running: int


@dataclass(frozen=True, slots=True)
class QueueView:
    """The queue as one read saw it: the actor's own places, the pauses, and for operators the users with most runs."""

    own: QueuePlaces
    pauses: list[StoredPause]
    users: list[UserLoad]


@dataclass(frozen=True, slots=True)
class CancelledBatch:
    """What one step of cancelling a user's runs did: how many that waited have ended, and which are to be stopped."""

    ended: int
    held: list[str]


class QueueStore(Protocol):
    """The queue in the database."""

    @property
    def state(self) -> QueueState:
        """The counts as of the last commit; any thread."""

    async def view(self, actor: User) -> QueueView:
        """Return what the actor may see of the queue."""

    async def places(self, run_ids: Collection[str], owners: Collection[str] = (), each: int = 1_000) -> QueuePlaces:
        """Return the places of those of ``run_ids`` that wait, and of the first ``each`` that each of ``owners`` has
        waiting; one read.
        """

    async def pause(self, agent: str | None, actor: User) -> None:
        """Start no more runs of ``agent``, or none at all; stored. Idempotent."""

    async def resume(self, agent: str | None) -> bool:
        """Take such a pause back; return whether there was one."""

    async def cancel_some(self, user_id: str, until_ms: int) -> CancelledBatch:
        """Store the wish to cancel some more of the user's live runs, created until ``until_ms`` (Unix milliseconds)
        and not yet to be cancelled. Nothing in the answer: there are none left.
        """

    async def knows_user(self, user_id: str) -> bool:
        """Return whether there is a token or a run of that user."""

    def look(self) -> None:
        """Look at the queue again: what held it back may have changed. Any thread, returns at once."""
