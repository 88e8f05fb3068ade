"""Tokens, cookies, tickets and login codes. Floor 4; the server's loop only.

Tokens and cookies live hashed in the database; tickets and login codes live here, in memory, for seconds to minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from runwire.clock import Clock
from runwire.contracts.actors import Reader, User, Visitor
from runwire.contracts.shares import Links
from runwire.contracts.users import UserStore
from runwire.ids import new_secret

TICKET_S = 30.0
LOGIN_CODE_S = 3_600.0
SESSION_S = 30 * 86_400.0
REMEMBER_S = 2.0
"""How long a token that was just checked is not looked up again; a revocation must be felt within 5 s."""

MOST_PENDING = 10_000
"""Most tickets, codes and remembered tokens, each; the oldest goes first."""


Whose = TypeVar("Whose", bound=Reader)


@dataclass(frozen=True, slots=True)
class _Pending(Generic[Whose]):
    whose: Whose
    until: float


class _Short(Generic[Whose]):
    """Secrets that are valid for a short time, oldest first, bounded."""

    def __init__(self, clock: Clock, lifetime_s: float) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._pending: dict[str, _Pending[Whose]] = {}

    def add(self, secret: str, whose: Whose) -> None:
        now = self._clock.monotonic()
        while self._pending:
            oldest, pending = next(iter(self._pending.items()))
            if pending.until > now and len(self._pending) < MOST_PENDING:
                break
            del self._pending[oldest]
        self._pending[secret] = _Pending(whose, now + self._lifetime_s)

    def look(self, secret: str) -> Whose | None:
        pending = self._pending.get(secret)
        return None if pending is None or pending.until <= self._clock.monotonic() else pending.whose

    def take(self, secret: str) -> Whose | None:
        whose = self.look(secret)
        self._pending.pop(secret, None)
        return whose


class StoredIdentity:
    """Implements ``contracts.authenticator.Authenticator`` on a user store and share links."""

    def __init__(self, users: UserStore, shares: Links, clock: Clock, *, share_links: bool) -> None:
        """``share_links``: whether the server lets such links be used at all."""
        self._users = users
        self._shares = shares
        self._share_links = share_links
        self._tickets: _Short[Reader] = _Short(clock, TICKET_S)
        self._codes: _Short[User] = _Short(clock, LOGIN_CODE_S)
        self._known: _Short[User] = _Short(clock, REMEMBER_S)

    async def by_token(self, token: str) -> User | None:
        """Return whose token it is."""
        user = self._known.look(token)
        if user is None:
            user = await self._users.user_of_token(token)
            if user is not None:
                self._known.take(token)
                self._known.add(token, user)
        return user

    async def by_cookie(self, cookie: str) -> User | None:
        """Return whose browser login it is."""
        return await self._users.user_of_session(cookie)

    async def by_link(self, secret: str) -> Visitor | None:
        """Return what a share link shows."""
        return await self._shares.visitor(secret) if self._share_links else None

    def issue_ticket(self, reader: Reader) -> str:
        """Return a ticket: single use, 30 s."""
        ticket = new_secret("rwt_")
        self._tickets.add(ticket, reader)
        return ticket

    def redeem_ticket(self, ticket: str) -> Reader | None:
        """Return whose ticket it is, once."""
        return self._tickets.take(ticket)

    async def is_welcome(self, visitor: Visitor) -> bool:
        """Return whether a visitor's link is still good."""
        return await self._shares.holds(visitor)

    def issue_login_code(self, user: User) -> str:
        """Return a one-time login code, valid for an hour."""
        code = new_secret("")
        self._codes.add(code, user)
        return code

    async def log_in(self, *, code: str | None, token: str | None) -> str | None:
        """Return the cookie of a new browser login for a valid code or token, else None."""
        user: User | None = None
        if code is not None:
            user = self._codes.take(code)
        elif token is not None:
            user = await self.by_token(token)
        return None if user is None else await self._users.open_session(user, SESSION_S)

    async def log_out(self, cookie: str) -> None:
        """End a browser login."""
        await self._users.close_session(cookie)
