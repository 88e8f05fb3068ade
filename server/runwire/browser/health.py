"""The health of one browser as one table. Floor 4; pure; nothing else assigns a health.

``is_connected()`` is true for a frozen Chromium and for a dead driver, so only an active probe with a limit tells.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from runwire.errors import IllegalTransition


class Health(StrEnum):
    """What a browser may still be used for."""

    HEALTHY = "healthy"  # takes new runs
    SUSPECT = "suspect"  # takes none until it has answered
    DRAINING = "draining"  # worn out: its runs may end, then it goes
    BAD = "bad"  # out of the pool, being cleaned up
    RETIRED = "retired"  # gone


class Sign(StrEnum):
    """What was observed of a browser."""

    ANSWERED = "answered"  # a probe was answered in time
    SILENT = "silent"  # a probe was not
    ERRORS = "errors"  # three runs in a row lost it or could not open a page
    LOST = "lost"  # its process is gone
    HUNG = "hung"  # a context did not close
    WORN = "worn"  # too many runs, too old, too large
    CLOSED = "closed"  # the host ends it: shutdown, or a run's own browser
    CLEANED = "cleaned"  # closed or killed, profile removed


_H, _S, _D, _B, _R = Health.HEALTHY, Health.SUSPECT, Health.DRAINING, Health.BAD, Health.RETIRED

TRANSITIONS: Final = MappingProxyType(
    {
        (_H, Sign.ANSWERED): _H,
        (_H, Sign.SILENT): _S,
        (_H, Sign.ERRORS): _S,
        (_H, Sign.WORN): _D,
        (_H, Sign.HUNG): _D,
        (_H, Sign.LOST): _B,
        (_H, Sign.CLOSED): _B,
        (_S, Sign.ANSWERED): _H,
        (_S, Sign.SILENT): _B,
        (_S, Sign.ERRORS): _S,
        (_S, Sign.WORN): _D,
        (_S, Sign.HUNG): _B,
        (_S, Sign.LOST): _B,
        (_S, Sign.CLOSED): _B,
        (_D, Sign.ANSWERED): _D,
        (_D, Sign.SILENT): _B,
        (_D, Sign.ERRORS): _D,
        (_D, Sign.WORN): _D,
        (_D, Sign.HUNG): _D,
        (_D, Sign.LOST): _B,
        (_D, Sign.CLOSED): _B,
        (_B, Sign.CLEANED): _R,
    }
)
"""Every move that exists."""

ERRORS_TO_SUSPECT: Final = 3
"""Failures in a row that make a browser suspect (mission, E3)."""


def observe(current: Health, sign: Sign) -> Health:
    """Return the health after ``sign``. What is said of a browser that is already out of the pool changes nothing.

    Raises:
        IllegalTransition: a browser in the pool was called cleaned.
    """
    found = TRANSITIONS.get((current, sign))
    if found is None:
        if current in (_B, _R):
            return current
        raise IllegalTransition("browser health", current, sign)
    return found
