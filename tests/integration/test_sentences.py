"""Tests in free words at the doors: refused as ever without a model, accepted with one, and accepted without one once a
model has read their sentences; readings are their owner's.
"""

from __future__ import annotations

import pytest

from runwire.persistence import sentences
from runwire.protocol.steps.testfile import MODEL_COULD
from tests.conftest import MakeServer
from tests.support.database import change, query
from tests.support.http import ended, problem_of, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.model_agents import PATHS

PUT = "Put the blue mug into the basket"
TEST = {"name": "Free words", "url": "/samples/shop/index.html", "steps": [PUT]}
INSERT = "INSERT INTO sentences VALUES (?, ?, ?, ?, ?, ?, ?)"


async def test_without_a_model_it_is_the_clear_error_at_every_door(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        for answer in (
            await http.post("/v1/runs", json={"agent": "browser-test", "input": TEST}),
            await http.post("/v1/tasks", json={"id": "shop", "test": TEST}),
            await http.post("/v1/suite-runs", json={"name": "all", "tests": [{"test": TEST}]}),
        ):
            problem = problem_of(answer, 422, "invalid_input")
            assert 'step 1: no known sentence starts with "Put"' in problem["message"]
            assert problem["message"].endswith(MODEL_COULD)
        faults = (await http.post("/v1/tasks/check", json={"test": TEST})).json()
        assert (faults["ok"], faults["faults"][0]["for_model"]) == (False, True)


async def test_with_a_model_it_is_accepted_and_once_read_it_needs_none(make_server: MakeServer) -> None:
    server = make_server(model_url="http://127.0.0.1:1/v1", model_name="m")
    ann, bob = server.token_for("ann"), server.token_for("bob")
    async with server.http(ann) as http:
        assert (await http.post("/v1/tasks", json={"id": "shop", "test": TEST})).status_code == 201
        assert (await http.post("/v1/tasks/check", json={"test": TEST})).json()["ok"] is True
        broken = {**TEST, "steps": [PUT, "Click 'x"]}
        problem_of(await http.post("/v1/tasks", json={"id": "other", "test": broken}), 422, "invalid_input")
    server.stop()
    server = make_server(server.data)
    body = {"agent": "browser-test", "input": TEST}
    async with server.http(ann) as mine, server.http(bob) as theirs:
        problem_of(await mine.post("/v1/runs", json=body), 422, "invalid_input")
        key = ("ann", "test Free words\n/samples/shop/index.html", PUT, 1)
        change(server.data, INSERT, *key, 'Click "Add to cart"', "m", 1)
        assert (await mine.post("/v1/runs", json=body)).status_code == 202
        problem_of(await theirs.post("/v1/runs", json=body), 422, "invalid_input")


@EVERY_ISOLATION
async def test_readings_are_replaced_and_each_owner_has_so_many(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentences, "OF_ONE_OWNER", 3)
    server = make_server(agents=PATHS)
    ann, bob = server.token_for("ann"), server.token_for("bob")
    said = [f"Sentence {number}" for number in range(5)]
    async with server.http(ann) as mine, server.http(bob) as theirs:
        for sentence in said:
            await ended(server, await start(mine, "reads", {"keep": {sentence: "Reload"}}), 8)
        await ended(server, await start(theirs, "reads", {"keep": {said[0]: "Go back"}}), 8)
        await ended(server, await start(mine, "reads", {"keep": {said[4]: "Go forward"}}), 8)
        found = await ended(server, await start(mine, "reads", {"find": said}), 8)
        assert found["result"] == [None, None, "Reload", "Reload", "Go forward"]
        found = await ended(server, await start(theirs, "reads", {"find": said}), 8)
        assert found["result"] == ["Go back", None, None, None, None]
    assert len(query(server.data, "SELECT * FROM sentences")) == 4


async def test_an_owner_sees_what_is_kept_page_by_page_and_forgets_it(make_server: MakeServer) -> None:
    server = make_server()
    ann, bob = server.token_for("ann"), server.token_for("bob")
    server.stop()
    for number in range(3):
        change(server.data, INSERT, "ann", "test Free words\n/shop", PUT, number + 1, "Reload", "m", number)
    change(server.data, INSERT, "ann", "task shop", PUT, 1, "Go back", "m", 9)
    server = make_server(server.data)
    async with server.http(ann) as mine, server.http(bob) as theirs:
        first = (await mine.get("/v1/readings", params={"limit": 3})).json()
        rest = (await mine.get("/v1/readings", params={"limit": 3, "before": first["next"]})).json()
        assert [one["created_ms"] for one in (*first["data"], *rest["data"])] == [9, 2, 1, 0]
        assert rest["next"] is None
        (of_task,) = (await mine.get("/v1/readings", params={"task_id": "shop"})).json()["data"]
        assert of_task == first["data"][0]
        assert (of_task["task_id"], of_task["test_name"], of_task["reading"]) == ("shop", None, "Go back")
        other = rest["data"][0]
        facts = [other[name] for name in ("task_id", "test_name", "test_url", "sentence", "occurrence", "model")]
        assert facts == [None, "Free words", "/shop", PUT, 1, "m"]
        path = f"/v1/readings/{other['id']}"
        assert (await mine.get(path)).json() == other
        assert (await theirs.get("/v1/readings")).json() == {"data": [], "next": None}
        for answer in (await theirs.get(path), await theirs.delete(path), await mine.get("/v1/readings/r0")):
            problem_of(answer, 404, "not_found")
        assert (await mine.delete(path)).status_code == 204
        problem_of(await mine.delete(path), 404, "not_found")
        assert len((await mine.get("/v1/readings")).json()["data"]) == 3


async def test_a_saved_test_that_is_deleted_takes_its_readings_with_it(make_server: MakeServer) -> None:
    server = make_server(test_mode=True)
    async with server.http() as http:
        assert (await http.post("/v1/tasks", json={"id": "shop", "test": TEST})).status_code == 201
        owner = query(server.data, "SELECT owner_id FROM saved LIMIT 1")[0]["owner_id"]
    server.stop()
    for scope in ("task shop", "task other"):
        change(server.data, INSERT, owner, scope, PUT, 1, "Reload", "m", 1)
    server = make_server(server.data)
    async with server.http() as http:
        assert (await http.delete("/v1/tasks/shop")).status_code == 204
        assert [one["task_id"] for one in (await http.get("/v1/readings")).json()["data"]] == ["other"]
