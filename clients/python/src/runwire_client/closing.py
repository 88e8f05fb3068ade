"""What an end of a socket, or a refused upgrade, asks of a follower: two tables. Any thread; pure; holds no state.

Source: the wire protocol, section 5 (close codes) and section 2 (refusals before 101).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from runwire_client.errors import NotAuthenticated, ProtocolViolation, RunwireError, ScopeMissing, ServerFault
from runwire_client.timing import Random, Timing


class Answer(Enum):
    """What the follower does."""

    END = "end, if the terminal state was seen; else come back"
    COME_BACK = "come back with the cursor"
    FRESH_CREDENTIALS = "come back once with fresh credentials, then give up"
    GIVE_UP = "raise"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a table.

    ``floor_s`` is the least wait before coming back. ``spread_s`` is the width of the random wait on top of it; None
    means the exponential back-off. ``error`` is the class to raise when giving up on a close code.
    """

    answer: Answer
    floor_s: float = 0.0
    spread_s: float | None = None
    error: type[RunwireError] = ServerFault

    def delay_s(self, attempt: int, timing: Timing, random: Random) -> float:
        """Return the seconds to wait before coming back for the ``attempt``-th time (from 0) in a row."""
        jitter = timing.delay_s(attempt, random) if self.spread_s is None else random() * self.spread_s
        return self.floor_s + jitter


COME_BACK: Final = Rule(Answer.COME_BACK)
_BUSY: Final = Rule(Answer.COME_BACK, floor_s=5.0, spread_s=5.0)
_OUR_BYTES: Final = Rule(Answer.GIVE_UP, error=ProtocolViolation)

CLOSE_CODES: Final = MappingProxyType(
    {
        1000: Rule(Answer.END),
        1001: COME_BACK,  # idle: we asked for follow=1, so the run matters to us
        1002: _OUR_BYTES,
        1003: _OUR_BYTES,
        1005: COME_BACK,  # alike: neither of the two is ever "clean"
        1006: COME_BACK,
        1007: _OUR_BYTES,
        1009: _OUR_BYTES,
        1011: COME_BACK,
        1012: Rule(Answer.COME_BACK, spread_s=2.0),
        1013: _BUSY,
        4008: COME_BACK,
        4009: COME_BACK,
        4029: COME_BACK,
        4401: Rule(Answer.FRESH_CREDENTIALS, error=NotAuthenticated),
        4501: _OUR_BYTES,
        4503: Rule(Answer.GIVE_UP, error=ScopeMissing),
    }
)
"""Each code of section 5."""

UPGRADE_STATUSES: Final = MappingProxyType(
    {
        401: Rule(Answer.FRESH_CREDENTIALS, error=NotAuthenticated),
        408: COME_BACK,
        429: _BUSY,
        500: COME_BACK,
        502: COME_BACK,
        503: _BUSY,
        504: COME_BACK,
    }
)
"""Each HTTP status, instead of 101, that is not final."""


def close_rule(code: int) -> Rule:
    """Return the rule of a close code; the ranges of section 5 decide on codes that it does not list."""
    listed = CLOSE_CODES.get(code)
    if listed is not None:
        return listed
    return Rule(Answer.GIVE_UP) if 4500 <= code <= 4999 else COME_BACK


def upgrade_rule(status: int) -> Rule:
    """Return the rule of an HTTP status that came instead of 101; what is not listed is final."""
    return UPGRADE_STATUSES.get(status, Rule(Answer.GIVE_UP))
