"""What runs have used, and what a user may use. Floor 1; pure; any thread; time is passed in.

A run tells what it used at its end, so a budget is a gate for starts, not a meter inside a run: what is running when
the budget is used up goes on to its end. Money is counted in millionths of a dollar, as integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from runwire.errors import OverBudget

DAY_MS = 86_400_000
MICROS = 1_000_000
MOST = 2**53
"""A larger count is no count: it is left out."""


class Period(StrEnum):
    """When a budget renews, in UTC."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Used:
    """What one or many runs have used."""

    runs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in both directions."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Budget:
    """What a user may use in one period; None: as much as they like."""

    tokens: int | None = None
    cost_micros: int | None = None

    @property
    def unlimited(self) -> bool:
        """Whether there is nothing to look at."""
        return self.tokens is None and self.cost_micros is None


class _Ending(msgspec.Struct):
    usage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def used_by(terminal: bytes) -> Used | None:
    """Return what the encoded ``data`` of a terminal entry says of usage; None if it says nothing of ours.

    Most runs say nothing: they cost one look for the word.
    """
    if b'"usage"' not in terminal:
        return None
    usage = msgspec.json.decode(terminal, type=_Ending).usage
    if usage is msgspec.UNSET:
        return None
    facts = msgspec.json.decode(bytes(usage))
    tokens = [_count(facts.get(name)) for name in ("input_tokens", "output_tokens")]
    cost = facts.get("cost_usd")
    micros = round(cost * MICROS) if isinstance(cost, int | float) and 0 <= cost < MOST / MICROS else 0
    return Used(1, tokens[0], tokens[1], micros)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST else 0


def day_of(time_ms: int) -> int:
    """Return the day of a time, counted from 1 January 1970, UTC."""
    return time_ms // DAY_MS


def period_at(period: Period, now_ms: int) -> tuple[int, int]:
    """Return when the period that holds ``now_ms`` began and when the next one begins, Unix milliseconds."""
    if period is Period.DAY:
        begun = day_of(now_ms) * DAY_MS
        return begun, begun + DAY_MS
    month = datetime.fromtimestamp(now_ms / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, following = (month.year + 1, 1) if month.month == 12 else (month.year, month.month + 1)
    renewed = month.replace(year=year, month=following)
    return int(month.timestamp() * 1000), int(renewed.timestamp() * 1000)


def check_budget(used: Used, budget: Budget, period: Period, now_ms: int) -> None:
    """Accept one more run, or say what was used up and when it renews.

    Raises:
        OverBudget: the tokens or the money of this period are used up.
    """
    renews_ms = period_at(period, now_ms)[1]
    when = f"{datetime.fromtimestamp(renews_ms / 1000, UTC):%Y-%m-%d} 00:00 UTC"
    spent: list[tuple[str, float, float]] = []
    if budget.tokens is not None and used.tokens >= budget.tokens:
        spent.append(("tokens", used.tokens, budget.tokens))
    if budget.cost_micros is not None and used.cost_micros >= budget.cost_micros:
        spent.append(("cost_usd", used.cost_micros / MICROS, budget.cost_micros / MICROS))
    if spent:
        name, amount, limit = spent[0]
        raise OverBudget(
            f"you have used {amount:,.10g} of {limit:,.10g} {name} of this {period.value}; it renews on {when}",
            retry_after_s=(renews_ms - now_ms) / 1000,
            budget=name,
            used=amount,
            limit=limit,
            period=period.value,
            renews_ms=renews_ms,
        )
