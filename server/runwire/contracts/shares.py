"""The seam to share links: read-only, expiring, revocable. Floor 3; coroutines of the server's loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runwire.contracts.actors import User, Visitor


@dataclass(frozen=True, slots=True)
class Share:
    """A link to one run (``run_id``) or one conversation (``thread_id``); times are Unix milliseconds."""

    id: str
    run_id: str | None
    thread_id: str | None
    created_ms: int
    expires_ms: int


class Links(Protocol):
    """What tells visitors from strangers."""

    async def visitor(self, secret: str) -> Visitor | None:
        """Return what the link shows; None for one that is unknown, expired or revoked."""

    async def holds(self, visitor: Visitor) -> bool:
        """Return whether the visitor's link has been neither revoked nor let expire since."""


class ShareStore(Links, Protocol):
    """Share links in the database. The link's secret goes out once; what is stored is its hash."""

    async def add(
        self, owner: User, *, run_id: str | None, thread_id: str | None, lifetime_ms: int
    ) -> tuple[Share, str]:
        """Store a link to what is the owner's, and return it with its secret.

        Raises:
            NotFound: the run or conversation is not there, or not the owner's.
            Conflict: the owner has as many links as one may have.
        """

    async def list(self, owner: User, *, run_id: str | None = None, thread_id: str | None = None) -> Sequence[Share]:
        """Return the owner's links that have not expired, newest first; of one run or conversation if it is named."""

    async def delete(self, owner: User, share_id: str) -> None:
        """Revoke a link. Raises NotFound."""
