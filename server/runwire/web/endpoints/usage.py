"""``/v1/usage`` and ``/v1/budgets``: what users have used, and may use. Floor 6."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.usage import UsageReport
from runwire.errors import ScopeMissing
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.runs.usage import DAY_MS, MICROS, Budget, Used
from runwire.web.access import current_user
from runwire.web.responses import json_response
from runwire.web.services import get_services

Tokens = Annotated[int, Meta(ge=0, le=2**53, description="in both directions, in one period; null: no limit")]
Dollars = Annotated[float, Meta(ge=0, le=1_000_000_000, description="in one period; null: no limit")]


class SetBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of ``PUT /v1/budgets/{user_id}``; 0 lets a user start nothing."""

    tokens: Tokens | None = None
    cost_usd: Dollars | None = None


async def get_usage(request: Request) -> Response:
    """Return what the caller, or for an admin ``?user=``, has used in this period, and may use."""
    user = current_user(request)
    user_id = request.query_params.get("user", user.id)
    if user_id != user.id and not user.admin:
        raise ScopeMissing("user: needs an admin's token")
    return json_response(_report_view(await get_services(request).usage.report(user_id)))


async def list_budgets(request: Request) -> Response:
    """List the users who have a budget of their own."""
    budgets = await get_services(request).usage.budgets()
    return json_response({"data": [{"user": user_id, **_budget_view(one)} for user_id, one in budgets], "next": None})


async def set_budget(request: Request) -> Response:
    """Give a user a budget of their own."""
    wanted = convert(decode_body(await request.body()), SetBudget)
    budget = Budget(wanted.tokens, None if wanted.cost_usd is None else round(wanted.cost_usd * MICROS))
    user_id = request.path_params["user_id"]
    await get_services(request).usage.set_budget(user_id, budget)
    return json_response({"user": user_id, **_budget_view(budget)})


async def delete_budget(request: Request) -> Response:
    """Let the server's budget hold for a user again."""
    await get_services(request).usage.set_budget(request.path_params["user_id"], None)
    return Response(status_code=204)


def _report_view(report: UsageReport) -> dict[str, Any]:
    return {
        "user": report.user_id,
        "period": report.period.value,
        "since_ms": report.since_ms,
        "renews_ms": report.renews_ms,
        **_used_view(report.used),
        "budget": _budget_view(report.budget),
        "days": [{"day_ms": day * DAY_MS, **_used_view(used)} for day, used in report.days],
    }


def _used_view(used: Used) -> dict[str, Any]:
    return {
        "runs": used.runs,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cost_usd": used.cost_micros / MICROS,
    }


def _budget_view(budget: Budget) -> dict[str, Any]:
    cost = None if budget.cost_micros is None else budget.cost_micros / MICROS
    return {"tokens": budget.tokens, "cost_usd": cost}
