"""One guard for each pitfall of uvicorn and websockets that ``web/safe_ws.py`` mends: an upgrade must pass them all.

The applications here are bare ASGI: what is under test is the protocol class, whatever an endpoint does or forgets.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import time
from importlib.metadata import version
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from runwire.protocol.wire import text_frame
from runwire.web.safe_ws import (
    EXTENSION,
    PONG_BACKLOG_BYTES,
    UNSENT_BYTES,
    WRITE_BUFFER_BYTES,
    SafeHttpProtocol,
    SafeWebSocketProtocol,
)
from tests.faults.observer import Wish, connect
from tests.faults.wire import Opcode, frame
from tests.support.bare_socket import FROZEN, PIECE, listens, pours, serving

# The versions, and the internals that the subclass leans on


def test_the_pinned_versions_are_installed() -> None:
    """Raising one of them means: read the changelog, measure again, and see every test of this file pass."""
    assert (version("uvicorn"), version("websockets")) == ("0.54.0", "17.4")


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            WebSocketsSansIOProtocol,
            "connection_made connection_lost run_asgi resume_writing send keepalive_timeout shutdown stop_keepalive"
            " handle_ping handle_cont handle_parser_exception send_receive_event_to_app send_500_response",
        ),
        (
            HttpToolsProtocol,
            "connection_made connection_lost on_message_begin on_headers_complete handle_websocket_upgrade",
        ),
    ],
)
def test_every_method_that_is_overridden_exists_above(owner: type, names: str) -> None:
    """A method that uvicorn renames would never be called again."""
    subclass = SafeWebSocketProtocol if owner is WebSocketsSansIOProtocol else SafeHttpProtocol
    for name in names.split():
        assert callable(getattr(owner, name))
        assert name in vars(subclass) or name in ("stop_keepalive", "send_500_response")


def test_every_attribute_that_is_used_exists_above() -> None:
    source = inspect.getsource(WebSocketsSansIOProtocol)
    for name in (
        "close_sent",
        "disconnected",
        "conn",
        "writable",
        "transport",
        "queue",
        "close_timer",
        "close_timeout",
        "pong_timer",
        "pending_ping_payload",
        "handshake_complete",
        "frames",
        "curr_msg_data_type",
        "ping_interval",
        "ping_timeout",
        "loop",
        "client",
        "scope",
    ):
        assert f"self.{name} = " in source or f"self.{name}: " in source, name


# Buffers and options


async def test_buffers_are_small_and_the_kernel_gives_up_dead_peers() -> None:
    async with serving(listens, ping_s=2.0, pong_s=3.0) as bare:
        observer = await bare.open()
        (protocol,) = bare.sockets
        assert protocol.transport.get_write_buffer_limits()[1] == WRITE_BUFFER_BYTES
        sock = protocol.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_BYTES
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5_000
        observer.leave()


async def test_permessage_deflate_is_not_offered_even_when_asked_for() -> None:
    async with serving(listens) as bare:
        observer = await bare.open()
        assert b"extensions" not in observer.head.lower()
        observer.leave()


# Peers that do not answer, do not read, do not leave


async def test_a_peer_that_does_not_answer_pings_is_closed_4009() -> None:
    async with serving(listens, ping_s=0.1, pong_s=0.2) as bare:
        observer = await bare.open(Wish(pongs=False))
        started = time.monotonic()
        assert await observer.ended(2.0) == 4009
        assert time.monotonic() - started < 1.8
        assert observer.close_reason == b"no answer to ping"


async def test_a_peer_that_answers_pings_stays() -> None:
    async with serving(listens, ping_s=0.05, pong_s=0.5) as bare:
        observer = await bare.open()
        await observer.until(lambda: observer.pings > 5, 3.0)
        assert not observer.lost
        observer.leave()


async def test_a_stuck_peer_is_aborted_after_its_ping_timeout() -> None:
    """uvicorn's own keep-alive waits for the buffer to drain, for ever."""
    async with serving(pours, ping_s=0.1, pong_s=0.2) as bare:
        observer = await bare.open(FROZEN)
        observer.freeze()
        assert await bare.forgotten(2.0), "the stuck peer is still there"
        observer.cut()


async def test_a_stuck_peer_does_not_hold_the_shutdown() -> None:
    started = 0.0
    async with serving(pours) as bare:
        observer = await bare.open(FROZEN)
        observer.freeze()
        await asyncio.sleep(0.05)
        started = time.monotonic()
    assert time.monotonic() - started < 2.5
    assert await bare.forgotten(1.5), "the server has ended and its transport still waits for the peer"
    observer.cut()


async def test_the_shutdown_says_1012() -> None:
    async with serving(listens) as bare:
        observer = await bare.open()
    assert await observer.ended(1.0) == 1012


async def test_a_close_does_not_wait_for_a_full_buffer() -> None:
    """``send(close)`` of uvicorn waits until the buffer is writable, for ever."""
    took: list[float] = []

    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(2_000):
            if scope["extensions"][EXTENSION].writable:
                scope["extensions"][EXTENSION].write(PIECE)
        started = time.monotonic()
        await send({"type": "websocket.close", "code": 1000, "reason": "run ended"})
        took.append(time.monotonic() - started)

    async with serving(closes) as bare:
        observer = await bare.open(FROZEN)
        observer.freeze()
        assert await bare.forgotten(2.0)
        assert took
        assert took[0] < 0.1
        observer.cut()


