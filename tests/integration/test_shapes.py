"""Input and result schemas of agents: checked at the start and at the end, shown by ``GET /v1/agents``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support import shaped_agents
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start
from tests.support.sockets import conversing


@pytest.fixture
def server(make_server: MakeServer) -> EmbeddedServer:
    """A server with the agents of this suite."""
    return make_server(agents=shaped_agents.PATHS)


@pytest.mark.parametrize(
    ("agent", "input", "result"),
    [
        ("takes-struct", {"item": "tea"}, {"kind": "Order", "item": "tea", "count": 1}),
        ("TakesDataclass", {"orders": [{"item": "a", "count": 2}, {"item": "b"}]}, {"total": 3}),
        ("takes-typed-dict", {"total": 4}, {"orders": [{"item": "thing", "count": 4}]}),
        ("yields-shaped", {"item": "tea"}, {"item": "tea"}),
        ("by-schema", {"give": {"answer": 42}, "list": [3]}, {"answer": 42}),
        ("by-both", {"item": "tea"}, "tea"),
    ],
)
async def test_an_input_that_fits_comes_as_what_the_agent_declares(
    server: EmbeddedServer, agent: str, input: Any, result: Any
) -> None:
    async with server.http() as http:
        end = await ended(server, await start(http, agent, input))
    assert (end["status"], end.get("result")) == ("SUCCEEDED", result)


@pytest.mark.parametrize(
    ("agent", "input", "path"),
    [
        ("takes-struct", {"item": 5}, "$.item"),
        ("takes-struct", {"item": "tea", "count": 0}, "$.count"),
        ("takes-struct", {"item": "tea", "more": 1}, "$"),
        ("takes-struct", None, "$"),
        ("TakesDataclass", {"orders": [{"item": "a"}, {"item": None}]}, "$.orders[1].item"),
        ("takes-typed-dict", {}, "$"),
        ("yields-shaped", {"item": []}, "$.item"),
        ("by-schema", {"give": 1, "list": [3, 2]}, "$.list[1]"),
        ("by-schema", [], "$"),
        ("by-both", {"item": 1}, "$.item"),
    ],
)
@pytest.mark.parametrize("door", ["http", "socket"])
async def test_an_input_that_does_not_fit_is_422_with_its_path_and_nothing_is_stored(
    server: EmbeddedServer, agent: str, input: Any, path: str, door: str
) -> None:
    async with server.http() as http:
        if door == "http":
            answer = await http.post("/v1/runs", json={"agent": agent, "input": input})
            error = problem_of(answer, 422, "invalid_input")
        else:
            async with conversing(server) as socket:
                error = await socket.refused("run.start", agent=agent, input=input)
        assert (await http.get("/v1/runs")).json()["data"] == []
    assert error["code"] == "invalid_input"
    assert error["details"]["violations"][0]["path"] == path
    assert path in error["message"]


async def test_an_agents_own_check_comes_behind_its_schema(server: EmbeddedServer) -> None:
    async with server.http() as http:
        answer = await http.post("/v1/runs", json={"agent": "by-both", "input": {"item": "bomb"}})
        assert "bombs" in problem_of(answer, 422, "invalid_input")["detail"]


@pytest.mark.parametrize(("give", "path"), [({"question": 1}, "$"), ("text", "$"), (None, "$")])
async def test_a_result_that_breaks_the_agents_own_schema_is_told_truthfully(
    server: EmbeddedServer, give: Any, path: str
) -> None:
    async with server.http() as http:
        end = await ended(server, await start(http, "by-schema", {"give": give}))
    assert (end["status"], end["error"]["code"]) == ("FAILED", "agent_error")
    assert "the agent's result does not fit the schema" in end["error"]["message"]
    assert f"(at {path})" in end["error"]["message"]


async def test_the_agents_show_their_schemas(server: EmbeddedServer) -> None:
    async with server.http() as http:
        agents = {agent["name"]: agent for agent in (await http.get("/v1/agents")).json()["data"]}
    order = agents["takes-struct"]["input_schema"]
    assert order["$defs"]["Order"]["properties"]["count"]["minimum"] == 1
    assert agents["TakesDataclass"]["result_schema"]["$defs"]["Receipt"]["required"] == ["total"]
    assert agents["by-schema"]["result_schema"] == {"type": "object", "required": ["answer"]}
    assert agents["echo"]["input_schema"] == {"description": "what to say back", "examples": ["Hello, Runwire!"]}
    assert agents["echo"]["result_schema"] is None
    assert agents["scripted"]["input_schema"]["examples"]


async def test_a_long_input_is_checked_without_holding_up_the_server(server: EmbeddedServer) -> None:
    async with server.http() as http:
        input = {"give": {"answer": 1}, "list": [3] * 30_000 + [1]}
        answer = await http.post("/v1/runs", json={"agent": "by-schema", "input": input})
        error = problem_of(answer, 422, "invalid_input")
    assert error["details"]["violations"][0]["path"] == "$.list[30000]"
