"""Token and cost budgets: summed by user as runs end, a start above them is refused with what and until when."""

from __future__ import annotations

from typing import Any

import httpx

from tests.conftest import MakeServer
from tests.support.database import new_token, query
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start

SPENT = {"input_tokens": 600, "output_tokens": 400, "cost_usd": 0.25}


async def spend(server: EmbeddedServer, http: httpx.AsyncClient, usage: dict[str, Any] = SPENT) -> str:
    """Run once, to its end."""
    run_id = await start(http, "spends", usage)
    await ended(server, run_id)
    return run_id


async def test_usage_is_summed_by_user_and_outlives_runs_and_restarts(make_server: MakeServer) -> None:
    server = make_server()
    token = server.token_for("ann")
    async with server.http(token) as ann, server.http(server.token_for("bob")) as bob:
        run_id = await spend(server, ann)
        await spend(server, ann)
        await ended(server, await start(ann, "echo", "x"))
        await spend(server, bob)
        assert (await ann.delete(f"/v1/runs/{run_id}")).status_code == 204
    server.stop()
    again = make_server(server.data)
    async with again.http(token) as ann:
        report = (await ann.get("/v1/usage")).json()
        problem_of(await ann.get("/v1/usage", params={"user": "bob"}), 403, "scope_missing")
    assert (report["user"], report["period"], report["runs"]) == ("ann", "month", 2)
    assert (report["input_tokens"], report["output_tokens"], report["cost_usd"]) == (1_200, 800, 0.5)
    assert report["budget"] == {"tokens": None, "cost_usd": None}
    assert sum(day["runs"] for day in report["days"]) == 2
    async with again.http() as admin:
        assert (await admin.get("/v1/usage", params={"user": "bob"})).json()["runs"] == 1


async def test_a_start_over_the_budget_is_refused_with_what_was_used_and_when_it_renews(
    make_server: MakeServer,
) -> None:
    server = make_server(budget_tokens=2_000, budget_period="day")
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        kept = await spend(server, ann)
        await spend(server, ann)
        body = {"agent": "spends", "input": SPENT, "run_id": "overbudget01"}
        answer = await ann.post("/v1/runs", json=body)
        problem = problem_of(answer, 429, "over_budget")
        assert problem["retryable"] is False
        assert problem["details"]["used"] == problem["details"]["limit"] == 2_000
        assert problem["details"]["renews_ms"] == (await ann.get("/v1/usage")).json()["renews_ms"]
        assert 0 < int(answer.headers["retry-after"]) <= 86_400
        assert query(server.data, "SELECT * FROM runs WHERE id = 'overbudget01'") == []
        again = await ann.post("/v1/runs", json={"agent": "spends", "input": SPENT, "run_id": kept})
        assert again.status_code == 200, "what exists already costs nothing"
        await spend(server, bob)


async def test_an_admin_gives_a_user_a_budget_of_their_own(make_server: MakeServer) -> None:
    server = make_server(budget_cost_usd=0.2)
    token = server.token_for("ann")
    async with server.http() as admin, server.http(token) as ann:
        await spend(server, ann)
        problem_of(await ann.post("/v1/runs", json={"agent": "echo", "input": "x"}), 429, "over_budget")
        answer = await admin.put("/v1/budgets/ann", json={"cost_usd": 0.5})
        assert answer.json() == {"user": "ann", "tokens": None, "cost_usd": 0.5}
        await spend(server, ann)
        problem_of(await ann.post("/v1/runs", json={"agent": "echo", "input": "x"}), 429, "over_budget")
        await admin.put("/v1/budgets/ann", json={})
        await spend(server, ann)
        assert [one["user"] for one in (await admin.get("/v1/budgets")).json()["data"]] == ["ann"]
        await admin.put("/v1/budgets/ann", json={"tokens": 0})
    server.stop()
    again = make_server(server.data)
    async with again.http() as admin, again.http(token) as ann:
        problem_of(await ann.post("/v1/runs", json={"agent": "echo", "input": "x"}), 429, "over_budget")
        assert (await admin.delete("/v1/budgets/ann")).status_code == 204
        await ended(again, await start(ann, "echo", "x"))


async def test_only_admins_set_budgets(server: EmbeddedServer) -> None:
    async with server.http(new_token(server.data, "carl")) as carl, server.http() as admin:
        problem_of(await carl.put("/v1/budgets/carl", json={"tokens": 10**9}), 403, "scope_missing")
        problem_of(await carl.get("/v1/budgets"), 403, "scope_missing")
        problem_of(await carl.delete("/v1/budgets/carl"), 403, "scope_missing")
        for body in ({"tokens": -1}, {"tokens": 1.5}, {"cost_usd": "much"}, {"euros": 1}):
            problem_of(await admin.put("/v1/budgets/carl", json=body), 422, "invalid_input")
