"""Poison at the doors: each refused by the catalogue, nothing stored half, sockets open where the protocol says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwire.web.safe_ws import FRAGMENTS
from tests.support.database import query
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.raw import BINARY, CONTINUATION, TEXT, masked_frame, raw_peer
from tests.support.sockets import conversing, opened

pytestmark = EVERY_ISOLATION

DEEP = "[" * 40 + "]" * 40
BAD_BODIES: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("no json", b"agent=echo"),
    ("half", b'{"agent":"echo"'),
    ("list", b"[]"),
    ("null", b"null"),
    ("missing agent", b"{}"),
    ("agent number", b'{"agent":1}'),
    ("agent empty", b'{"agent":""}'),
    ("unknown agent", b'{"agent":"nobody"}'),
    ("unknown field", b'{"agent":"echo","nonsense":1}'),
    ("priority number", b'{"agent":"echo","priority":1}'),
    ("negative limit", b'{"agent":"echo","timeout_s":-1}'),
    ("endless limit", b'{"agent":"echo","timeout_s":1e999}'),
    ("NaN", b'{"agent":"echo","input":NaN}'),
    ("infinity", b'{"agent":"echo","input":-Infinity}'),
    ("int beyond 2^53", b'{"agent":"echo","input":{"n":9007199254740993}}'),
    ("int below -2^53", b'{"agent":"echo","input":[-9007199254740993]}'),
    ("int beyond 2^64", b'{"agent":"echo","input":123456789012345678901234567890}'),
    ("deep", b'{"agent":"echo","input":' + DEEP.encode() + b"}"),
    ("very deep", b'{"agent":"echo","input":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ("NUL escape", b'{"agent":"echo","input":"a\\u0000b"}'),
    ("NUL byte", b'{"agent":"echo","input":"a\x00b"}'),
    ("lone surrogate", b'{"agent":"echo","input":"a\\ud800b"}'),
    ("no UTF-8", b'{"agent":"echo","input":"\xff"}'),
    ("script unknown key", b'{"agent":"scripted","input":{"steps":[],"more":1}}'),
    ("script wrong type", b'{"agent":"scripted","input":{"steps":[{"sleep_s":"1"}]}}'),
]


@pytest.mark.parametrize(("name", "body"), BAD_BODIES, ids=[name for name, _ in BAD_BODIES])
async def test_a_bad_body_is_422_and_stores_nothing(server: EmbeddedServer, name: str, body: bytes) -> None:
    count = "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM entries) + (SELECT count(*) FROM threads) AS n"
    before = query(server.data, count)
    async with server.http() as http:
        answer = await http.post("/v1/runs", content=body, headers={"Content-Type": "application/json"})
    told = problem_of(answer, 422, "invalid_input")
    assert told["detail"]
    assert query(server.data, count) == before


AS_COMMANDS = {name: body.decode() for name, body in BAD_BODIES if name not in ("no UTF-8", "very deep")}
"""Without those that the socket's own rules close: bytes that are no UTF-8, and messages beyond 64 KiB (below)."""


@pytest.mark.parametrize("name", AS_COMMANDS)
async def test_the_same_as_a_command_gets_a_reply_and_no_close(server: EmbeddedServer, name: str) -> None:
    text = AS_COMMANDS[name]
    message = '{"op":"run.start",' + text[1:] if text.startswith("{") and text != "{}" else text
    async with conversing(server) as socket:
        await socket.send(message)
        reply = await socket.next()
        assert (reply["type"], reply["ok"]) == ("reply", False)
        assert reply["error"]["code"] in ("invalid_input", "bad_command")
        await socket.send({"op": "ping"})
        assert await socket.next() == {"type": "pong"}


@pytest.mark.parametrize(
    "input",
    [2**53, -(2**53), 1e300, "\\u0000", "\U0001f600 ümlaut", "line\u2028sep", {"": {"": None}}, [[[[]]]], True, 0.1],
    ids=repr,
)
async def test_what_json_and_browsers_can_hold_comes_back_unchanged(server: EmbeddedServer, input: Any) -> None:
    async with server.http() as http:
        run_id = await start(http, "plain", input)
        assert (await ended(server, run_id))["result"]["input"] == input
        assert (await http.get(f"/v1/runs/{run_id}")).json()["input"] == input


