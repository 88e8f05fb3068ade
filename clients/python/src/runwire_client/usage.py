"""What a user has used and may use. Any thread; pure."""

from __future__ import annotations

from dataclasses import dataclass

from runwire_client.fields import Fields


@dataclass(frozen=True, slots=True)
class Usage:
    """What your ended runs have used in this period, and what they may; a budget of None is no limit.

    ``period`` is ``day`` or ``month``, in UTC; it renews at ``renews_ms``.
    """

    period: str
    renews_ms: int
    runs: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    budget_tokens: int | None
    budget_cost_usd: float | None


def read_usage(value: object) -> Usage:
    """Return a report. Raises ProtocolViolation."""
    fields = Fields(value, "usage")
    budget = fields.object("budget")
    return Usage(
        period=fields.text("period"),
        renews_ms=fields.whole("renews_ms"),
        runs=fields.whole("runs"),
        input_tokens=fields.whole("input_tokens"),
        output_tokens=fields.whole("output_tokens"),
        cost_usd=fields.number("cost_usd"),
        budget_tokens=budget.whole_or_none("tokens"),
        budget_cost_usd=budget.seconds_or_none("cost_usd"),
    )
