"""A peer that speaks bytes: for what a well-behaved client never does."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.support.deadlines import CONNECT_S, MESSAGE_S

TEXT, BINARY, CLOSE, PING, CONTINUATION = 1, 2, 8, 9, 0


class RawPeer:
    """A TCP connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def upgrade(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Ask for a WebSocket; return the status and, if it is not 101, the body."""
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await self.read_until(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = next((int(v) for k, v in _headers(head) if k == b"content-length"), 0)
        body = b"" if status == 101 else await asyncio.wait_for(self.reader.readexactly(length), MESSAGE_S)
        return status, body

    async def read_until(self, mark: bytes) -> bytes:
        """Return everything up to and including ``mark``."""
        return await asyncio.wait_for(self.reader.readuntil(mark), MESSAGE_S)

    def send_frame(self, opcode: int, payload: bytes = b"", *, final: bool = True) -> None:
        """Send one masked frame."""
        self.writer.write(masked_frame(opcode, payload, final=final))

    async def read_frame(self, within_s: float = MESSAGE_S) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload. Raises IncompleteReadError at the end of the stream."""
        async with asyncio.timeout(within_s):
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            return first & 0x0F, await self.reader.readexactly(size)

    async def close_code(self, within_s: float = MESSAGE_S) -> int:
        """Skip frames until the close frame and return its code."""
        async with asyncio.timeout(within_s):
            while True:
                opcode, payload = await self.read_frame(within_s)
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big")

    async def gone(self, within_s: float = MESSAGE_S) -> bool:
        """Return whether the server ends the connection in time."""
        try:
            async with asyncio.timeout(within_s):
                while await self.reader.read(65_536):
                    continue
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


def masked_frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """Return one frame as a client sends it."""
    mask = os.urandom(4)
    size = len(payload)
    head = bytes([opcode | (0x80 if final else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + masked


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = head.split(b"\r\n")[1:]
    return [(k.strip().lower(), v.strip()) for k, _, v in (line.partition(b":") for line in lines)]


@asynccontextmanager
async def raw_peer(origin: str) -> AsyncIterator[RawPeer]:
    """Connect, and drop the connection in the end."""
    parts = urlsplit(origin)
    assert parts.hostname is not None
    opening = asyncio.open_connection(parts.hostname, parts.port)
    reader, writer = await asyncio.wait_for(opening, CONNECT_S)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.transport.abort()
