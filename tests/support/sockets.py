"""A WebSocket client for tests: every wait has a deadline, every frame is kept as it came."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.deadlines import CONNECT_S, MESSAGE_S, WAIT_S

Frame = dict[str, Any]


class Served(Protocol):
    """What a test needs of a server to connect to it."""

    @property
    def ws_origin(self) -> str:
        """Where sockets connect to."""

    @property
    def token(self) -> str:
        """The token to use unless another is named."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Everything that came until the socket was closed, and how it was closed."""

    frames: list[Frame]
    raw: list[bytes]
    code: int
    reason: str


class Socket:
    """One socket. ``raw`` holds every text frame that was received so far, ``pictures`` the binary ones not taken."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.raw: list[bytes] = []
        self.pictures: list[bytes] = []

    @property
    def frames(self) -> list[Frame]:
        """Every frame that was received so far, decoded."""
        return [json.loads(frame) for frame in self.raw]

    @property
    def response_headers(self) -> Any:
        """The headers of the 101."""
        assert self._connection.response is not None
        return self._connection.response.headers

    async def send(self, message: Any) -> None:
        """Send a value as JSON; text and bytes go as they are."""
        raw = message if isinstance(message, (str, bytes)) else json.dumps(message)
        await self._connection.send(raw)

    async def next(self, within_s: float = MESSAGE_S) -> Frame:
        """Return the next frame, decoded."""
        async with asyncio.timeout(within_s):
            while (received := await self._connection.recv(decode=False))[:1] != b"{":
                self.pictures.append(received)
        self.raw.append(received)
        frame: Frame = json.loads(received)
        return frame

    async def picture(self, within_s: float = MESSAGE_S) -> bytes:
        """Return the next binary frame; the others that come before it stay in :attr:`raw`."""
        if not self.pictures:
            async with asyncio.timeout(within_s):
                while (received := await self._connection.recv(decode=False))[:1] == b"{":
                    self.raw.append(received)
            return received
        return self.pictures.pop(0)

    async def until(self, kind: str, within_s: float = MESSAGE_S, **facts: Any) -> Frame:
        """Return the next frame of that ``type`` whose fields are as given; those before it stay in :attr:`raw`."""
        async with asyncio.timeout(within_s):
            while True:
                frame = await self.next(within_s)
                if frame["type"] == kind and all(frame.get(name) == value for name, value in facts.items()):
                    return frame

    async def until_said(self, name: str, within_s: float = MESSAGE_S, *, run_id: str | None = None) -> None:
        """Wait until the ``CUSTOM`` event of that name has come, alone or in a batch."""
        async with asyncio.timeout(within_s):
            while name not in said(log_of(self.frames, run_id)):
                await self.next(within_s)

    async def until_end(self, run_id: str, within_s: float = MESSAGE_S) -> Frame:
        """Wait until a followed run's ``end`` has come, perhaps already before a reply."""
        async with asyncio.timeout(within_s):
            while True:
                for frame in self.frames:
                    if frame["type"] == "end" and frame["run_id"] == run_id:
                        return frame
                await self.next(within_s)

    async def command(self, op: str, **arguments: Any) -> Frame:
        """Send a command and return its reply; what came before the reply stays in :attr:`raw`."""
        number = next(self._ids)
        await self.send({"id": number, "op": op, **arguments})
        return await self.until("reply", id=number)

    async def ok(self, op: str, **arguments: Any) -> Frame:
        """Send a command that must succeed and return its result."""
        reply = await self.command(op, **arguments)
        assert reply["ok"], reply
        result: Frame = reply["result"]
        return result

    async def refused(self, op: str, **arguments: Any) -> Frame:
        """Send a command that must be refused and return its error."""
        reply = await self.command(op, **arguments)
        assert not reply["ok"], reply
        error: Frame = reply["error"]
        assert set(error) == {"code", "message", "retryable", "details"}
        return error

    async def to_the_end(self, within_s: float = WAIT_S) -> Ending:
        """Receive until the server closes."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    self.raw.append(await self._connection.recv(decode=False))
                except ConnectionClosed:
                    break
        code = self._connection.close_code
        assert code is not None
        return Ending(self.frames, self.raw, code, self._connection.close_reason or "")

    async def nothing_for(self, quiet_s: float) -> None:
        """Check that no frame comes for ``quiet_s`` seconds."""
        try:
            async with asyncio.timeout(quiet_s):
                received = await self._connection.recv(decode=False)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected frame: {received[:200]!r}")

    async def closed_with(self, within_s: float = MESSAGE_S) -> int | None:
        """Wait until the server closes and return its code."""
        async with asyncio.timeout(within_s):
            await self._connection.wait_closed()
        return self._connection.close_code

    def pause(self) -> None:
        """Read nothing from the network until :meth:`resume`."""
        self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._connection.transport.resume_reading()

    def drop(self) -> None:
        """Leave without a word, as a lost network does."""
        self._connection.transport.abort()


@asynccontextmanager
async def opened(
    server: Served, path: str, *, token: str | None = None, headers: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[Socket]:
    """Open a socket; ``token=""`` sends none, None the server's own."""
    chosen = server.token if token is None else token
    sent = {**(headers or {}), **({"Authorization": f"Bearer {chosen}"} if chosen else {})}
    async with connect(
        server.ws_origin + path,
        additional_headers=sent,
        open_timeout=CONNECT_S,
        close_timeout=2,
        ping_interval=None,
        max_size=None,
        max_queue=None,
        compression=None,
        proxy=None,
        **options,
    ) as connection:
        yield Socket(connection)


@asynccontextmanager
async def following(
    server: Served, run_id: str, *, token: str | None = None, headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[Socket]:
    """Open a follow socket; ``query`` is ``after``, ``epoch``, ``follow``, ``batch``."""
    path = f"/ws/runs/{run_id}" + (f"?{urlencode(query)}" if query else "")
    async with opened(server, path, token=token, headers=headers) as socket:
        yield socket


@asynccontextmanager
async def conversing(server: Served, *, token: str | None = None) -> AsyncIterator[Socket]:
    """Open a command socket and take its ``hello``."""
    async with opened(server, "/ws", token=token) as socket:
        hello = await socket.next()
        assert hello["type"] == "hello"
        yield socket


def log_of(frames: list[Frame], run_id: str | None = None) -> list[Frame]:
    """Return the entries among frames, batches taken apart; of one run if it is named."""
    entries: list[Frame] = []
    for frame in frames:
        if frame["type"] == "batch":
            entries += frame["entries"]
        elif frame["type"] in ("event", "state"):
            entries.append(frame)
    return [entry for entry in entries if run_id in (None, entry["run_id"])]


def statuses(entries: list[Frame]) -> list[str]:
    """Return the states among entries, in order."""
    return [entry["data"]["status"] for entry in entries if entry["type"] == "state"]


def said(entries: list[Frame]) -> list[Any]:
    """Return the names of the ``CUSTOM`` events among entries, in order."""
    return [e["data"]["name"] for e in entries if e["type"] == "event" and e["data"]["type"] == "CUSTOM"]
