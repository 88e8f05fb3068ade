"""Peers that break the WebSocket protocol: each is told exactly what it did, and costs nothing afterwards.

RFC 6455: section 5.2 (framing), 5.4 (fragments), 5.5 (control frames), 7.4 (close codes), 8.1 (UTF-8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.conftest import MakeServer
from tests.faults.observer import Address, Observer, Wish, connect
from tests.faults.wire import Opcode, close_payload, frame
from tests.support.embedded import EmbeddedServer

CLOSE_S = 3.0
TEXT, CONT, BINARY, PING, CLOSE = Opcode.TEXT, Opcode.CONT, Opcode.BINARY, Opcode.PING, Opcode.CLOSE
PING_COMMAND = b'{"op":"ping"}'
TRUNCATED, OVERLONG, SURROGATE = b"\xe2\x82", b"\xc0\xaf", b"\xed\xa0\x80"


def address_of(server: EmbeddedServer) -> Address:
    """Return where the server listens."""
    host, _, port = server.origin.removeprefix("http://").partition(":")
    return Address(host, int(port), server.token)


async def conversation(
    server: EmbeddedServer, *, pongs: bool = True, receive_buffer_bytes: int | None = None
) -> Observer:
    """Return a command socket that has said hello."""
    wish = Wish(pongs=pongs, receive_buffer_bytes=receive_buffer_bytes)
    observer = await connect(address_of(server), "/ws", wish)
    assert await observer.answered() == 101
    await observer.until(lambda: bool(observer.texts), 2.0)
    return observer


@pytest.fixture(autouse=True)
def _no_accident(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a peer sends, no exception may reach asyncio or uvicorn: that would be a close code by luck."""
    yield
    records = caplog.get_records("call")
    accidents = [record.getMessage() for record in records if record.name in ("asyncio", "uvicorn.error")]
    assert not accidents


FRAMING = {
    "reserved bit 1": (frame(TEXT, PING_COMMAND, rsv=4), 1002),
    "reserved bit 2": (frame(TEXT, PING_COMMAND, rsv=2), 1002),
    "reserved bit 3": (frame(TEXT, PING_COMMAND, rsv=1), 1002),
    "reserved data opcode": (frame(0x3), 1002),
    "reserved control opcode": (frame(0xB), 1002),
    "no mask": (frame(TEXT, PING_COMMAND, masked=False), 1002),
    "fragmented ping": (frame(PING, fin=False), 1002),
    "ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "continuation of nothing": (frame(CONT, b"x"), 1002),
    "a message inside a message": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "a frame of 2^62 bytes": (frame(TEXT, b"x", size=2**62), 1009),
    "a frame of one byte too many": (frame(TEXT, b"x" * 65_537), 1009),
    "fragments of one byte too many": (
        frame(TEXT, b"x" * 40_000, fin=False) + frame(CONT, b"x" * 25_537),
        1009,
    ),
    "too many fragments": (frame(TEXT, b"{", fin=False) + frame(CONT, fin=False) * 300, 1009),
    "binary": (frame(BINARY, PING_COMMAND), 1003),
}

UTF8 = {
    "at the start": frame(TEXT, b"\xff" + PING_COMMAND),
    "in the middle": frame(TEXT, b'{"op":"' + OVERLONG + b'"}'),
    "a surrogate": frame(TEXT, b'{"op":"' + SURROGATE + b'"}'),
    "truncated at the end": frame(TEXT, b'{"op":"' + TRUNCATED),
    "in the first fragment": frame(TEXT, b"\xff", fin=False) + frame(CONT, b"x"),
    "in the last fragment": frame(TEXT, b"x", fin=False) + frame(CONT, OVERLONG),
    "twice in one segment": frame(TEXT, b"\xff") * 2,
    "in a close reason": frame(CLOSE, close_payload(1000, b"\xff")),
}

CLOSES = {
    "one byte": (frame(CLOSE, b"\x03"), 1002),
    "code 999": (frame(CLOSE, close_payload(999)), 1002),
    "code 1004": (frame(CLOSE, close_payload(1004)), 1002),
    "code 1005": (frame(CLOSE, close_payload(1005)), 1002),
    "code 1006": (frame(CLOSE, close_payload(1006)), 1002),
    "code 1015": (frame(CLOSE, close_payload(1015)), 1002),
    "code 2000": (frame(CLOSE, close_payload(2000)), 1002),
    "code 5000": (frame(CLOSE, close_payload(5000)), 1002),
    "a fragment": (frame(CLOSE, close_payload(1000), fin=False), 1002),
    "126 bytes": (frame(CLOSE, close_payload(1000, b"x" * 124)), 1002),
    "nothing": (frame(CLOSE), 1005),
    "a good code": (frame(CLOSE, close_payload(4321, b"mine")), 4321),
}


