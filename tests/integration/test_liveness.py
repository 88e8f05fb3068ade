"""Protocol, section 3, S6 and S7: idle sockets end, quiet ones give a sign of life."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed

from runwire.web.connection import ANSWER_BACKLOG_BYTES
from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.gates import Gate
from tests.support.http import start
from tests.support.raw import CLOSE, PING, TEXT, raw_peer
from tests.support.sockets import conversing, following, opened

IDLE_S = 0.25
BEAT_S = 0.05


async def test_s6_idle_closes_1001_and_the_log_can_be_resumed(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(idle_timeout_s=IDLE_S, heartbeat_s=BEAT_S)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        async with following(server, run_id) as follower:
            idle = await follower.to_the_end()
        assert (idle.code, idle.reason) == (1001, "idle; resume with after")
        entries = [frame for frame in idle.frames if "seq" in frame]
        assert server.status(run_id) == "RUNNING", "the log is untouched"
        gate.open()
        async with following(server, run_id, after=len(entries), epoch=idle.frames[0]["epoch"]) as follower:
            rest = await follower.to_the_end()
    assert rest.frames[0]["resumed"] is True
    assert rest.code == 1000
    stored = server.entries(run_id)
    assert entries + [frame for frame in rest.frames if "seq" in frame] == stored


async def test_s6_heartbeats_and_pings_are_no_activity(make_server: MakeServer, gate: Gate) -> None:
    """The peer pings all the time and hears heartbeats all the time; neither keeps the socket."""
    server = make_server(idle_timeout_s=IDLE_S, heartbeat_s=BEAT_S)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        async with raw_peer(server.origin) as peer:
            status, _ = await peer.upgrade(f"/ws/runs/{run_id}", Authorization=f"Bearer {server.token}")
            assert status == 101
            heartbeats = 0
            while True:
                peer.send_frame(PING, b"still here")
                opcode, payload = await peer.read_frame()
                heartbeats += opcode == TEXT and json.loads(payload)["type"] == "heartbeat"
                if opcode == CLOSE:
                    break
                await asyncio.sleep(0.01)  # the pace of a pinging client, not a wait for something
        assert int.from_bytes(payload[:2], "big") == 1001
        assert heartbeats >= 2


async def test_s6_a_message_is_activity(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(idle_timeout_s=IDLE_S)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        async with following(server, run_id) as follower:
            begun = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() < begun + 2 * IDLE_S:
                await follower.send({"op": "ping"})
                await follower.until("pong")
                await asyncio.sleep(IDLE_S / 10)  # the pace of the pings
            assert (await follower.to_the_end()).code == 1001


async def test_s6_with_follow_a_living_run_is_never_idle(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(idle_timeout_s=0.05, heartbeat_s=BEAT_S)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        async with following(server, run_id, follow=1) as follower:
            for _ in range(6):  # six times longer than idle allows
                await follower.until("heartbeat")
            gate.open()
            assert (await follower.to_the_end()).code == 1000


async def test_s7_heartbeats_name_the_last_seq_and_carry_none(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(heartbeat_s=BEAT_S)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        await socket.until_said("before")
        async with following(server, run_id, follow=1) as follower:
            beat = await follower.until("heartbeat")
    assert set(beat) == {"type", "run_id", "last_seq", "ts_ms"}
    assert (beat["run_id"], beat["last_seq"]) == (run_id, len(server.frames(run_id)))


async def test_a_command_socket_that_follows_nothing_is_idle_in_the_end(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(command_idle_timeout_s=IDLE_S, heartbeat_s=BEAT_S)
    async with conversing(server) as socket:
        ending = await socket.to_the_end()
    assert ending.code == 1001
    assert {frame["type"] for frame in ending.frames[1:]} == {"heartbeat"}
    assert all(set(frame) == {"type", "ts_ms"} for frame in ending.frames[1:])
    async with conversing(server) as socket:
        await socket.ok("run.start", agent="gated", input={"gate": gate.name})
        for _ in range(7):  # longer than idle allows
            await socket.until("heartbeat")
        gate.open()
        await socket.until("end")
        assert (await socket.to_the_end()).code == 1001, "the follow is over: the socket is idle again"


async def test_s7_a_command_socket_hears_a_heartbeat_of_each_followed_run(make_server: MakeServer) -> None:
    server = make_server(heartbeat_s=BEAT_S)
    async with server.http() as http, conversing(server) as socket:
        bare = await socket.until("heartbeat")
        assert set(bare) == {"type", "ts_ms"}
        runs = [await start(http, "scripted", {"steps": [{"text": "a"}, {"hang": "async"}]}) for _ in range(2)]
        for run_id in runs:
            await socket.ok("run.follow", run_id=run_id)
        for run_id in runs:
            beat = await socket.until("heartbeat", run_id=run_id)
            assert beat["last_seq"] <= server.entries(run_id)[-1]["seq"] == 4
        for run_id in runs:
            await http.post(f"/v1/runs/{run_id}/cancel")
            await socket.until_end(run_id)


PING_COMMAND, BAD_COMMAND = '{{"op":"ping","id":"{0}"}}', '{{"id":"{0}"}}'


@pytest.mark.parametrize(
    ("own", "message"),
    [(True, PING_COMMAND), (False, PING_COMMAND), (False, BAD_COMMAND)],
    ids=["run's socket", "command socket", "bad commands"],
)
async def test_s8_who_asks_and_does_not_read_is_cut(
    make_server: MakeServer, gate: Gate, own: bool, message: str
) -> None:
    """An answer repeats the command's id, which may fill the message; nothing else bounds what waits for its reader."""
    server = make_server()
    asked = message.format("x" * 60_000)
    async with server.http() as http:
        run_id = await start(http, "gated", {"gate": gate.name})
    path = f"/ws/runs/{run_id}?follow=1" if own else "/ws"
    async with opened(server, path) as socket:
        await socket.next()
        (connection,) = server.services.connections
        socket.pause()
        held: list[int] = []

        async def ask() -> None:
            for _ in range(1_000):
                await socket.send(asked)
                held.append(connection.sink.buffered_bytes)

        with pytest.raises(ConnectionClosed):
            await ask()
        assert max(held) <= ANSWER_BACKLOG_BYTES + len(asked)
        closed = server.services.connections.counts.closed
        await eventually_async(lambda: closed.total() == 1, "the end is counted")
        assert closed == {"4008": 1}
