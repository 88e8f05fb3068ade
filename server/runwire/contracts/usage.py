"""The seam to what users have used and may use. Floor 3; coroutines of the server's loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runwire.runs.usage import Budget, Period, Used


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What one user has used in this period, in sum and by day (counted from 1 January 1970, UTC), and may use."""

    user_id: str
    period: Period
    since_ms: int
    renews_ms: int
    used: Used
    days: Sequence[tuple[int, Used]]
    budget: Budget


class UsageStore(Protocol):
    """Usage and budgets in the database."""

    async def report(self, user_id: str) -> UsageReport:
        """Return what a user has used in this period, as far as runs have ended."""

    async def budgets(self) -> Sequence[tuple[str, Budget]]:
        """Return the budgets of users who have one of their own, in the order of their names."""

    async def set_budget(self, user_id: str, budget: Budget | None) -> None:
        """Give a user a budget of their own, or with None the server's again."""
