"""When a failed attempt is followed by another. Floor 1; pure: what looks like chance is a function of the run's id."""

from __future__ import annotations

import random
from typing import Annotated

import msgspec
from msgspec import Meta

LONGEST_DELAY_S = 86_400.0
"""No back-off is longer, and none that a restart finds in the database is taken for longer: the wall clock may have
been set back meanwhile.
"""

_DelayS = Annotated[float, Meta(ge=0, le=LONGEST_DELAY_S)]


class RetryPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often an agent's run is tried again after an error that is declared retryable, and after which times.

    ``max_attempts`` counts the first one and those that a lost worker cost (None: the server's setting). The n-th pause
    is ``base_s * factor ** (n - 1)`` seconds, at most ``most_s``, shortened by up to the share ``jitter`` of itself so
    that runs which failed together do not come back together.
    """

    max_attempts: Annotated[int, Meta(ge=1, le=100)] | None = None
    base_s: _DelayS = 1.0
    factor: Annotated[float, Meta(ge=1, le=10)] = 2.0
    most_s: _DelayS = 60.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.5

    def delay_s(self, run_id: str, attempt: int) -> float:
        """Return the pause behind the failed attempt ``attempt`` (from 1), seconds; the same at every call."""
        full = min(self.base_s * self.factor ** (attempt - 1), self.most_s)
        return full * (1 - self.jitter * random.Random(f"{run_id}.{attempt}").random())
