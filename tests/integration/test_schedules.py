"""Schedules: each firing exactly one run, over restarts too; what was missed; overlaps; each user's own alone."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from runwire.protocol.schedules import firing_run_id
from tests.conftest import MakeServer
from tests.support.database import change, query
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of

NEVER_NOW = "0 0 1 1 *"


def wanted(name: str = "mine", **more: Any) -> dict[str, Any]:
    """Return a schedule that does not fire by itself while a test runs."""
    return {"name": name, "cron": NEVER_NOW, "run": {"agent": "echo", "input": "x"}, **more}


async def add(http: httpx.AsyncClient, name: str = "mine", **more: Any) -> dict[str, Any]:
    """Add a schedule and return it."""
    answer = await http.post("/v1/schedules", json=wanted(name, **more))
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


async def make_due(server: EmbeddedServer, http: httpx.AsyncClient, schedule: dict[str, Any], ago_s: float = 0) -> int:
    """Let a schedule be due since ``ago_s`` seconds, as if its time had come, and wake whoever fires."""
    due_ms = int((time.time() - ago_s) * 1000)
    change(server.data, "UPDATE schedules SET next_ms = ? WHERE id = ?", due_ms, schedule["id"])
    await http.delete(f"/v1/schedules/{(await add(http, f'waker{due_ms}'))['id']}")
    return due_ms


def runs_of(server: EmbeddedServer) -> list[str]:
    """Return the ids of all runs."""
    return [row["id"] for row in query(server.data, "SELECT id FROM runs ORDER BY created_ms")]


async def settled(server: EmbeddedServer, schedule: dict[str, Any], due_ms: int) -> dict[str, Any]:
    """Wait until a firing is noted and return the schedule's row."""
    row: list[dict[str, Any]] = []

    def noted() -> bool:
        row[:] = query(server.data, "SELECT * FROM schedules WHERE id = ?", schedule["id"])
        return bool(row) and row[0]["last_ms"] == due_ms

    await eventually_async(noted, "the firing is noted")
    return row[0]


