"""Mission A4: users share no engine, emitter, agent instance or event; the end of one's run touches no other's."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from runwire.engine.user_engine import UserExecutionContext
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate, new_gate
from tests.support.isolation import EVERY_ISOLATION
from tests.support.sockets import Socket, conversing, following, log_of, said

pytestmark = EVERY_ISOLATION


def test_a4_engines_and_emitters_are_never_shared(server: EmbeddedServer) -> None:
    factory = server.services.engines
    ann = factory.create_for_user(UserExecutionContext("ann", "t1", "run00001"))
    bob = factory.create_for_user(UserExecutionContext("bob", "t2", "run00002"))
    again = factory.create_for_user(UserExecutionContext("ann", "t1", "run00001"))
    assert len({id(engine) for engine in (ann, bob, again)}) == 3
    assert len({id(engine.emitter) for engine in (ann, bob, again)}) == 3


async def test_a4_every_run_has_an_agent_instance_of_its_own(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        for _ in range(3):
            run_id = (await socket.ok("run.start", agent="Instance"))["run_id"]
            await socket.until("end", run_id=run_id)
            assert log_of(socket.frames, run_id)[-1]["data"]["result"] == {"runs": [run_id]}


async def test_a4_a_thread_never_works_for_two_users(server: EmbeddedServer) -> None:
    """``threading.local`` outlives a run: a runner kept warm must see runs of one user only."""
    for _ in range(3):
        for user in ("ann", "bob"):
            async with conversing(server, token=server.token_for(user)) as socket:
                run_id = (await socket.ok("run.start", agent="facts"))["run_id"]
                await socket.until("end", run_id=run_id)
                assert set(log_of(socket.frames)[-1]["data"]["result"]["users_of_thread"]) == {user}


async def test_a4_events_reach_their_owner_alone(server: EmbeddedServer, gate: Gate) -> None:
    async with (
        conversing(server, token=server.token_for("ann")) as ann,
        conversing(server, token=server.token_for("bob")) as bob,
    ):
        ours = await ann.ok("run.start", agent="gated", input={"gate": gate.name})
        theirs = await bob.ok("run.start", agent="gated", input={"gate": gate.name})
        await asyncio.gather(*(socket.until_said("before") for socket in (ann, bob)))
        gate.open()
        await asyncio.gather(*(socket.until("end") for socket in (ann, bob)))
        for socket, run, user in ((ann, ours, "ann"), (bob, theirs, "bob")):
            entries = log_of(socket.frames)
            assert {entry["run_id"] for entry in entries} == {run["run_id"]}
            assert {e["data"]["value"] for e in entries if e["type"] == "event"} == {user}


async def test_a4_a_foreign_run_is_absent_at_every_door(server: EmbeddedServer, gate: Gate) -> None:
    async with conversing(server, token=server.token_for("ann")) as ann:
        run_id = (await ann.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        bob_token = server.token_for("somebody-new")
        async with server.http(bob_token) as http:
            foreign = [
                await http.get(f"/v1/runs/{run_id}"),
                await http.get(f"/v1/runs/{run_id}/events"),
                await http.post(f"/v1/runs/{run_id}/cancel"),
                await http.get(f"/v1/runs/{run_id}/artifacts"),
            ]
            absent = await http.get("/v1/runs/" + "z" * 24)
            assert (await http.get("/v1/runs")).json()["data"] == []
        for answer in foreign:
            assert answer.status_code == 404
            assert answer.text.replace(run_id, "z" * 24) == absent.text
        with pytest.raises(InvalidStatus) as refused:
            async with following(server, run_id, token=bob_token):
                pass
        assert refused.value.response.status_code == 404
        async with conversing(server, token=bob_token) as bob:
            for op in ("run.follow", "run.cancel"):
                assert (await bob.refused(op, run_id=run_id))["code"] == "not_found"
        gate.open()
        await ann.until("end", run_id=run_id, code=1000)
        assert said(log_of(ann.frames)) == ["before", "after"]


async def _begin(socket: Socket, gate: Gate) -> str:
    run_id: str = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
    await socket.until_said("before")
    return run_id


async def test_a4_the_end_of_one_users_run_touches_no_other(server: EmbeddedServer, gate: Gate) -> None:
    with new_gate() as never:
        async with (
            conversing(server, token=server.token_for("ann")) as ann,
            conversing(server, token=server.token_for("bob")) as bob,
        ):
            cancelled, goes_on = await _begin(ann, never), await _begin(bob, gate)
            await ann.ok("run.cancel", run_id=cancelled)
            await ann.until_end(cancelled)
            assert server.status(goes_on) == "RUNNING"
            gate.open()
            await bob.until("end", run_id=goes_on)
            assert log_of(bob.frames)[-1]["data"]["status"] == "SUCCEEDED"
            assert server.status(cancelled) == "CANCELLED"
