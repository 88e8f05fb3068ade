"""What a terminal entry says of usage, and when a budget is used up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from runwire.errors import OverBudget
from runwire.runs.usage import Budget, Period, Used, check_budget, period_at, used_by

NOON = int(datetime(2026, 12, 31, 12, tzinfo=UTC).timestamp() * 1000)


def ending(**usage: Any) -> bytes:
    """Return the data of a terminal entry."""
    return json.dumps({"status": "SUCCEEDED", "attempt": 1, "usage": usage}).encode()


def test_what_is_said_is_counted() -> None:
    assert used_by(ending(input_tokens=5, output_tokens=7, cost_usd=0.1234567, other="x")) == Used(1, 5, 7, 123_457)


@pytest.mark.parametrize("value", [-1, True, "5", None, 1.5, 2**60, [1]])
def test_what_is_no_count_counts_nothing(value: Any) -> None:
    assert used_by(ending(input_tokens=value)) == Used(1)


@pytest.mark.parametrize("value", [-0.1, "1", None, 1e300])
def test_what_is_no_money_costs_nothing(value: Any) -> None:
    assert used_by(ending(cost_usd=value)) == Used(1)


SILENT = [b'{"status":"SUCCEEDED"}', b'{"status":"FAILED","error":{"message":"the \\"usage\\" of it"}}']


@pytest.mark.parametrize("terminal", SILENT)
def test_a_run_that_says_nothing_is_not_counted(terminal: bytes) -> None:
    assert used_by(terminal) is None


def test_periods_are_those_of_utc() -> None:
    day = [datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in period_at(Period.DAY, NOON)]
    month = [datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in period_at(Period.MONTH, NOON)]
    assert day == ["2026-12-31T00:00:00+00:00", "2027-01-01T00:00:00+00:00"]
    assert month == ["2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"]


def test_a_budget_is_used_up_when_it_is_reached() -> None:
    check_budget(Used(1, 5, 4, 999_999), Budget(10, 1_000_000), Period.DAY, NOON)
    with pytest.raises(OverBudget, match="used 10 of 10 tokens of this day; it renews on 2027-01-01 00:00 UTC") as over:
        check_budget(Used(1, 5, 5), Budget(10, 1_000_000), Period.DAY, NOON)
    assert over.value.retry_after_s == 12 * 3_600
    with pytest.raises(OverBudget, match=r"used 1\.5 of 1 cost_usd of this month"):
        check_budget(Used(1, 5, 5, 1_500_000), Budget(None, 1_000_000), Period.MONTH, NOON)
    with pytest.raises(OverBudget):
        check_budget(Used(), Budget(0), Period.MONTH, NOON)
