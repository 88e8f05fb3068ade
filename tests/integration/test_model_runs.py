"""Runs that ask a model: what it took is in the run however it ends, and within its limits; on threads and in processes
of their own, which never see the key.
"""

from __future__ import annotations

from typing import Any

import pytest

from runwire.testing.model import Refused, model_server
from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.http import ended, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.model_agents import PATHS

pytestmark = EVERY_ISOLATION
PRICED = {"model_name": "small", "model_price_input": 3.0, "model_price_output": 50.0}
ONE_COSTS = (100 * 3 + 10 * 50) / 1_000_000


async def test_what_a_model_took_is_in_the_run_and_in_its_users_sum(make_server: MakeServer) -> None:
    with model_server("yes", "no") as model:
        server = make_server(agents=PATHS, model_url=model.url, model_api_key="sk-0123456789", **PRICED)
        async with server.http(server.token_for("ann")) as http:
            end = await ended(server, await start(http, "asks", {"times": 2}), 8)
            assert end["result"] == {"said": ["yes", "no"], "reason": None}
            assert end["usage"] == {
                "pages": 1,
                "cost_usd": pytest.approx(1.0 + 2 * ONE_COSTS),
                "model_calls": 2,
                "input_tokens": 200,
                "output_tokens": 20,
            }
            used = (await http.get("/v1/usage")).json()
            assert (used["input_tokens"], used["output_tokens"]) == (200, 20)
            (agent,) = (one for one in (await http.get("/v1/agents")).json()["data"] if one["name"] == "asks")
            assert agent["available"] is True
        assert b"sk-0123456789" not in b"".join(file.read_bytes() for file in server.data.glob("*.db*"))
    assert model.keys == ["Bearer sk-0123456789"] * 2
    assert model.requests[0]["messages"][0]["content"][1]["image_url"]["url"] == "data:image/png;base64,cG5n"


@pytest.mark.parametrize("then", ["fail", "wait"])
async def test_a_run_that_fails_or_is_cancelled_has_used_it_all_the_same(make_server: MakeServer, then: str) -> None:
    with model_server("yes") as model:
        server = make_server(agents=PATHS, model_url=model.url, **PRICED)
        async with server.http() as http:
            run_id = await start(http, "asks", {"then": then})
            if then == "wait":
                await eventually_async(
                    lambda: any(entry["data"].get("delta") == "yes" for entry in server.entries(run_id)), "it asked", 8
                )
                await http.post(f"/v1/runs/{run_id}/cancel")
            end = await ended(server, run_id, 8)
    assert end["status"] == {"fail": "FAILED", "wait": "CANCELLED"}[then]
    assert end["usage"]["input_tokens"] == 100
    assert end["usage"]["cost_usd"] == pytest.approx(ONE_COSTS)


@pytest.mark.parametrize(
    ("limits", "named"),
    [({"model_tokens": 150}, "model_tokens"), ({"model_cost_usd": 1.5 * ONE_COSTS}, "model_cost_usd")],
)
async def test_a_run_asks_no_more_once_a_limit_is_used_up(
    make_server: MakeServer, limits: dict[str, float], named: str
) -> None:
    with model_server(*["yes"] * 5) as model:
        server = make_server(agents=PATHS, model_url=model.url, **PRICED)
        async with server.http() as http:
            end = await ended(server, await start(http, "asks", {"times": 5}, limits=limits), 8)
    assert (end["status"], end["error"]["code"], end["error"]["limit"]) == ("FAILED", "limit_exceeded", named)
    assert end["usage"]["model_calls"] == len(model.requests) == 2


@pytest.mark.parametrize(
    ("answer", "code"), [(Refused(401), "model_refused"), (Refused(200, "hm"), "model_nonsense"), (None, "")]
)
async def test_a_model_that_gives_no_answer_ends_the_run_with_its_reason(
    make_server: MakeServer, answer: Refused | None, code: str
) -> None:
    with model_server(answer or Refused()) as model:
        chosen: dict[str, Any] = {} if answer is None else {"model_url": model.url, "model_name": "m"}
        server = make_server(agents=PATHS, **chosen)
        async with server.http() as http:
            end = await ended(server, await start(http, "asks", {}), 8)
            (agent,) = (one for one in (await http.get("/v1/agents")).json()["data"] if one["name"] == "asks")
    assert (end["status"], end["error"]["code"]) == ("FAILED", code or "model_unavailable")
    assert agent["available"] is (answer is not None)
    if answer is None:
        assert "RUNWIRE_MODEL_URL" in agent["unavailable_reason"]
        assert "RUNWIRE_MODEL_URL" in end["error"]["message"]
        assert "usage" not in end
