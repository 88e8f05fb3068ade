"""Protocol, section 4: one socket, many commands, many runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.isolation import EVERY_ISOLATION
from tests.support.raw import CLOSE, TEXT, raw_peer
from tests.support.sockets import conversing, following, log_of, opened, said, statuses

pytestmark = EVERY_ISOLATION

NOBODY = "z" * 24


async def test_hello_comes_first_with_exactly_these_facts(make_server: MakeServer) -> None:
    server = make_server(messages_per_s=20, message_burst=64)
    async with opened(server, "/ws", token=server.token_for("ann")) as socket:
        assert await socket.next() == {
            "type": "hello",
            "protocol": "runwire.v1",
            "user": "ann",
            "heartbeat_s": 10.0,
            "limits": {"message_bytes": 65_536, "messages_per_s": 20, "message_burst": 64, "follows": 32},
        }


async def test_start_replies_with_the_run_id_before_anything_runs_then_follows(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        await socket.send({"id": "mine", "op": "run.start", "agent": "echo", "input": "a b"})
        reply = await socket.next()
        assert set(reply) == {"type", "id", "ok", "result"}
        assert (reply["type"], reply["id"], reply["ok"]) == ("reply", "mine", True)
        run_id = reply["result"]["run_id"]
        assert (len(run_id), reply["result"]["status"]) == (24, "QUEUED")
        connected = await socket.next()
        assert (connected["type"], connected["run_id"], connected["last_seq"]) == ("connected", run_id, 1)
        end = await socket.until("end")
        assert end == {"type": "end", "run_id": run_id, "code": 1000}
        assert log_of(socket.frames) == server.entries(run_id)
        await socket.send({"op": "ping"})
        assert await socket.next() == {"type": "pong"}, "the socket stays"


async def test_start_takes_every_argument(server: EmbeddedServer) -> None:
    run_id = "chosenbytheclient1"
    async with conversing(server) as socket:
        result = await socket.ok(
            "run.start",
            agent="facts",
            run_id=run_id,
            thread_id="my-Thread_1",
            priority="high",
            timeout_s=7,
            on_disconnect="continue",
        )
        assert (result["run_id"], result["thread_id"], result["existed"]) == (run_id, "my-Thread_1", False)
        await socket.until("end")
        facts = log_of(socket.frames)[-1]["data"]["result"]
        assert (facts["run_id"], facts["thread_id"], facts["attempt"]) == (run_id, "my-Thread_1", 1)
    async with server.http() as http:
        view = (await http.get(f"/v1/runs/{run_id}")).json()
    assert (view["priority"], view["timeout_s"], view["thread_id"]) == ("high", 7.0, "my-Thread_1")


async def test_start_again_with_the_same_id_and_body_is_the_same_run(server: EmbeddedServer) -> None:
    start = {"agent": "echo", "input": "once", "run_id": "sameidsamebody1"}
    async with conversing(server) as socket:
        assert not (await socket.ok("run.start", **start))["existed"]
        await socket.until("end")
        assert (await socket.ok("run.start", **start))["existed"]
        await socket.until("end")
        assert len(log_of(socket.frames)) == 2 * len(server.frames("sameidsamebody1"))
        error = await socket.refused("run.start", **{**start, "input": "twice"})
    assert (error["code"], error["details"]) == ("run_id_taken", {"run_id": "sameidsamebody1"})
    assert statuses(server.entries("sameidsamebody1")) == ["QUEUED", "RUNNING", "SUCCEEDED"]


async def test_follow_replies_then_connects_and_ends(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="echo", input="a b c"))["run_id"]
        await socket.until("end")
    stored = server.entries(run_id)
    async with conversing(server) as socket:
        result = await socket.ok("run.follow", run_id=run_id)
        assert result["run_id"] == run_id
        assert (await socket.next())["type"] == "connected"
        await socket.until("end", code=1000)
        assert log_of(socket.frames) == stored
        begun = len(socket.frames)
        await socket.ok("run.follow", run_id=run_id, after=len(stored) - 1, epoch=result["epoch"], batch=True)
        await socket.until("end", code=1000)
        assert log_of(socket.frames[begun:]) == stored[-1:]
        begun = len(socket.frames)
        await socket.ok("run.follow", run_id=run_id, after=len(stored) + 5)
        assert (await socket.until("reset"))["reason"] == "ahead"
        await socket.until("end", code=1000)
        assert log_of(socket.frames[begun:]) == stored


async def test_a_second_follow_replaces_the_first(server: EmbeddedServer, gate: Gate) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        await socket.until_said("before")
        begun = len(socket.frames)
        await socket.ok("run.follow", run_id=run_id, after=2)
        gate.open()
        await socket.until("end", run_id=run_id)
        await socket.command("nothing.more")  # what another cursor would still send comes before this reply
        later = socket.frames[begun:-1]
        assert later[0]["type"] == "reply", "nothing of the old cursor was under way"
        assert [entry["seq"] for entry in log_of(later)] == [3, 4, 5]
        assert [frame["type"] for frame in later].count("end") == 1
        assert (await socket.ok("run.unfollow", run_id=run_id))["followed"] is False


async def test_unfollow_ends_the_frames_and_not_the_run(server: EmbeddedServer, gate: Gate) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        await socket.until_said("before")
        assert (await socket.ok("run.unfollow", run_id=run_id))["followed"] is True
        gate.open()
        begun = len(socket.frames)
        async with following(server, run_id) as watcher:
            assert (await watcher.to_the_end()).code == 1000
        await socket.command("nothing.more")
        assert [frame["type"] for frame in socket.frames[begun:]] == ["reply"], "nothing of the run came meanwhile"
    assert said(server.entries(run_id)) == ["before", "after"]


async def test_many_runs_on_one_socket_each_name_their_run(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        runs = [(await socket.ok("run.start", agent="echo", input=f"number {n}"))["run_id"] for n in range(12)]
        while sum(frame["type"] == "end" for frame in socket.frames) < 12:
            await socket.next()
        for run_id in runs:
            assert log_of(socket.frames, run_id) == server.entries(run_id)


async def test_follows_per_socket_are_bounded(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(follows_per_socket=2)
    async with conversing(server) as socket:
        first = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        await socket.ok("run.start", agent="gated", input={"gate": gate.name})
        error = await socket.refused("run.start", agent="gated", input={"gate": gate.name})
        assert error["details"] == {"limit": "follows_per_socket"}
        await socket.ok("run.follow", run_id=first)  # it has its place already
        await socket.ok("run.unfollow", run_id=first)
        await socket.ok("run.start", agent="gated", input={"gate": gate.name})
        gate.open()


async def test_commands_are_handled_in_their_order(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        for number in range(50):
            op = "ping" if number % 2 else "run.cancel"
            await socket.send({"id": number, "op": op, **({} if number % 2 else {"run_id": NOBODY})})
        answers = [await socket.next() for _ in range(50)]
    assert [answer["id"] for answer in answers] == list(range(50))
    assert [answer["type"] for answer in answers] == ["reply", "pong"] * 25


BAD = [
    ("no json", None, "bad_command"),
    ("[]", None, "bad_command"),
    ('"op"', None, "bad_command"),
    ("{}", None, "bad_command"),
    ('{"id":1}', 1, "bad_command"),
    ('{"id":1,"op":7}', 1, "bad_command"),
    ('{"id":1,"op":"run.dance"}', 1, "bad_command"),
    ('{"id":1,"op":"run.start"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":7}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","more":1}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"nobody"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","run_id":"SHOUT123"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","run_id":"abcdefgh\\n"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","thread_id":"a\\n"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","run_id":"short"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","priority":"urgent"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","timeout_s":0}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","timeout_s":"1"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"echo","on_disconnect":"die"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"scripted","input":{"steps":[{"dance":1}]}}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"scripted","input":{"steps":[{}]}}', 1, "invalid_input"),
    ('{"id":1,"op":"run.start","agent":"scripted","input":{"steps":[{"text":"a","fail":"b"}]}}', 1, "invalid_input"),
    ('{"id":1,"op":"run.follow"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.follow","run_id":"zzzzzzzzzz"}', 1, "not_found"),
    ('{"id":1,"op":"run.follow","run_id":"zzzzzzzzzz","after":-1}', 1, "invalid_input"),
    ('{"id":1,"op":"run.follow","run_id":"zzzzzzzzzz","after":9223372036854775808}', 1, "invalid_input"),
    ('{"id":1,"op":"run.follow","run_id":"zzzzzzzzzz","after":"1"}', 1, "invalid_input"),
    ('{"id":1,"op":"run.cancel","run_id":"zzzzzzzzzz"}', 1, "not_found"),
    ('{"id":1,"op":"run.cancel","run_id":null}', 1, "invalid_input"),
    ('{"id":1,"op":"run.unfollow","run_id":7}', 1, "invalid_input"),
    ('{"id":1,"op":"ping","more":1}', 1, "invalid_input"),
    ('{"id":1,"op":"auth","token":"again"}', 1, "conflict"),
]


@pytest.mark.parametrize(("message", "command_id", "code"), BAD, ids=[message[:70] for message, _, _ in BAD])
async def test_a_bad_command_gets_a_reply_and_no_close(
    server: EmbeddedServer, message: str, command_id: Any, code: str
) -> None:
    async with server.http() as http:
        before = (await http.get("/v1/runs")).text
        async with conversing(server) as socket:
            await socket.send(message)
            reply = await socket.next()
            assert (reply["type"], reply["ok"], reply["id"]) == ("reply", False, command_id)
            assert reply["error"]["code"] == code
            assert set(reply["error"]) == {"code", "message", "retryable", "details"}
            await socket.send({"id": {"any": ["json"]}, "op": "ping"})
            assert await socket.next() == {"type": "pong", "id": {"any": ["json"]}}
        assert (await http.get("/v1/runs")).text == before, "nothing was stored"


async def test_an_unknown_agent_names_those_there_are(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        error = await socket.refused("run.start", agent="nobody")
    assert "echo" in error["message"]
    assert error["details"] == {"agent": "nobody"}


async def test_a_follow_socket_answers_ping_and_refuses_commands_without_closing(
    server: EmbeddedServer, gate: Gate
) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        async with following(server, run_id, follow=1) as follower:
            await follower.until("event")
            await follower.send({"op": "ping", "id": 5})
            assert await follower.next() == {"type": "pong", "id": 5}
            for message in ({"op": "run.cancel", "id": 6, "run_id": run_id}, {"op": "auth", "token": "x"}, {"op": 1}):
                await follower.send(message)
                reply = await follower.next()
                assert (reply["type"], reply["ok"]) == ("reply", False)
            gate.open()
            ending = await follower.to_the_end()
    assert ending.code == 1000
    assert [f for f in ending.frames if "seq" in f] == server.entries(run_id)


async def test_a_stream_of_bad_messages_on_a_follow_socket_is_4501(server: EmbeddedServer, gate: Gate) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        async with following(server, run_id, follow=1) as follower:
            for _ in range(10):
                await follower.send("nonsense")
            assert (await follower.to_the_end()).code == 4501
        gate.open()


@pytest.mark.parametrize("path", ["/ws", "run"])
async def test_too_many_messages_are_4029(make_server: MakeServer, gate: Gate, path: str) -> None:
    server = make_server(messages_per_s=1, message_burst=5)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        path = f"/ws/runs/{run_id}?follow=1" if path == "run" else path
        async with opened(server, path) as talker:
            for number in range(7):
                await talker.send(json.dumps({"op": "ping", "id": number}))
            ending = await talker.to_the_end()
        assert ending.code == 4029
        assert [frame["id"] for frame in ending.frames if frame["type"] == "pong"] == list(range(5))


async def test_what_was_sent_before_leaving_is_still_done(server: EmbeddedServer) -> None:
    """A client may say its last command and close at once; else a cancel could be lost, or a start left unwatched."""
    run_id = "startedandleft01"
    async with raw_peer(server.origin) as peer:
        assert (await peer.upgrade("/ws", Authorization=f"Bearer {server.token}"))[0] == 101
        start = {"op": "run.start", "agent": "scripted", "input": {"steps": [{"hang": "async"}]}, "run_id": run_id}
        for message in (start, {"op": "ping"}, {"op": "run.cancel", "run_id": run_id}):
            peer.send_frame(TEXT, json.dumps(message).encode())
        peer.send_frame(CLOSE, b"\x03\xe8")
        await peer.gone()
    await eventually_async(lambda: server.status(run_id) == "CANCELLED", "started and cancelled by a client that left")
