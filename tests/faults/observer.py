"""One socket to the server, as a test sees it: every frame with its moment, and exactly how it ended. Test's loop.

An observer obeys no protocol by itself but answering pings and close frames, and even that can be switched off: tests
freeze it, abort it, or make it send whatever bytes they like.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.faults.frames import Entry, ServerFrame, entries_in, parse_frame
from tests.faults.wire import FrameReader, Opcode, frame, upgrade_request

HEAD_END: Final = b"\r\n\r\n"
CONNECT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server (or a proxy in front of it) listens, and a token that it accepts."""

    host: str
    port: int
    token: str


@dataclass(frozen=True, slots=True)
class Wish:
    """How to follow a run. ``pongs``: answer pings; ``receive_buffer_bytes``: ``SO_RCVBUF``, None for the default."""

    after: int | str | None = None
    epoch: str | None = None
    batch: bool = True
    to_the_end: bool = True
    pongs: bool = True
    receive_buffer_bytes: int | None = None

    def path(self, run_id: str) -> str:
        """Return the path and query of the follow socket."""
        query = [f"follow={int(self.to_the_end)}", f"batch={int(self.batch)}"]
        if self.after is not None:
            query.append(f"after={self.after}")
        if self.epoch is not None:
            query.append(f"epoch={self.epoch}")
        return f"/ws/runs/{run_id}?{'&'.join(query)}"


class Observer(asyncio.Protocol):
    """One connection. ``texts[i]`` arrived at ``times[i]`` (monotonic seconds)."""

    def __init__(self, *, pongs: bool = True) -> None:
        self.status: int | None = None
        self.head = b""
        self.body = b""
        self.texts: list[bytes] = []
        self.times: list[float] = []
        self.pings = 0
        self.pongs = 0
        self.received_bytes = 0
        self.close_code: int | None = None
        self.close_reason = b""
        self.cut_by_us = False
        self.lost_at: float | None = None
        self.on_text: Callable[[], None] | None = None
        self._answer_pings = pongs
        self._reader = FrameReader()
        self._answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the answer to the upgrade, then frames."""
        self.received_bytes += len(data)
        if self.status is None:
            self.head += data
            if HEAD_END not in self.head:
                return
            self.head, _, data = self.head.partition(HEAD_END)
            self.status = int(self.head.split(b" ", 2)[1])
            self._answered.set_result(self.status)
        if self.status != 101:
            self.body += data
            return
        for got in self._reader.feed(data):
            self._take(got.opcode, got.payload)
        self._news.set()

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.TEXT:
            self.texts.append(payload)
            self.times.append(time.monotonic())
            if self.on_text is not None:
                self.on_text()
        elif opcode == Opcode.PING:
            self.pings += 1
            if self._answer_pings:
                self.send(Opcode.PONG, payload)
        elif opcode == Opcode.PONG:
            self.pongs += 1
        elif opcode == Opcode.CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
            self.close_reason = payload[2:]
            if self._answer_pings and not self.cut_by_us:
                self.send(Opcode.CLOSE, payload[:2])

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.lost_at = time.monotonic()
        self._news.set()
        if not self._answered.done():
            self._answered.set_exception(ConnectionResetError("the connection ended before an answer"))
            self._answered.exception()  # whoever waits sees it; nobody has to
        if not self._lost.done():
            self._lost.set_result(None)

    # What a test does

    async def answered(self, timeout_s: float = CONNECT_S) -> int:
        """Return the HTTP status of the upgrade. Raises ConnectionResetError or TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(self._answered)

    def send(self, opcode: int, payload: bytes = b"", **more: Any) -> None:
        """Send one frame, see :func:`tests.faults.wire.frame`."""
        self.send_bytes(frame(opcode, payload, **more))

    def send_bytes(self, data: bytes) -> None:
        """Send whatever bytes."""
        assert self.transport is not None
        self.transport.write(data)

    def freeze(self) -> None:
        """Stop reading: what the server sends stays in the kernel's buffers."""
        assert self.transport is not None
        self.transport.pause_reading()

    def thaw(self) -> None:
        """Read again."""
        assert self.transport is not None
        self.transport.resume_reading()

    def cut(self) -> None:
        """Reset the connection (RST), as a dying network does."""
        assert self.transport is not None
        self.cut_by_us = True
        sock: socket.socket | None = self.transport.get_extra_info("socket")
        if sock is not None and not self.transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def leave(self) -> None:
        """Close the TCP connection without a close frame."""
        assert self.transport is not None
        self.cut_by_us = True
        self.transport.close()

    @property
    def lost(self) -> bool:
        """Whether the connection has ended."""
        return self._lost.done()

    async def ended(self, timeout_s: float) -> int | None:
        """Wait for the connection's end; return the close code, None if no close frame came. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(self._lost)
        return self.close_code

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Wait until ``condition()`` holds; looked at with every arrival. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._news.clear()
                if self.lost and not condition():
                    raise ConnectionResetError(f"ended with {self.close_code} before what was waited for")
                await self._news.wait()

    # What came

    def frames(self) -> list[ServerFrame]:
        """Return every text frame, parsed."""
        return [parse_frame(text) for text in self.texts]

    def entries(self) -> list[Entry]:
        """Return the entries of all frames, in the order of arrival."""
        return [entry for text in self.texts for entry in entries_in(text)]

    async def until_seq(self, seq: int, timeout_s: float) -> None:
        """Wait until the entry ``seq`` has come."""
        await self.until(lambda: bool(self.texts) and last_seq(self.texts[-1]) >= seq, timeout_s)


def last_seq(text: bytes) -> int:
    """Return the seq of the last entry in a frame, 0 if it holds none."""
    entries = entries_in(text)
    return entries[-1].seq if entries else 0


async def connect(address: Address, path: str, wish: Wish | None = None, *, token: str | None = None) -> Observer:
    """Open a connection and ask for a WebSocket on ``path``; the answer may still be outstanding.

    ``token`` replaces the address's own; empty: no credentials.
    """
    wish = wish or Wish()
    sock = socket.socket()
    try:
        sock.setblocking(False)
        if wish.receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wish.receive_buffer_bytes)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_S):
            await loop.sock_connect(sock, (address.host, address.port))
        _, observer = await loop.create_connection(lambda: Observer(pongs=wish.pongs), sock=sock)
    except BaseException:
        sock.close()
        raise
    told = address.token if token is None else token
    headers = {"Authorization": f"Bearer {told}"} if told else {}
    observer.send_bytes(upgrade_request(f"{address.host}:{address.port}", path, headers))
    return observer


async def follow(address: Address, run_id: str, wish: Wish | None = None) -> Observer:
    """Open a follow socket and wait for its upgrade. Raises ConnectionError or TimeoutError."""
    wish = wish or Wish()
    observer = await connect(address, wish.path(run_id), wish)
    try:
        status = await observer.answered()
    except BaseException:
        observer.cut()
        raise
    if status != 101:
        raise AssertionError(f"the upgrade was answered {status}: {observer.body[:300]!r}")
    return observer
