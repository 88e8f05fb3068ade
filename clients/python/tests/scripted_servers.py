"""Real servers on real sockets that do what a test's script says, and a clock that never waits. One event loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from clients.python.tests import wire
from runwire_client.timing import Timing

TOKEN = "t0ken"

QUICK = Timing(connect_timeout_s=2.0, request_timeout_s=3.0, close_timeout_s=0.5)
"""Short enough that a broken test fails within its limit of 10 s."""

Script = Callable[[ServerConnection], Awaitable[None]]


class QuickClock:
    """Real time plus what was slept: waits are noted, not waited."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    def now_s(self) -> float:
        """Return monotonic seconds, as if all sleeps had been real."""
        return time.monotonic() + sum(self.slept_s)

    async def sleep(self, delay_s: float) -> None:
        """Note the wait and let other tasks run."""
        self.slept_s.append(delay_s)
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Refuse:
    """Answer the upgrade with a status and a problem."""

    status: int
    code: str = "refused"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class SocketServer:
    """A WebSocket server; connection n follows script n, and one beyond the last fails the test."""

    scripts: list[Script | Refuse]
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    ended: asyncio.Queue[int | None] = field(default_factory=asyncio.Queue)
    listening: Server | None = None

    def stop(self) -> None:
        """Stop listening and close what is open with 1012."""
        assert self.listening is not None
        self.listening.close(code=1012)

    def query(self, number: int) -> dict[str, str]:
        """The query of upgrade ``number``."""
        return dict(parse_qsl(urlsplit(self.requests[number].path).query))

    def on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Note the upgrade; refuse it if so scripted."""
        self.requests.append(request)
        script = self.scripts[len(self.requests) - 1] if len(self.requests) <= len(self.scripts) else Refuse(410)
        if not isinstance(script, Refuse):
            connection.script = script  # type: ignore[attr-defined]
            return None
        response = connection.respond(script.status, json.dumps({"title": "Refused", "code": script.code}))
        for name, value in script.headers.items():
            response.headers[name] = value
        return response

    async def on_socket(self, connection: ServerConnection) -> None:
        """Carry out the script; note the code that the client saw or sent."""
        # A client that leaves in the middle of the script is part of some tests.
        with suppress(ConnectionClosed):
            await connection.script(connection)  # type: ignore[attr-defined]
        await connection.wait_closed()
        self.ended.put_nowait(connection.close_code)


@asynccontextmanager
async def socket_server(*scripts: Script | Refuse) -> AsyncGenerator[SocketServer, None]:
    """A server on a free port; leaving the block ends it and whatever still hangs on it."""
    server = SocketServer(list(scripts))
    async with serve(
        server.on_socket,
        "127.0.0.1",
        0,
        process_request=server.on_request,
        subprotocols=[Subprotocol("runwire.v1")],
        compression=None,
        ping_interval=None,
        close_timeout=0.5,
    ) as listening:
        server.listening = listening
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server


def says(*messages: str | dict[str, Any], close: int | None = None, abort: bool = False) -> Script:
    """A script: send these, then close with a code, abort the transport, or stay silent until the peer goes."""

    async def script(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(message if isinstance(message, str) else json.dumps(message))
        if abort:
            # The bytes must have left, or the abort would discard them with the socket's buffer.
            await asyncio.wait_for(_drained(connection), 2.0)
            connection.transport.abort()
        elif close == 1005:
            connection.transport.write(b"\x88\x00")  # A close frame without a code; the library never writes one.
            await connection.wait_closed()
        elif close is not None:
            await connection.close(close, "scripted")
        else:
            await connection.wait_closed()

    return script


async def _drained(connection: ServerConnection) -> None:
    pong = await connection.ping()
    await pong


def run_from(after: int, rows: Sequence[dict[str, Any]]) -> list[str | dict[str, Any]]:
    """The whole of a resumed follow: greeting, and what stands behind the cursor."""
    return [wire.connected(len(rows)), *rows[after:]]


@dataclass(frozen=True)
class Answer:
    """One HTTP reply; ``lost`` cuts the connection after the request was read, ``never`` keeps it waiting."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    never: bool = False


@dataclass
class Asked:
    """One HTTP request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class HttpServer:
    """An HTTP/1.1 server; request n gets answer n, and one beyond the last gets 410."""

    answers: list[Answer]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the peer goes."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(_parsed(head), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # The client has closed its connection, or the script cuts it.
        finally:
            writer.transport.abort()

    async def _answer(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await reader.readexactly(int(asked.headers.get("content-length", "0")))
        asked.body = json.loads(raw) if raw else None
        self.asked.append(asked)
        self.reached.set()
        answer = self.answers[len(self.asked) - 1] if len(self.asked) <= len(self.answers) else Answer(410)
        if answer.never:
            await reader.read()
        if answer.lost or answer.never:
            raise ConnectionResetError
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        lines = [f"HTTP/1.1 {answer.status} Scripted", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()


def _parsed(head: bytes) -> Asked:
    first, *rest = head.decode("ascii").split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in rest if line)
    return Asked(method, path, {name.lower(): value for name, value in headers.items()}, None)


@asynccontextmanager
async def http_server(*answers: Answer) -> AsyncGenerator[HttpServer, None]:
    """A server on a free port."""
    server = HttpServer(list(answers))
    listening = await asyncio.start_server(server.on_connection, "127.0.0.1", 0)
    try:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server
    finally:
        listening.close()