async def test_a_firing_is_an_ordinary_run_with_an_id_of_its_own(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        run = {"agent": "echo", "input": "hi", "thread_id": "daily"}
        schedule = await add(http, time_zone="Europe/Berlin", run=run)
        assert len(schedule["next_runs_ms"]) == 5
        assert schedule["next_runs_ms"][0] == schedule["next_ms"]
        due_ms = await make_due(server, http, schedule)
        row = await settled(server, schedule, due_ms)
        assert runs_of(server) == [firing_run_id(schedule["id"], due_ms)]
        assert (row["last_run_id"], row["last_error"]) == (runs_of(server)[0], None)
        assert row["next_ms"] == schedule["next_ms"]
        await ended(server, row["last_run_id"])
        assert (await http.get("/v1/threads/daily")).json()["runs"] == 1


async def test_a_firing_whose_note_was_lost_is_the_same_run(make_server: MakeServer) -> None:
    """Killed between the run's start and the note of it: what is due is fired again, and is the run that exists."""
    server = make_server()
    async with server.http() as http:
        schedule = await add(http)
        due_ms = await make_due(server, http, schedule)
        await settled(server, schedule, due_ms)
    server.stop()
    change(server.data, "UPDATE schedules SET next_ms = ?, last_ms = NULL, last_run_id = NULL", due_ms)
    again = make_server(server.data)
    row = await settled(again, schedule, due_ms)
    assert row["last_run_id"] == firing_run_id(schedule["id"], due_ms)
    assert len(runs_of(again)) == 1


@pytest.mark.parametrize(("missed", "runs"), [("skip", 0), ("once", 1)])
async def test_what_was_missed_while_no_server_ran(make_server: MakeServer, missed: str, runs: int) -> None:
    """An hour of a schedule that fires each minute: nothing, or one run for all of it."""
    server = make_server()
    async with server.http() as http:
        schedule = await add(http, cron="* * * * *", missed=missed)
    server.stop()
    due_ms = int(time.time() * 1000) - 3_600_000
    change(server.data, "UPDATE schedules SET next_ms = ?", due_ms)
    again = make_server(server.data)
    row = await settled(again, schedule, due_ms)
    assert len(runs_of(again)) == runs
    assert (row["last_error"] is None) == (missed == "once")
    assert row["next_ms"] > time.time() * 1000 - 1_000


@pytest.mark.parametrize("overlap", ["skip", "allow", "cancel"])
async def test_a_firing_while_the_last_run_lives(make_server: MakeServer, gate: Gate, overlap: str) -> None:
    server = make_server()
    run = {"agent": "gated", "input": {"gate": gate.name}}
    async with server.http() as http:
        schedule = await add(http, run=run, overlap=overlap)
        first = (await settled(server, schedule, await make_due(server, http, schedule, 2)))["last_run_id"]
        await eventually_async(lambda: server.status(first) == "RUNNING", "the first runs")
        second = await settled(server, schedule, await make_due(server, http, schedule))
        if overlap == "skip":
            assert runs_of(server) == [first]
            assert first in second["last_error"]
        else:
            assert len(runs_of(server)) == 2
            assert second["last_run_id"] != first
        if overlap == "cancel":
            assert (await ended(server, first))["status"] == "CANCELLED"
        gate.open()
        for run_id in runs_of(server):
            await ended(server, run_id)


async def test_a_paused_schedule_does_not_fire_and_goes_on_with_the_next(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        schedule = await add(http)
        address = f"/v1/schedules/{schedule['id']}"
        paused = (await http.patch(address, json={"paused": True})).json()
        assert (paused["paused"], paused["next_ms"], paused["next_runs_ms"]) == (True, None, [])
        resumed = (await http.patch(address, json={"paused": False})).json()
        assert (resumed["paused"], resumed["next_ms"]) == (False, schedule["next_ms"])
        assert (await http.delete(address)).status_code == 204
        problem_of(await http.get(address), 404, "not_found")
        assert runs_of(server) == []


async def test_a_start_that_is_refused_is_told_and_the_next_firing_comes(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        schedule = await add(http, run={"agent": "echo", "input": {"text": "x", "file": {"file_id": "gone"}}})
        row = await settled(server, schedule, await make_due(server, http, schedule))
    assert runs_of(server) == []
    assert row["last_error"].startswith("invalid_input: input: you have no file gone")
    assert row["next_ms"] == schedule["next_ms"]


BAD = [
    {"cron": "0 0 30 2 *"},
    {"cron": "* * * * * *"},
    {"time_zone": "Middle/Earth"},
    {"run": {"agent": "nobody"}},
    {"run": {"agent": "echo", "run_id": "chosen0001"}},
    {"run": {"agent": "scripted", "input": {"steps": [{"dance": 1}]}}},
    {"missed": "twice"},
    {"name": "a b"},
    {"more": 1},
]


@pytest.mark.parametrize("change_of", BAD)
async def test_what_is_no_schedule_is_refused(server: EmbeddedServer, change_of: dict[str, Any]) -> None:
    async with server.http(server.token_for("dora")) as http:
        problem_of(await http.post("/v1/schedules", json={**wanted(), **change_of}), 422, "invalid_input")
        assert (await http.get("/v1/schedules")).json()["data"] == []


async def test_names_and_counts_have_limits(make_server: MakeServer) -> None:
    server = make_server(user_schedules=2)
    async with server.http() as http:
        await add(http, "one")
        problem_of(await http.post("/v1/schedules", json=wanted("one")), 409, "conflict")
        await add(http, "two")
        problem_of(await http.post("/v1/schedules", json=wanted("three")), 409, "conflict")


async def test_users_never_see_each_others_schedules(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        schedule = await add(ann)
        address = f"/v1/schedules/{schedule['id']}"
        assert (await bob.get("/v1/schedules")).json()["data"] == []
        problem_of(await bob.get(address), 404, "not_found")
        problem_of(await bob.patch(address, json={"paused": True}), 404, "not_found")
        problem_of(await bob.delete(address), 404, "not_found")
        row = await settled(server, schedule, await make_due(server, ann, schedule))
        problem_of(await bob.get(f"/v1/runs/{row['last_run_id']}"), 404, "not_found")
        assert (await ann.get(f"/v1/runs/{row['last_run_id']}")).status_code == 200