async def test_a_peer_that_never_answers_a_close_frame_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runwire.web.safe_ws.CLOSE_TIMEOUT_S", 0.5)

    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})

    async with serving(closes) as bare:
        observer = await bare.open(Wish(pongs=False))
        await observer.until(lambda: observer.close_code == 1000, 1.0)
        assert await bare.forgotten(1.5)


async def test_pongs_for_a_peer_that_does_not_read_are_bounded() -> None:
    async with serving(pours) as bare:
        observer = await bare.open(FROZEN)
        observer.freeze()
        await asyncio.sleep(0.05)
        (protocol,) = bare.sockets
        most = 0
        for _ in range(100):
            if protocol.transport.is_closing():
                break
            observer.send_bytes(frame(Opcode.PING, b"x" * 125) * 50)
            await asyncio.sleep(0.005)
            most = max(most, protocol.sink.buffered_bytes)
        assert protocol.transport.is_closing()
        assert most < PONG_BACKLOG_BYTES + 50 * 127 + WRITE_BUFFER_BYTES
        observer.cut()


async def test_a_protocol_error_of_a_peer_that_does_not_read_ends_it_too() -> None:
    async with serving(pours) as bare:
        observer = await bare.open(FROZEN)
        observer.freeze()
        await asyncio.sleep(0.05)
        observer.send(0x3)
        assert await bare.forgotten(2.0), "uvicorn waits for the close frame to leave, for ever"
        observer.cut()


async def test_the_head_deadline_is_over_with_the_head() -> None:
    """Neither a long answer nor a long conversation is cut by it."""

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.6)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(listens, answers=slow, head_s=0.2) as bare:
        observer = await bare.open()
        reader, writer = await asyncio.open_connection(bare.address.host, bare.address.port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"ok"), 2.0)).startswith(b"HTTP/1.1 200")
        writer.close()
        assert not observer.lost
        observer.leave()


async def test_messages_that_nobody_takes_stop_the_reading() -> None:
    """An endpoint that is busy must not gather its client's messages: TCP holds the client back instead."""
    go = asyncio.Event()

    async def sleeps(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        await send({"type": "websocket.close", "code": 1000})

    async with serving(sleeps) as bare:
        observer = await bare.open()
        for _ in range(50):
            observer.send(Opcode.TEXT, b"x" * 60_000)
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        (protocol,) = bare.sockets
        assert protocol.queue.qsize() < 10
        go.set()
        await observer.until(lambda: observer.close_code == 1000, 2.0)


async def test_one_task_that_always_receives_keeps_a_healthy_client_alive() -> None:
    """Pongs are read only while messages are taken: a client that talks to an endpoint that receives is never cut."""
    async with serving(listens, ping_s=0.05, pong_s=0.3) as bare:
        observer = await bare.open()
        for _ in range(40):
            observer.send(Opcode.TEXT, b'{"op":"ping"}')
            await asyncio.sleep(0.02)
        assert not observer.lost
        assert observer.pings > 3
        observer.leave()


# Endpoints that misbehave


async def test_an_exception_in_the_endpoint_sends_1011() -> None:
    async def raises(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise RuntimeError("as the test wants")

    async with serving(raises) as bare:
        assert await (await bare.open()).ended(2.0) == 1011


async def test_an_endpoint_that_returns_without_closing_sends_1011() -> None:
    async def returns(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    async with serving(returns) as bare:
        assert await (await bare.open()).ended(2.0) == 1011


@pytest.mark.parametrize(
    "close",
    [
        {"type": "websocket.close", "code": 1005},
        {"type": "websocket.close", "code": 99},
        {"type": "websocket.close", "code": 1000, "reason": "x" * 124},
        {"type": "websocket.close", "code": 1000, "reason": "\ud800"},
        {"type": "websocket.nonsense"},
    ],
    ids=["code 1005", "code 99", "long reason", "surrogate", "unknown message"],
)
async def test_a_close_that_cannot_be_sent_becomes_1011(close: dict[str, Any]) -> None:
    """uvicorn would drop the connection without a frame: 1006 for the client."""

    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send(close)

    async with serving(closes) as bare:
        assert await (await bare.open()).ended(2.0) == 1011


async def test_an_endpoint_that_fails_before_accepting_answers_http_500() -> None:
    async def raises(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("as the test wants")

    async with serving(raises) as bare:
        observer = await connect(bare.address, "/")
        assert await observer.answered() == 500


async def test_entries_before_the_1011_arrive_whole() -> None:
    async def writes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(100):
            scope["extensions"][EXTENSION].write(text_frame(b"%d" % number))
        raise RuntimeError("as the test wants")

    async with serving(writes) as bare:
        observer = await bare.open()
        assert await observer.ended(2.0) == 1011
        assert observer.texts == [b"%d" % number for number in range(100)]
