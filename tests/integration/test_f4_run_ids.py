"""Protocol, L7: the run id is the idempotency key and the only name of a run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.database import query
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.sockets import statuses

pytestmark = EVERY_ISOLATION

BODY: dict[str, Any] = {"agent": "echo", "input": {"a": 1, "b": [2]}, "priority": "high", "thread_id": "t"}


@pytest.mark.parametrize("by", ["body", "header"])
async def test_f4_the_same_id_owner_and_body_are_the_same_run(server: EmbeddedServer, by: str) -> None:
    run_id = f"idempotent0by0{by}"
    body = {**BODY, "run_id": run_id} if by == "body" else BODY
    headers = {"Idempotency-Key": run_id} if by == "header" else {}
    async with server.http() as http:
        first = await http.post("/v1/runs", json=body, headers=headers)
        assert (first.status_code, first.json()["id"]) == (202, run_id)
        await ended(server, run_id)
        again = await http.post("/v1/runs", json=body, headers=headers)
    assert again.status_code == 200
    assert (again.json()["id"], again.json()["status"]) == (run_id, "SUCCEEDED")
    assert statuses(server.entries(run_id)) == ["QUEUED", "RUNNING", "SUCCEEDED"], "it ran once"


async def test_f4_a_hundred_starts_at_once_are_one_run(server: EmbeddedServer) -> None:
    body = {**BODY, "run_id": "startedahundredtimes"}
    async with server.http() as http:
        answers = await asyncio.gather(*(http.post("/v1/runs", json=body) for _ in range(100)))
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [202]
    await ended(server, "startedahundredtimes")
    assert statuses(server.entries("startedahundredtimes")) == ["QUEUED", "RUNNING", "SUCCEEDED"]


@pytest.mark.parametrize(
    "other",
    [
        {"agent": "facts"},
        {"input": {"a": 1, "b": [3]}},
        {"input": None},
        {"priority": "low"},
        {"thread_id": "u"},
        {"timeout_s": 5},
        {"on_disconnect": "cancel"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_f4_the_same_id_with_another_body_is_409(server: EmbeddedServer, other: dict[str, Any]) -> None:
    async with server.http() as http:
        run_id = await start(http, **BODY)
        first = {**BODY, "run_id": "taken" + run_id}
        assert (await http.post("/v1/runs", json=first)).status_code == 202
        before = await ended(server, first["run_id"])
        body = problem_of(await http.post("/v1/runs", json={**first, **other}), 409, "run_id_taken")
        assert body["details"] == {"run_id": first["run_id"]}
        assert server.entries(first["run_id"])[-1]["data"] == before, "the first run is as it was"


async def test_the_same_id_and_body_of_another_owner_is_409_and_tells_nothing(server: EmbeddedServer) -> None:
    body = {**BODY, "run_id": "somebodyelsesrun"}
    del body["thread_id"]
    async with server.http() as ours, server.http(server.token_for("stranger")) as theirs:
        assert (await ours.post("/v1/runs", json=body)).status_code == 202
        told = problem_of(await theirs.post("/v1/runs", json=body), 409, "run_id_taken")
        problem_of(await theirs.get("/v1/runs/somebodyelsesrun"), 404, "not_found")
    assert told["details"] == {"run_id": "somebodyelsesrun"}
    await ended(server, "somebodyelsesrun")


async def test_a_foreign_thread_is_absent(server: EmbeddedServer) -> None:
    async with server.http() as ours, server.http(server.token_for("stranger")) as theirs:
        await ended(server, await start(ours, "echo", thread_id="ourthread"))
        answer = await theirs.post("/v1/runs", json={"agent": "echo", "thread_id": "ourthread"})
        problem_of(answer, 404, "not_found")
        assert (await theirs.get("/v1/runs", params={"thread_id": "ourthread"})).json()["data"] == []


@pytest.mark.parametrize(
    "run_id",
    ["short12", "a" * 65, "UPPERCASE1", "with-dash1", "with space", "ümlaut0000", "../../etc", "line0break\n", ""],
)
async def test_an_id_that_is_none_is_422_by_either_way(server: EmbeddedServer, run_id: str) -> None:
    async with server.http() as http:
        problem_of(await http.post("/v1/runs", json={"agent": "echo", "run_id": run_id}), 422, "invalid_input")
        if run_id.isascii() and "\n" not in run_id:
            headers = {"Idempotency-Key": run_id}
            problem_of(await http.post("/v1/runs", json={"agent": "echo"}, headers=headers), 422, "invalid_input")
    assert query(server.data, "SELECT id FROM runs WHERE id = ?", run_id) == []


async def test_two_different_ids_in_one_request_are_422(server: EmbeddedServer) -> None:
    async with server.http() as http:
        headers = {"Idempotency-Key": "oneofthetwoids"}
        body = {"agent": "echo", "run_id": "theotherofthem"}
        told = problem_of(await http.post("/v1/runs", json=body, headers=headers), 422, "invalid_input")
    assert "Idempotency-Key" in told["detail"]


async def test_an_id_of_the_server_is_a_cuid2_and_known_everywhere(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "facts")
        result = (await ended(server, run_id))["result"]
    assert (len(run_id), run_id.isalnum(), run_id[0].isalpha()) == (24, True, True)
    assert result["run_id"] == run_id
    assert {entry["run_id"] for entry in server.entries(run_id)} == {run_id}
    assert query(server.data, "SELECT id FROM runs WHERE id = ?", run_id) == [{"id": run_id}]