async def test_an_oversized_body_is_413(server: EmbeddedServer) -> None:
    async with server.http() as http:
        body = {"agent": "echo", "input": "x" * server.settings.body_bytes}
        answer = await http.post("/v1/runs", json=body)
    assert problem_of(answer, 413, "too_large")["details"] == {"limit_bytes": server.settings.body_bytes}
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("as_fragments", [False, True])
async def test_an_oversized_message_is_1009(server: EmbeddedServer, as_fragments: bool) -> None:
    limit = server.settings.message_bytes
    async with raw_peer(server.origin) as peer:
        assert (await peer.upgrade("/ws", Authorization=f"Bearer {server.token}"))[0] == 101
        if as_fragments:
            peer.send_frame(TEXT, b"x" * (limit // 2), final=False)
            peer.send_frame(CONTINUATION, b"x" * (limit // 2 + 1))
        else:
            peer.send_frame(TEXT, b"x" * (limit + 1))
        assert await peer.close_code() == 1009


async def test_a_message_of_exactly_the_limit_is_taken(server: EmbeddedServer) -> None:
    limit = server.settings.message_bytes
    frame = json.dumps({"op": "ping", "id": ""})
    async with conversing(server) as socket:
        await socket.send(frame[:-2] + "x" * (limit - len(frame)) + frame[-2:])
        pong = await socket.next()
    assert len(pong["id"]) == limit - len(frame)


async def test_a_binary_message_is_1003(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        await socket.send(b'{"op":"ping"}')
        assert (await socket.to_the_end()).code == 1003


async def test_text_that_is_no_utf8_is_1007(server: EmbeddedServer) -> None:
    async with raw_peer(server.origin) as peer:
        assert (await peer.upgrade("/ws", Authorization=f"Bearer {server.token}"))[0] == 101
        peer.send_frame(TEXT, b'{"op":"\xed\xa0\x80"}')
        assert await peer.close_code() == 1007


async def test_an_unmasked_or_unknown_frame_is_1002(server: EmbeddedServer) -> None:
    for bytes_sent in (b"\x81\x02hi", b"\x83\x80\x00\x00\x00\x00"):
        async with raw_peer(server.origin) as peer:
            assert (await peer.upgrade("/ws", Authorization=f"Bearer {server.token}"))[0] == 101
            peer.writer.write(bytes_sent)
            assert await peer.close_code() == 1002


async def test_more_fragments_than_allowed_are_1009(server: EmbeddedServer) -> None:
    """In one write, so that the server has read all of it when it closes: else a reset may overtake the close frame."""
    async with raw_peer(server.origin) as peer:
        assert (await peer.upgrade("/ws", Authorization=f"Bearer {server.token}"))[0] == 101
        fragments = [masked_frame(TEXT, final=False)] + [masked_frame(CONTINUATION, final=False)] * FRAGMENTS
        peer.writer.write(b"".join(fragments))
        assert await peer.close_code() == 1009


async def test_a_binary_first_fragment_is_refused_too(server: EmbeddedServer) -> None:
    async with raw_peer(server.origin) as peer:
        assert (await peer.upgrade("/ws", Authorization=f"Bearer {server.token}"))[0] == 101
        peer.send_frame(BINARY, b"a", final=False)
        peer.send_frame(CONTINUATION, b"b")
        assert await peer.close_code() == 1003


async def test_poison_from_one_client_leaves_the_others_alone(server: EmbeddedServer) -> None:
    async with conversing(server) as good:
        for body in (b"\x00" * 10, b"{" * 1000, b'{"op":"run.start","agent":"echo","input":NaN}'):
            async with opened(server, "/ws") as bad:
                await bad.send(body.decode())
                await bad.next()
        run_id = (await good.ok("run.start", agent="echo", input="fine"))["run_id"]
        await good.until("end", run_id=run_id, code=1000)
