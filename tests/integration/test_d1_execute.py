"""Saved tests are started over HTTP, answered at once, and always end. Rows D1, D2, C1; without a browser."""

from __future__ import annotations

import asyncio
import time
from statistics import median

import pytest

from tests.conftest import MakeServer
from tests.support.browser_tests import SHOP, execute, save
from tests.support.database import query
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of

NO_BROWSER = {"browser_executable": "/nonexistent/chromium"}


async def test_d1_the_answer_is_the_run_and_comes_in_milliseconds(make_server: MakeServer) -> None:
    server = make_server(**NO_BROWSER)
    bare, execution, runs = [], [], []
    async with server.http() as http:
        await save(http, "shop")
        for _ in range(40):
            begun = time.perf_counter()
            await http.get("/healthz")
            bare.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            runs.append(await execute(http, "shop"))
            execution.append(time.perf_counter() - begun)
        run_id = runs[-1]
        assert (await http.get(f"/v1/runs/{run_id}")).json()["id"] == run_id
        await ended(server, run_id)
    usual, usual_bare = median(execution), median(bare)  # of 40 the slowest is the machine's, not the server's
    assert usual <= 20 * usual_bare, (usual, usual_bare)


async def test_d1_the_priority_is_the_queues(make_server: MakeServer) -> None:
    server = make_server(**NO_BROWSER)
    async with server.http() as http:
        await save(http, "shop")
        run_id = await execute(http, "shop", priority="high")
        assert (await http.get(f"/test-runs/{run_id}")).json()["priority"] == "high"
        path = "/test-runs/execute-configuration/shop/shop_default"
        problem_of(await http.post(path, json={"priority": "urgent"}), 422, "invalid_input")
        assert (await http.post(path)).status_code == 202, "a body may be left out"
        await ended(server, run_id)


async def test_d2_the_same_key_is_the_same_run(make_server: MakeServer) -> None:
    server = make_server(**NO_BROWSER)
    path, key = "/test-runs/execute-configuration/shop/shop_default", {"Idempotency-Key": "mykey12345"}
    async with server.http() as http:
        await save(http, "shop")
        answers = [await http.post(path, headers=key) for _ in range(2)]
        bad = await http.post(path, headers={"Idempotency-Key": "No!"})
        await ended(server, "mykey12345")
    assert [(answer.status_code, answer.json()["id"]) for answer in answers] == [
        (202, "mykey12345"),
        (200, "mykey12345"),
    ]
    problem_of(bad, 422, "invalid_input")
    assert query(server.data, "SELECT count(*) AS n FROM test_runs")[0]["n"] == 1


@pytest.mark.parametrize("path", ["nothing/shop_default", "shop/nothing"])
async def test_d1_what_is_not_there_is_not_found(server: EmbeddedServer, path: str) -> None:
    async with server.http(server.token_for(path.replace("/", ""))) as http:
        await save(http, "shop")
        problem_of(await http.post(f"/test-runs/execute-configuration/{path}"), 404, "not_found")


async def test_d1_a_run_keeps_the_test_that_it_was_started_with(make_server: MakeServer) -> None:
    server = make_server(**NO_BROWSER)
    async with server.http() as http:
        await save(http, "shop")
        options = {"viewport": {"width": 400, "height": 700}, "locale": "fr-FR"}
        await http.put("/v1/browser-configs/shop_default", json={"options": options})
        run_id = await execute(http, "shop")
        await http.put("/v1/tasks/shop", json={"test": {"steps": ['Click "other"']}})
        await http.delete("/v1/tasks/shop")
        await ended(server, run_id)
        given = (await http.get(f"/v1/runs/{run_id}")).json()["input"]
        view = (await http.get(f"/test-runs/{run_id}")).json()
    assert given["steps"] == SHOP["steps"]
    assert given["browser"] == options
    assert given["task"] == {"id": "shop", "version": 1, "configuration": "shop_default"}
    assert (view["task_id"], view["total"]) == ("shop", 3)


async def test_a_run_of_another_agent_is_no_test_run(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = (await http.post("/v1/runs", json={"agent": "echo", "input": "hi"})).json()["id"]
        problem_of(await http.get(f"/test-runs/{run_id}"), 404, "not_found")
        problem_of(await http.get(f"/v1/runs/{run_id}/steps"), 404, "not_found")
        await ended(server, run_id)


async def test_many_at_once_are_all_stored(make_server: MakeServer) -> None:
    server = make_server(**NO_BROWSER)
    async with server.http() as http:
        await save(http, "shop")
        runs = await asyncio.gather(*(execute(http, "shop") for _ in range(20)))
        for run_id in runs:
            await ended(server, run_id, 8)
    assert len(set(runs)) == 20
