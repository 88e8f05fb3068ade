"""The seam to credentials. Floor 3. Secrets come in and go out as text once; what is stored is their hash."""

from __future__ import annotations

from typing import Protocol

from runwire.contracts.actors import User


class UserStore(Protocol):
    """Tokens of programs and logins of browsers. Coroutines on the server's loop."""

    async def user_of_token(self, token: str) -> User | None:
        """Return whose token it is; None for an unknown, expired or revoked one."""

    async def user_of_session(self, cookie: str) -> User | None:
        """Return whose browser login it is; None for an unknown or expired one."""

    async def open_session(self, user: User, lifetime_s: float) -> str:
        """Make a browser login and return its cookie's value."""

    async def close_session(self, cookie: str) -> None:
        """End a browser login; an unknown one is no error."""
