"""Mission B6: cancel is valid at any moment and means stopped (protocol, section 4, ``run.cancel``)."""

from __future__ import annotations

import asyncio

from tests.conftest import MakeServer
from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.sockets import conversing, statuses

pytestmark = EVERY_ISOLATION

HANG = {"steps": [{"text": "begun"}, {"hang": "async"}]}
GRACE_S = 0.3


async def test_b6_cancel_while_running(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=HANG))["run_id"]
        await eventually_async(lambda: len(server.frames(run_id)) == 4, "the agent hangs")
        result = await socket.ok("run.cancel", run_id=run_id)
        assert result == {"run_id": run_id, "status": "RUNNING", "cancel": "requested"}
        assert (await socket.until_end(run_id))["code"] == 1000
    entries = server.entries(run_id)
    assert_log_is_whole(entries)
    assert statuses(entries) == ["QUEUED", "RUNNING", "CANCELLED"]
    assert entries[-1]["data"]["reason"] == "requested"
    assert entries[-2]["data"]["type"] == "TEXT_MESSAGE_END", "what was open is closed"


async def test_f4_cancel_right_behind_the_start_on_the_same_socket_finds_it(server: EmbeddedServer) -> None:
    for number in range(20):
        run_id = f"cancelledatonce{number:03}"
        async with conversing(server) as socket:
            start_it = {"id": 1, "op": "run.start", "agent": "scripted", "input": HANG, "run_id": run_id}
            await socket.send(start_it)
            await socket.send({"id": 2, "op": "run.cancel", "run_id": run_id})
            reply = await socket.until("reply", id=2)
            assert (reply["ok"], reply["result"]["cancel"]) == (True, "requested")
            assert (await socket.until_end(run_id))["code"] == 1000
        assert statuses(server.entries(run_id))[-1] == "CANCELLED"
        assert_log_is_whole(server.entries(run_id))


async def test_a_cancel_before_its_start_finds_nothing_and_leaves_nothing(server: EmbeddedServer) -> None:
    """Another socket was quicker than the start: it is told so, and may ask again once the run is there."""
    run_id = "cancelledtooearly"
    async with conversing(server) as early, conversing(server) as socket:
        assert (await early.refused("run.cancel", run_id=run_id))["code"] == "not_found"
        await socket.ok("run.start", agent="scripted", input=HANG, run_id=run_id)
        await eventually_async(lambda: len(server.frames(run_id)) == 4, "the agent hangs")
        assert (await early.ok("run.cancel", run_id=run_id))["cancel"] == "requested"
        assert (await socket.until_end(run_id))["code"] == 1000
    assert statuses(server.entries(run_id))[-1] == "CANCELLED"


async def test_b6_cancel_while_queued_never_runs_it(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with conversing(server) as socket:
        await socket.ok("run.start", agent="gated", input={"gate": gate.name})
        waiting = (await socket.ok("run.start", agent="facts"))["run_id"]
        assert (await socket.ok("run.cancel", run_id=waiting))["status"] == "CANCELLED"
        assert (await socket.until_end(waiting))["code"] == 1000
        gate.open()
    entries = server.entries(waiting)
    assert statuses(entries) == ["QUEUED", "CANCELLED"]
    assert entries[-1]["data"]["reason"] == "requested"


async def test_cancel_of_an_ended_run_changes_nothing(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="echo", input="x"))["run_id"]
        await socket.until("end")
        stored = server.frames(run_id)
        assert (await socket.ok("run.cancel", run_id=run_id))["status"] == "SUCCEEDED"
    assert server.frames(run_id) == stored


async def test_cancelling_twice_at_once_is_one_cancel(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "scripted", HANG)
        answers = await asyncio.gather(*(http.post(f"/v1/runs/{run_id}/cancel") for _ in range(10)))
        assert {answer.status_code for answer in answers} == {202}
        await ended(server, run_id)
    assert statuses(server.entries(run_id))[-1] == "CANCELLED"
    assert_log_is_whole(server.entries(run_id))


async def test_the_wish_is_stored_before_the_answer(server: EmbeddedServer, gate: Gate) -> None:
    """Code that never looks up cannot stop; the wish is in the database all the same, for whoever recovers the run."""
    async with server.http() as http:
        run_id = await start(http, "blocked", {"gate": gate.name})
        assert await asyncio.to_thread(gate.arrived.wait, 2)
        assert (await http.post(f"/v1/runs/{run_id}/cancel")).status_code == 202
        view = (await http.get(f"/v1/runs/{run_id}")).json()
        assert (view["status"], view["cancel_requested"]) == ("RUNNING", True)
        gate.open()
        assert (await ended(server, run_id))["status"] == "CANCELLED"
