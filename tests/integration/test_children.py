"""Parent and child runs: started, waited for, cancelled together; no pool of slots deadlocks."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import MakeServer
from tests.support import family_agents, people_agents
from tests.support.database import query
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start
from tests.support.people import waiting
from tests.support.sockets import said, statuses

PARENTS = ["parent", "parent-plain", "parent-apart"]


@pytest.fixture
def server(make_server: MakeServer) -> EmbeddedServer:
    """A server with the agents of this suite."""
    return make_server(agents=family_agents.PATHS, cancel_grace_s=2.0)


async def _children(server: EmbeddedServer, run_id: str) -> list[str]:
    await eventually_async(lambda: "started" in said(server.entries(run_id)), "it has started its children")
    started = next(e["data"] for e in server.entries(run_id) if e["data"].get("name") == "started")
    ids: list[str] = started["value"]
    return ids


@pytest.mark.parametrize("agent", PARENTS)
async def test_a_parent_gets_its_childrens_results(server: EmbeddedServer, agent: str) -> None:
    async with server.http() as http:
        run_id = await start(http, agent, {"agent": "leaf", "input": {"x": 1}, "count": 3}, thread_id="family")
        assert (await ended(server, run_id))["result"] == [{"x": 1}] * 3
        children = await _children(server, run_id)
        listed = (await http.get("/v1/runs", params={"parent_id": run_id})).json()["data"]
        other = (await http.get("/v1/runs", params={"parent_id": children[0]})).json()["data"]
    assert sorted(run["id"] for run in listed) == sorted(children)
    assert {(run["parent_id"], run["thread_id"]) for run in listed} == {(run_id, "family")}
    assert other == []


async def test_children_belong_to_their_parents_owner(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("ann")) as ann, server.http() as admin:
        run_id = await start(ann, "parent", {"agent": "leaf", "input": 1})
        await ended(server, run_id)
        (child,) = await _children(server, run_id)
        assert (await ann.get(f"/v1/runs/{child}")).json()["parent_id"] == run_id
        problem_of(await admin.get(f"/v1/runs/{child}"), 404, "not_found")


@pytest.mark.parametrize("agent", PARENTS)
async def test_a_child_that_failed_fails_its_parent_with_the_reason(server: EmbeddedServer, agent: str) -> None:
    async with server.http() as http:
        failing = {"agent": "leaf", "input": {"fail": "no leaf"}}
        end = await ended(server, await start(http, agent, failing))
        caught = await ended(server, await start(http, agent, {**failing, "catch": True}))
    assert (end["status"], end["error"]["code"], end["error"]["retryable"]) == ("FAILED", "child_failed", True)
    assert "leaf_error: no leaf" in end["error"]["message"]
    assert caught["result"] == [["FAILED", "leaf_error"]]


async def test_the_error_tells_the_outcome(server: EmbeddedServer) -> None:
    async with server.http() as http:
        result = (await ended(server, await start(http, "told")))["result"]
    assert result.startswith("FAILED the run ")
    assert result.endswith("of 'leaf' is FAILED: leaf_error: no leaf True")


@pytest.mark.parametrize("agent", ["parent", "parent-plain"])
async def test_parents_that_hold_every_slot_do_not_deadlock(make_server: MakeServer, agent: str) -> None:
    """Two slots, six parents with three children each: a child is executed on the slot of a parent that waits."""
    server = make_server(agents=family_agents.PATHS, max_running=2)
    async with server.http() as http:
        family = {"agent": "leaf", "input": 1, "count": 3}
        runs = await asyncio.gather(*(start(http, agent, family) for _ in range(6)))
        for run_id in runs:
            assert (await ended(server, run_id, within_s=8))["result"] == [1, 1, 1]
        queue = (await http.get("/v1/queue")).json()
    assert (queue["queued"], queue["running"], queue["waiting"]) == (0, 0, 0), "every slot was given back"


async def test_a_chain_of_parents_on_one_slot_comes_to_its_end(make_server: MakeServer) -> None:
    server = make_server(agents=family_agents.PATHS, max_running=1, child_depth=5)
    async with server.http() as http:
        assert (await ended(server, await start(http, "nests", 5), within_s=5))["result"] == 5
        queue = (await http.get("/v1/queue")).json()
        assert (queue["queued"], queue["running"], queue["waiting"]) == (0, 0, 0)
        too_deep = await ended(server, await start(http, "nests", 6), within_s=5)
    assert (too_deep["status"], too_deep["error"]["code"]) == ("FAILED", "child_failed")
    assert "at most 5 deep" in too_deep["error"]["message"]


async def test_children_are_executed_although_their_user_and_agent_are_at_their_limits(make_server: MakeServer) -> None:
    server = make_server(agents=family_agents.PATHS, max_running=4, running_per_user=1)
    async with server.http() as http:
        end = await ended(server, await start(http, "parent", {"agent": "leaf", "input": 1, "count": 3}), within_s=5)
    assert end["result"] == [1, 1, 1]


@pytest.mark.parametrize("agent", PARENTS)
async def test_a_cancelled_parent_takes_its_children_with_it(make_server: MakeServer, agent: str) -> None:
    """On one slot: one child waits for a grandchild that hangs, the other child still waits for its turn."""
    server = make_server(agents=family_agents.PATHS, max_running=1, cancel_grace_s=2.0)
    async with server.http() as http:
        nested = {"agent": "parent", "input": {"agent": "hangs", "input": None}, "count": 2}
        run_id = await start(http, agent, nested)
        children = await _children(server, run_id)

        def hanging() -> bool:
            rows = query(server.data, "SELECT id FROM runs WHERE agent = 'hangs' AND status = 'RUNNING'")
            return any("hanging" in said(server.entries(row["id"])) for row in rows)

        await eventually_async(hanging, "a grandchild hangs", within_s=6)
        assert sorted(server.status(child) for child in children) == ["QUEUED", "RUNNING"]
        await http.post(f"/v1/runs/{run_id}/cancel")
        assert (await ended(server, run_id, within_s=6))["status"] == "CANCELLED"
        for child in children:
            end = await ended(server, child, within_s=6)
            assert (end["status"], end["reason"]) == ("CANCELLED", "parent")
        for row in query(server.data, "SELECT id FROM runs WHERE agent = 'hangs'"):
            assert (await ended(server, row["id"], within_s=6))["status"] == "CANCELLED"
        queue = (await http.get("/v1/queue")).json()
    assert (queue["queued"], queue["running"], queue["waiting"]) == (0, 0, 0)


async def test_the_children_of_a_failed_parent_are_cancelled(server: EmbeddedServer) -> None:
    async with server.http() as http:
        family = {"agent": "hangs", "input": None, "count": 2}
        run_id = await start(http, "parent", family, timeout_s=0.5)
        assert (await ended(server, run_id))["error"]["code"] == "timeout"
        for child in await _children(server, run_id):
            assert (await ended(server, child))["reason"] == "parent"


async def test_a_parent_that_succeeds_without_waiting_leaves_its_children_alone(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "parent", {"agent": "hangs", "input": None, "leave": True})
        assert (await ended(server, run_id))["result"] == "gone"
        (child,) = await _children(server, run_id)
        await eventually_async(lambda: "hanging" in said(server.entries(child)), "the child runs")
        await http.post(f"/v1/runs/{child}/cancel")
        assert (await ended(server, child))["reason"] == "requested"


async def test_a_child_that_is_waited_for_no_longer_counts_for_itself(make_server: MakeServer) -> None:
    server = make_server(agents=family_agents.PATHS, max_running=1)
    async with server.http() as http:
        run_id = await start(http, "first-of-two")
        assert (await ended(server, run_id))["result"] == "quick"
        (slow,) = query(server.data, "SELECT id FROM runs WHERE agent = 'hangs' AND status = 'RUNNING'")
        behind = await start(http, "leaf", 1)
        queue = (await http.get("/v1/queue")).json()
        assert (queue["queued"], queue["running"]) == (1, 1), "the slow child has the only slot now"
        await http.post(f"/v1/runs/{slow['id']}/cancel")
        assert (await ended(server, behind))["result"] == 1
        queue = (await http.get("/v1/queue")).json()
    assert (queue["queued"], queue["running"], queue["waiting"]) == (0, 0, 0)


async def test_a_key_names_the_same_child_in_every_attempt(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "keyed")
        end = await ended(server, run_id)
        listed = (await http.get("/v1/runs", params={"parent_id": run_id})).json()["data"]
    assert end["attempt"] == 2
    assert [run["id"] for run in listed] == [end["result"]["child"]]
    assert end["result"]["result"] == "once"


async def test_a_run_starts_so_many_and_no_more(make_server: MakeServer) -> None:
    server = make_server(agents=family_agents.PATHS, children_per_run=3)
    async with server.http() as http:
        assert (await ended(server, await start(http, "breeds", 3)))["result"] == {"started": 3}
        refused = (await ended(server, await start(http, "breeds", 9)))["result"]
    assert refused == {"started": 3, "limit": "children_per_run"}


async def test_a_child_that_could_not_be_started_is_the_agents_error(server: EmbeddedServer) -> None:
    async with server.http() as http:
        end = await ended(server, await start(http, "parent", {"agent": "nobody", "input": 1}))
        assert (await http.get("/v1/runs")).json()["data"][0]["agent"] == "parent"
    assert (end["status"], end["error"]["code"]) == ("FAILED", "invalid_input")
    assert "nobody" in end["error"]["message"]


async def test_the_scripted_agent_starts_children(server: EmbeddedServer) -> None:
    steps = [{"child": {"agent": "leaf", "input": 1}}, {"child": {"agent": "leaf", "input": {"fail": "no"}}}]
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": steps})
        end = await ended(server, run_id)
        listed = (await http.get("/v1/runs", params={"parent_id": run_id})).json()["data"]
    assert end["error"]["code"] == "child_failed"
    assert sorted(run["status"] for run in listed) == ["FAILED", "SUCCEEDED"]


async def test_waiting_for_a_child_is_not_silence(server: EmbeddedServer) -> None:
    async with server.http() as http:
        sleeps = {"agent": "scripted", "input": {"steps": [{"sleep_s": 0.8}]}}
        run_id = await start(http, "parent", sleeps, limits={"idle_timeout_s": 0.3})
        assert (await ended(server, run_id))["status"] == "SUCCEEDED"
    assert statuses(server.entries(run_id)) == ["QUEUED", "RUNNING", "SUCCEEDED"]


async def test_a_child_on_its_parents_slot_that_gave_it_back_for_a_person_gets_it_again(
    make_server: MakeServer,
) -> None:
    """On one slot, which the parent holds: nobody else could ever give the child its slot."""
    paths = (*family_agents.PATHS, *people_agents.PATHS)
    server = make_server(agents=paths, max_running=1)
    async with server.http() as http:
        parent = await start(http, "parent", {"agent": "asks-releasing", "input": {"timeout_s": 60}})
        (child,) = await _children(server, parent)
        (request_id,) = await waiting(server, child)
        answer = {"request_id": request_id, "payload": "yes"}
        assert (await http.post(f"/v1/runs/{child}/respond", json=answer)).status_code == 200
        assert (await ended(server, parent, within_s=5))["result"][0]["answer"] == "yes"
        queue = (await http.get("/v1/queue")).json()
    assert (queue["queued"], queue["running"], queue["waiting"]) == (0, 0, 0)
