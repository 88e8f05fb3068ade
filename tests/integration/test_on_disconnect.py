"""Protocol, section 4: a closed tab never kills a run, unless its starter asked for that."""

from __future__ import annotations

from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.gates import Gate
from tests.support.http import ended, start
from tests.support.sockets import conversing, following, said

HANG = {"steps": [{"text": "begun"}, {"hang": "async"}]}


async def test_a_closed_tab_never_kills_a_run(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(disconnect_cancel_s=0.05)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        await socket.until_said("before")
        socket.drop()
    await eventually_async(lambda: server.services.bridge.followed_runs == 0, "the client is cleaned up at once")
    async with server.http() as http:  # longer than a run with on_disconnect=cancel would live
        watched = await start(http, "scripted", HANG, on_disconnect="cancel")
        assert (await ended(server, watched))["status"] == "CANCELLED"
    assert server.status(run_id) == "RUNNING"
    gate.open()
    assert (await ended(server, run_id))["status"] == "SUCCEEDED"
    assert said(server.entries(run_id)) == ["before", "after"]


async def test_on_disconnect_cancel_ends_a_run_that_nobody_follows(make_server: MakeServer) -> None:
    server = make_server(disconnect_cancel_s=0.1)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=HANG, on_disconnect="cancel"))["run_id"]
        await eventually_async(lambda: len(server.frames(run_id)) == 4, "the agent hangs")
    assert (await ended(server, run_id))["status"] == "CANCELLED"


async def test_on_disconnect_cancel_spares_a_run_that_somebody_follows(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(disconnect_cancel_s=0.15)
    async with conversing(server) as starter:
        options = {"input": {"gate": gate.name}, "on_disconnect": "cancel"}
        run_id = (await starter.ok("run.start", agent="gated", **options))["run_id"]
        async with following(server, run_id, follow=1) as watcher:
            await watcher.until("event")
            starter.drop()
            async with server.http() as http:  # as long as it takes to cancel another one that nobody follows
                other = await start(http, "scripted", HANG, on_disconnect="cancel")
                assert (await ended(server, other))["status"] == "CANCELLED"
            assert server.status(run_id) == "RUNNING"
            gate.open()
            assert (await watcher.to_the_end()).frames[-1]["data"]["status"] == "SUCCEEDED"


async def test_on_disconnect_cancel_outlives_a_restart_while_the_run_waits(make_server: MakeServer) -> None:
    server = make_server(max_running=1, drain_sigterm_s=0.01)
    async with server.http() as http:
        await start(http, "scripted", HANG)
        waiting = await start(http, "scripted", HANG, on_disconnect="cancel")
        keeping = await start(http, "scripted", HANG)
    server.stop()
    again = make_server(server.data, max_running=1, disconnect_cancel_s=0.1)
    assert (await ended(again, waiting))["status"] == "CANCELLED"
    async with again.http() as http:
        await http.post(f"/v1/runs/{keeping}/cancel")
    assert (await ended(again, keeping, within_s=8))["status"] == "CANCELLED"
