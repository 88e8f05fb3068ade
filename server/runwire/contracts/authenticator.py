"""The seam to identity: who is this? Floor 3. Coroutines on the server's loop."""

from __future__ import annotations

from typing import Protocol

from runwire.contracts.actors import Reader, User, Visitor


class Authenticator(Protocol):
    """Turns credentials into a user, or into nobody; never says why."""

    async def by_token(self, token: str) -> User | None:
        """Return whose token it is."""

    async def by_cookie(self, cookie: str) -> User | None:
        """Return whose browser login it is. For HTTP only: a cookie alone never opens a socket."""

    async def by_link(self, secret: str) -> Visitor | None:
        """Return what a share link shows; None where it is unknown, expired or revoked, or such links are off."""

    def issue_ticket(self, reader: Reader) -> str:
        """Return a ticket: single use, 30 s, for the first message of a socket."""

    def redeem_ticket(self, ticket: str) -> Reader | None:
        """Return whose ticket it is, once."""

    async def is_welcome(self, visitor: Visitor) -> bool:
        """Return whether a visitor's link is still good."""

    def issue_login_code(self, user: User) -> str:
        """Return a one-time login code for the fragment of ``/login#code=…``."""

    async def log_in(self, *, code: str | None, token: str | None) -> str | None:
        """Return the cookie of a new browser login for a valid login code or token, else None."""

    async def log_out(self, cookie: str) -> None:
        """End a browser login."""
