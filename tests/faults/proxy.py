"""A TCP proxy that misbehaves on purpose, in front of a server. The test's loop.

Each direction of each connection is a :class:`Pipe` with its own faults, which may be changed while it runs: latency,
bandwidth, a black hole, slicing, a cut after n bytes, a slow close. A connection as a whole can be reset.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Final, Self

READ_BYTES: Final = 65_536


class Way(Enum):
    """A direction."""

    UP = "client to server"
    DOWN = "server to client"


@dataclass(slots=True)
class Faults:
    """What happens to the bytes of one direction; the defaults do nothing. May be changed at any time.

    ``latency_s`` delays every piece; ``bytes_per_s`` bounds the speed; ``slice_bytes`` writes at most so many bytes at
    once; ``cut_after`` resets the connection behind that many bytes; ``hole`` swallows everything, and says nothing of
    an end either; ``stalled`` stops reading, so that the sender's buffers fill; ``close_after_s`` delays an end.
    """

    latency_s: float = 0.0
    bytes_per_s: float | None = None
    slice_bytes: int | None = None
    cut_after: int | None = None
    hole: bool = False
    stalled: bool = False
    close_after_s: float = 0.0


class Pipe:
    """One direction of one connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Faults, reset: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._reset = reset
        self.faults = faults
        self.passed_bytes = 0

    async def pump(self) -> None:
        """Carry bytes until either end goes."""
        try:
            while data := await self._read():
                await self._carry(data)
            await self._forever_if(lambda: self.faults.hole)
            await asyncio.sleep(self.faults.close_after_s)
            if self._writer.can_write_eof():
                self._writer.write_eof()
        except (ConnectionError, RuntimeError):  # RuntimeError: the other direction has closed this writer
            self._reset()

    async def _read(self) -> bytes:
        await self._forever_if(lambda: self.faults.stalled)
        rate = self.faults.bytes_per_s
        return await self._reader.read(READ_BYTES if rate is None else max(1, int(rate / 20)))

    async def _forever_if(self, condition: Callable[[], bool]) -> None:
        while condition():  # noqa: ASYNC110  # a test sets plain fields, at any moment
            await asyncio.sleep(0.02)

    async def _carry(self, data: bytes) -> None:
        faults = self.faults
        if faults.hole:
            return
        if faults.latency_s:
            await asyncio.sleep(faults.latency_s)
        if faults.bytes_per_s is not None:
            await asyncio.sleep(len(data) / faults.bytes_per_s)
        if faults.cut_after is not None and self.passed_bytes + len(data) >= faults.cut_after:
            self._writer.write(data[: faults.cut_after - self.passed_bytes])
            await self._writer.drain()
            self.passed_bytes = faults.cut_after
            self._reset()
            return
        step = faults.slice_bytes or len(data)
        for start in range(0, len(data), step):
            self._writer.write(data[start : start + step])
            await self._writer.drain()
            if faults.slice_bytes:
                await asyncio.sleep(0)
        self.passed_bytes += len(data)


class Link:
    """One connection through the proxy."""

    def __init__(self) -> None:
        self.up: Pipe | None = None
        self.down: Pipe | None = None
        self._writers: tuple[asyncio.StreamWriter, ...] = ()

    async def carry(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        up: Faults,
        down: Faults,
    ) -> None:
        """Carry both directions until the connection is over."""
        self._writers = (client[1], server[1])
        self.up = Pipe(client[0], server[1], up, self.reset)
        self.down = Pipe(server[0], client[1], down, self.reset)
        try:
            await asyncio.gather(self.up.pump(), self.down.pump())
        finally:
            for writer in self._writers:
                writer.close()

    def reset(self) -> None:
        """End both sides with RST; what is buffered is lost."""
        for writer in self._writers:
            sock: socket.socket | None = writer.get_extra_info("socket")
            if sock is not None and not writer.transport.is_closing():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass(slots=True)
class FaultProxy:
    """Listens on a free port of 127.0.0.1 and carries every connection to ``port``. An async context manager.

    ``up`` and ``down`` are the faults of new connections; ``faults_for`` may give each connection its own.
    """

    port: int
    up: Faults = field(default_factory=Faults)
    down: Faults = field(default_factory=Faults)
    faults_for: Callable[[], tuple[Faults, Faults]] | None = None
    receive_buffer_bytes: int | None = None
    links: list[Link] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def own_port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self.links:
            link.reset()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await self._open()
        except OSError:
            writer.transport.abort()
            return
        link = Link()
        self.links.append(link)
        up, down = self.faults_for() if self.faults_for is not None else (self.up, self.down)
        await link.carry((reader, writer), server, up, down)

    def _open(self) -> Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        sock = socket.socket()
        if self.receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer_bytes)
        return _connected(sock, self.port)

    def reset_all(self) -> None:
        """Reset every connection."""
        for link in self.links:
            link.reset()
        self.links.clear()


async def _connected(sock: socket.socket, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise
