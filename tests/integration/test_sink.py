"""Where endpoints write frames: what is full says so, what belongs together goes out together, and in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from runwire.protocol.wire import text_frame
from runwire.web.safe_ws import EXTENSION, MESSAGES_AHEAD, SMALL_MESSAGE_BYTES, WRITE_BUFFER_BYTES, Sink
from tests.faults.wire import Opcode
from tests.support.bare_socket import FROZEN, PIECE, pours, serving
from tests.support.deadlines import eventually_async

Write = Callable[[Sink], None]


async def test_a_full_buffer_says_so_and_a_drained_one_wakes_the_endpoint() -> None:
    """Write flow control exists (uvicorn 0.52.1 or newer)."""
    woken: list[float] = []

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"][EXTENSION].on_writable = lambda: woken.append(time.monotonic())
        await pours(scope, receive, send)

    async with serving(waits) as bare:
        observer = await bare.open(FROZEN)
        observer.freeze()
        (protocol,) = bare.sockets
        await eventually_async(lambda: not protocol.sink.writable, "the buffer is full")
        assert WRITE_BUFFER_BYTES <= protocol.sink.buffered_bytes < WRITE_BUFFER_BYTES + 2 * len(PIECE)
        assert not woken
        observer.thaw()
        await observer.until(lambda: protocol.sink.writable, 3.0)
        assert woken
        observer.leave()


async def _writes_of(write: Write) -> tuple[list[bytes], list[bytes], int | None]:
    """Return what one turn of an endpoint wrote to the transport, which texts came, and the close code."""
    written: list[bytes] = []

    async def writes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        (protocol,) = bare.sockets
        transport_write = protocol.transport.write

        def noted(data: bytes) -> None:
            written.append(data)
            transport_write(data)

        protocol.transport.write = noted  # type: ignore[assignment,method-assign]
        write(scope["extensions"][EXTENSION])
        protocol.transport.write = transport_write  # type: ignore[method-assign]
        await send({"type": "websocket.close", "code": 1000})

    async with serving(writes) as bare:
        observer = await bare.open()
        code = await observer.ended(2.0)
        return written, observer.texts, code


async def test_what_is_written_together_goes_out_by_one_call_and_in_order() -> None:
    def write(sink: Sink) -> None:
        with sink:
            sink.write(text_frame(b"one"))
            with sink:  # a block inside another
                sink.write(text_frame(b"two"))
            sink.write(text_frame(b"three"))
        sink.write(text_frame(b"alone"))

    written, texts, code = await _writes_of(write)
    assert [len(data) for data in written] == [3 + 3 + 5 + 3 * 2, 7]
    assert (texts, code) == ([b"one", b"two", b"three", b"alone"], 1000)


async def test_what_is_held_is_bounded_and_sent_behind_an_error_too() -> None:
    def write(sink: Sink) -> None:
        with suppress(RuntimeError), sink:
            for _ in range(5):
                sink.write(PIECE)
            raise RuntimeError("as the test wants")

    written, texts, code = await _writes_of(write)
    assert all(len(data) < WRITE_BUFFER_BYTES + len(PIECE) for data in written)
    assert len(written) == 2
    assert (len(texts), code) == (5, 1000)


async def test_what_is_held_when_the_peer_is_dropped_is_dropped_with_it() -> None:
    def write(sink: Sink) -> None:
        with sink:
            sink.write(text_frame(b"held"))
            sink.abort()

    _, texts, _ = await _writes_of(write)
    assert texts == []


@pytest.mark.parametrize(
    ("size", "sent", "pauses"),
    [(100, MESSAGES_AHEAD, 0), (100, MESSAGES_AHEAD + 1, 1), (SMALL_MESSAGE_BYTES + 1, 1, 1)],
)
async def test_only_many_or_large_messages_stop_the_reading(size: int, sent: int, pauses: int) -> None:
    calls: list[None] = []
    taken = asyncio.Event()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await taken.wait()
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async with serving(waits) as bare:
        observer = await bare.open()
        (protocol,) = bare.sockets
        pause = protocol.transport.pause_reading

        def noted() -> None:
            calls.append(None)
            pause()

        protocol.transport.pause_reading = noted  # type: ignore[method-assign]
        for _ in range(sent):
            observer.send(Opcode.TEXT, b"x" * size)
        await eventually_async(lambda: protocol.queue.qsize() == sent, "all messages have come")
        assert len(calls) == pauses
        taken.set()
        await eventually_async(protocol.queue.empty, "all are taken")
        assert protocol.transport.is_reading()
        observer.leave()


async def test_a_sink_drops_what_comes_after_the_close_frame() -> None:
    sinks: list[Sink] = []

    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        sinks.append(scope["extensions"][EXTENSION])
        await send({"type": "websocket.close", "code": 1000})
        sinks[0].write(text_frame(b"too late"))

    async with serving(closes) as bare:
        observer = await bare.open()
        assert await observer.ended(2.0) == 1000
        assert observer.texts == []
        assert not sinks[0].open
        assert not sinks[0].writable
