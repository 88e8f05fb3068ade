"""Many client sockets in one thread over epoll: the load generator's engine. Knows framing, not Runwire's messages.

Written without asyncio because an asyncio callback costs more than the whole of a ``recv`` here, and the generator must
never be what limits a figure (``python -m bench.load --self-test`` shows its ceiling).
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Self

from bench.wire import FrameReader, WireError, close_reply, handshake_request

_CHUNK: Final = 1 << 18
"""Bytes a ``recv`` may bring; a larger one gains nothing measurable."""
_CONNECT_TIMEOUT_S: Final = 25.0


class Stalled(Exception):
    """The servers did not do what a scenario waits for within its time."""


@dataclass(slots=True, eq=False)
class Connection:
    """One client socket and all that it received.

    ``texts[i]`` arrived at ``times[i]`` (seconds of CLOCK_MONOTONIC, which all processes share). ``on_text`` is called
    instead of storing if it is set. ``closed`` is true after end of file; ``close_code`` is the close frame's, if one
    came.
    """

    sock: socket.socket
    reader: FrameReader
    texts: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    on_text: Callable[[Connection, bytes, float], None] | None = None
    closed: bool = False

    @property
    def close_code(self) -> int | None:
        """The code of the server's close frame, None if none was read."""
        return self.reader.close_code

    def send(self, frame: bytes) -> None:
        """Write a whole frame; client frames are small, so a full buffer is an error here."""
        if self.sock.send(frame) != len(frame):
            raise Stalled("the server does not read what the generator sends")

    def take(self, chunk: bytes, now: float) -> None:
        """Digest one chunk: store or hand on its texts, answer pings and a close."""
        texts = self.reader.feed(chunk)
        if self.on_text is None:
            self.texts += texts
            self.times += [now] * len(texts)
        else:
            for text in texts:
                self.on_text(self, text, now)
        if self.reader.pings:
            self.send(self.reader.take_pongs())


class Swarm:
    """Owns its connections; a context manager that closes them all."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._epoll = select.epoll()
        self._by_fd: dict[int, Connection] = {}
        self.connections: list[Connection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections:
            connection.sock.close()
        self._epoll.close()

    def open(self, path: str, headers: Mapping[str, str]) -> Connection:
        """Connect and upgrade, blocking up to 25 s; what follows the handshake in its packet is kept.

        Raises:
            WireError: the server answered anything but 101.
        """
        sock = socket.create_connection(self._address, timeout=_CONNECT_TIMEOUT_S)
        connection = Connection(sock, FrameReader())
        self.connections.append(connection)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(handshake_request("127.0.0.1", path, headers))
        rest = _read_response_head(sock)
        sock.setblocking(False)
        self._by_fd[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        if rest:
            connection.take(rest, perf_counter())
        return connection

    def poll(self, timeout_s: float) -> None:
        """Read once from every socket that has something; wait at most ``timeout_s`` seconds for the first."""
        for fd, _ in self._epoll.poll(timeout_s):
            connection = self._by_fd[fd]
            try:
                chunk = connection.sock.recv(_CHUNK)
            except ConnectionResetError:
                chunk = b""
            now = perf_counter()
            if not chunk:
                self._forget(fd, connection)
                continue
            connection.take(chunk, now)
            if connection.reader.close_code is not None:
                connection.sock.send(close_reply(connection.reader.close_code))
                self._forget(fd, connection)

    def run_until(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Poll until ``done()``.

        Raises:
            Stalled: it did not come true within ``timeout_s`` seconds; names ``what``.
        """
        deadline = perf_counter() + timeout_s
        while not done():
            left = deadline - perf_counter()
            if left <= 0:
                raise Stalled(f"{what} did not happen within {timeout_s:g} s")
            self.poll(min(left, 0.25))

    def run_for(self, seconds: float) -> None:
        """Poll for ``seconds``."""
        deadline = perf_counter() + seconds
        while (left := deadline - perf_counter()) > 0:
            self.poll(left)

    def run_until_closed(self, timeout_s: float) -> None:
        """Poll until every connection is closed by the server."""
        self.run_until(lambda: not self._by_fd, timeout_s, "the end of all streams")

    def _forget(self, fd: int, connection: Connection) -> None:
        self._epoll.unregister(fd)
        del self._by_fd[fd]
        connection.closed = True
        connection.sock.close()


def _read_response_head(sock: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = sock.recv(65_536)
        if not chunk:
            raise WireError(f"the server closed during the handshake after {head[:200]!r}")
        head += chunk
    response, _, rest = head.partition(b"\r\n\r\n")
    if not response.startswith(b"HTTP/1.1 101 "):
        raise WireError(f"no upgrade: {response[:200]!r} {rest[:200]!r}")
    return rest