async def sent(server: EmbeddedServer, data: bytes) -> int | None:
    """Return the close code that a socket gets for ``data``, and prove that the server holds nothing of it."""
    observer = await conversation(server)
    observer.send_bytes(data)
    code = await observer.ended(CLOSE_S)
    assert await gone(server), "the server still holds the socket"
    return code


async def gone(server: EmbeddedServer) -> bool:
    """Return whether the server forgets every socket within a second."""
    for _ in range(100):
        if not server.on_loop(lambda: len(server.services.connections)):
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("name", FRAMING)
async def test_bad_framing_is_closed_with_the_exact_code(server: EmbeddedServer, name: str) -> None:
    data, code = FRAMING[name]
    assert await sent(server, data) == code


@pytest.mark.parametrize("name", UTF8)
async def test_invalid_utf8_is_closed_with_1007_wherever_it_stands(server: EmbeddedServer, name: str) -> None:
    assert await sent(server, UTF8[name]) == 1007


@pytest.mark.parametrize("name", CLOSES)
async def test_a_close_frame_is_answered_or_corrected(server: EmbeddedServer, name: str) -> None:
    data, code = CLOSES[name]
    assert await sent(server, data) == code


async def test_a_character_may_lie_across_two_fragments(server: EmbeddedServer) -> None:
    observer = await conversation(server)
    euro = '{"op":"ping","id":"€"}'.encode()
    cut = euro.index(b"\x82")
    observer.send(TEXT, euro[:cut], fin=False)
    observer.send(PING, b"between fragments")
    observer.send(CONT, euro[cut:])
    await observer.until(lambda: '"id":"€"'.encode() in observer.texts[-1], 2.0)
    assert observer.pongs == 1
    observer.leave()


async def test_a_ping_flood_of_a_peer_that_does_not_read_is_cut(server: EmbeddedServer) -> None:
    """The answers must not gather: at 64 KiB of them the connection is aborted."""
    observer = await conversation(server, receive_buffer_bytes=4096)
    observer.freeze()
    flood = frame(PING, b"x" * 125) * 500
    for _ in range(200):
        if observer.transport is None or observer.transport.is_closing():
            break
        observer.send_bytes(flood)
        await asyncio.sleep(0.005)
    assert await gone(server), "26 MB of pings later the socket is still open"
    observer.cut()


async def test_a_ping_flood_of_a_peer_that_reads_is_answered(server: EmbeddedServer) -> None:
    observer = await conversation(server)
    observer.send_bytes(frame(PING, b"x") * 2_000)
    await observer.until(lambda: observer.pongs == 2_000, 5.0)
    observer.leave()


async def test_a_client_that_does_not_stop_talking_is_closed_with_4029(make_server: MakeServer) -> None:
    server = make_server(messages_per_s=20, message_burst=64)
    observer = await conversation(server)
    observer.send_bytes(frame(TEXT, PING_COMMAND) * 200)
    assert await observer.ended(CLOSE_S) == 4029
    assert await gone(server)


@pytest.mark.parametrize(
    "spoken",
    [b"", b"G", b"GET /ws HTTP/1.1\r\nHost: x\r\n", b"GET /ws HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 1000],
    ids=["silent", "one byte", "half a head", "half a header"],
)
async def test_who_does_not_finish_the_request_head_is_dropped(make_server: MakeServer, spoken: bytes) -> None:
    server = make_server(handshake_timeout_s=0.3)
    reader, writer = await asyncio.open_connection(address_of(server).host, address_of(server).port)
    try:
        writer.write(spoken)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            async with asyncio.timeout(2.0):
                await reader.readexactly(1)
    finally:
        writer.close()


async def test_a_head_that_drips_is_dropped_at_the_same_deadline(make_server: MakeServer) -> None:
    """A byte now and then must not win time (slow loris)."""
    server = make_server(handshake_timeout_s=0.5)
    reader, writer = await asyncio.open_connection(address_of(server).host, address_of(server).port)
    dripped = 0
    try:
        for byte in b"GET /healthz HTTP/1.1\r\n" + b"X-Slow: yes\r\n" * 20:
            writer.write(bytes((byte,)))
            dripped += 1
            await asyncio.sleep(0.02)
            if reader.at_eof() or reader.exception() is not None:
                break
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert dripped < 60, "1.2 s of dripping were allowed, the deadline is 0.5 s"


async def test_a_kept_connection_that_goes_silent_after_a_request_is_dropped(make_server: MakeServer) -> None:
    server = make_server(handshake_timeout_s=0.3)
    reader, writer = await asyncio.open_connection(address_of(server).host, address_of(server).port)
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"}"), 2.0)
        assert head.startswith(b"HTTP/1.1 200")
        writer.write(b"GET /healthz HTTP/1.1\r\nHost:")
        async with asyncio.timeout(2.0):
            assert await reader.read() == b""
    except ConnectionError:
        pass
    finally:
        writer.close()
