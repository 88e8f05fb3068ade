"""Somebody else's server that is told of the ends of runs: real sockets, and as ill-behaved as a test wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK, BROKEN, HANGS, GARBAGE, ENDLESS = "204 No Content", "500 Oops", "hangs", "garbage", "endless"
GONE = "410 Gone"


@dataclass
class Received:
    """One request, whole."""

    head: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers request n with ``answers[n]``, the last one for ever."""

    answers: list[str]
    url: str = ""
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and answer it as scripted."""
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            answer = self.answers[min(len(self.received), len(self.answers) - 1)]
            self.received.append(Received(lines[0], headers, body))
            await self._answer(answer, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, answer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer == HANGS:
            await reader.read()  # until the other end gives up
        elif answer == GARBAGE:
            writer.write(b"\x00\xff no HTTP at all\r\n\r\n")
        elif answer == ENDLESS:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                await writer.drain()
        elif answer.startswith("3"):
            writer.write(f"HTTP/1.1 {answer}\r\nLocation: {self.url}/elsewhere\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())


@asynccontextmanager
async def receiving(*answers: str, port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver on loopback for a block."""
    receiver = Receiver(list(answers) or [OK])
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
