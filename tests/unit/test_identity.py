"""Tickets, login codes and remembered tokens: single use, short, bounded (protocol, section 2)."""

from __future__ import annotations

from runwire.auth.identity import LOGIN_CODE_S, MOST_PENDING, REMEMBER_S, TICKET_S, StoredIdentity
from runwire.contracts.actors import User, Visitor
from tests.support.clock import ManualClock

ANN = User("ann")


class Users:
    """A user store in memory that counts how often it is asked."""

    def __init__(self) -> None:
        self.tokens = {"token-of-ann": ANN}
        self.sessions: dict[str, User] = {}
        self.asked = 0

    async def user_of_token(self, token: str) -> User | None:
        """Return whose token it is."""
        self.asked += 1
        return self.tokens.get(token)

    async def user_of_session(self, cookie: str) -> User | None:
        """Return whose login it is."""
        return self.sessions.get(cookie)

    async def open_session(self, user: User, lifetime_s: float) -> str:
        """Make a login."""
        cookie = f"cookie{len(self.sessions)}-{lifetime_s:g}"
        self.sessions[cookie] = user
        return cookie

    async def close_session(self, cookie: str) -> None:
        """End a login."""
        self.sessions.pop(cookie, None)


class Shares:
    """A store of share links without any."""

    async def visitor(self, secret: str) -> Visitor | None:
        """Know no link."""
        return None

    async def holds(self, visitor: Visitor) -> bool:
        """Hold none."""
        return False


def _identity() -> tuple[StoredIdentity, Users, ManualClock]:
    users, clock = Users(), ManualClock()
    return StoredIdentity(users, Shares(), clock, share_links=True), users, clock


def test_a_ticket_is_good_once_for_thirty_seconds() -> None:
    identity, _, clock = _identity()
    first, second, third = (identity.issue_ticket(ANN) for _ in range(3))
    assert identity.redeem_ticket(first) == ANN
    assert identity.redeem_ticket(first) is None
    clock.pass_s(TICKET_S - 0.1)
    assert identity.redeem_ticket(second) == ANN
    clock.pass_s(0.1)
    assert identity.redeem_ticket(third) is None
    assert identity.redeem_ticket("") is None


async def test_a_login_code_is_good_once_for_an_hour_and_is_no_ticket() -> None:
    identity, users, clock = _identity()
    code, late = identity.issue_login_code(ANN), identity.issue_login_code(ANN)
    assert identity.redeem_ticket(code) is None
    cookie = await identity.log_in(code=code, token=None)
    assert cookie is not None
    assert await identity.by_cookie(cookie) == ANN
    assert await identity.log_in(code=code, token=None) is None
    clock.pass_s(LOGIN_CODE_S)
    assert await identity.log_in(code=late, token=None) is None
    assert await identity.log_in(code=None, token=None) is None
    await identity.log_out(cookie)
    assert await identity.by_cookie(cookie) is None
    assert users.sessions == {}


async def test_a_revoked_token_is_felt_within_the_time_it_is_remembered() -> None:
    identity, users, clock = _identity()
    for _ in range(10):
        assert await identity.by_token("token-of-ann") == ANN
    assert users.asked == 1
    users.tokens.clear()
    clock.pass_s(REMEMBER_S)
    assert REMEMBER_S < 5, "revocation reaches open doors within five seconds"
    assert await identity.by_token("token-of-ann") is None


async def test_unknown_tokens_are_never_remembered() -> None:
    identity, users, _ = _identity()
    for _ in range(3):
        assert await identity.by_token("guess") is None
    assert users.asked == 3


def test_pending_tickets_are_bounded_and_the_newest_stay() -> None:
    identity, _, _ = _identity()
    tickets = [identity.issue_ticket(ANN) for _ in range(MOST_PENDING + 100)]
    assert identity.redeem_ticket(tickets[0]) is None
    assert identity.redeem_ticket(tickets[-1]) == ANN
