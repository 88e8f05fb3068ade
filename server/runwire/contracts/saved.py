"""The seam to what users save by name: tests, browser configurations, suites; each change is a version. Floor 3.

Coroutines of the server's loop. Names belong to their owner: two users may have the same, somebody else's is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from runwire.contracts.actors import User


class Kind(StrEnum):
    """What is saved. The word is what messages call it."""

    TASK = "task"
    CONFIGURATION = "browser configuration"
    SUITE = "suite"


@dataclass(frozen=True, slots=True)
class Draft:
    """Something to be saved: ``body`` is JSON that was checked before."""

    kind: Kind
    id: str
    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Saved:
    """One version of something saved; ``created_ms`` is when this version was, Unix milliseconds."""

    kind: Kind
    id: str
    name: str
    version: int
    body: bytes
    created_ms: int


@dataclass(frozen=True, slots=True)
class SavedPage:
    """A page, by id; ``next`` is the mark of the following page or None."""

    data: list[Saved]
    next: str | None


class SavedStore(Protocol):
    """Saved things in the database."""

    async def create(self, drafts: Sequence[Draft], actor: User) -> Sequence[Saved]:
        """Save version 1 of each, all or none. If the first is there already, just as it is, that is the answer.

        Raises:
            Conflict: one of the ids is taken.
            OverCapacity: the actor has saved as many of a kind as one may.
        """

    async def replace(self, draft: Draft, actor: User, expected: int | None) -> Saved:
        """Save the next version; content that equals the newest's makes none.

        Raises:
            NotFound: there is none of that id.
            Conflict: the newest version is not the ``expected`` one.
        """

    async def get(self, kind: Kind, id: str, actor: User, version: int | None = None) -> Saved:
        """Return a version, None the newest. Raises NotFound."""

    async def list(self, kind: Kind, actor: User, after: str, limit: int) -> SavedPage:
        """Return the newest versions of a kind, behind the id ``after``."""

    async def versions(self, kind: Kind, id: str, actor: User) -> Sequence[Saved]:
        """Return the versions that are kept, the newest first, without their bodies. Raises NotFound."""

    async def delete(self, things: Sequence[tuple[Kind, str]], actor: User) -> int:
        """Delete those with every version; runs keep what they were started with. Return how many there were."""
