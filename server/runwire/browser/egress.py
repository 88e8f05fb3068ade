"""The only way out of a browser context: a small proxy of its own. Floor 4; the host's loop only.

Each context is made with a proxy on a random loopback port. The proxy resolves the name once, checks every address
that it leads to, and connects to the checked one, so that redirects, page WebSockets and names that change their
address between check and use (DNS rebinding) have no way around it; a ``context.route`` guard misses all three, and
turns the page's cache off. Chromium sends loopback addresses through it too, and WebRTC is told to use nothing else.

Plain requests are answered one per connection: the head is rewritten, so the next one gets checked anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from runwire.browser.egress_policy import PROXY_HEADER, EgressPolicy, host_and_port
from runwire.errors import BrowserError
from runwire.protocol.addresses import Address, as_address

MAX_HEAD = 65_536
"""Most bytes of a request's head; Chromium itself sends at most 256 KiB, sites accept 8 to 64."""
HEAD_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
DELIVERY_TIMEOUT_S = 30.0
"""How long the last bytes of an answer may take to reach Chromium, over loopback; a guess that only a frozen one
reaches.
"""
MAX_CONNECTIONS = 256
"""Most connections of one run at once; Chromium keeps to 32 a proxy, the rest is for WebSockets. A guess."""
_CHUNK = 65_536
_HOP_BY_HOP = frozenset({b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive"})


class Denied(Exception):
    """The policy says no; ``args[0]`` is why."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: bytes
    target: str
    version: bytes
    headers: tuple[bytes, ...]


class EgressProxy:
    """One context's way out. Made closed: until :meth:`admit` sets a policy, nothing passes."""

    def __init__(self) -> None:
        self._policy: EgressPolicy | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.denied: deque[str] = deque(maxlen=32)
        self.port = 0

    @property
    def url(self) -> str:
        """The address that the context is given."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on a random loopback port. Raises OSError."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    def admit(self, policy: EgressPolicy) -> None:
        """Let the run that owns the context out, as far as its policy goes."""
        self._policy = policy

    async def close(self) -> None:
        """Stop listening and cut what is open. Idempotent; waits for no peer."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=0.2)

    async def check(self, url: str) -> None:
        """Raises BrowserError, with the reason, if a page at ``url`` could not get out."""
        if url == "about:blank":
            return
        try:
            await self._addresses(*host_and_port(url))
        except Denied as error:
            raise BrowserError(f"{url[:200]} may not be visited: {error}", denied=url[:200]) from error
        except OSError as error:
            raise BrowserError(f"{url[:200]} could not be reached: {error}") from error

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
            async with asyncio.timeout(DELIVERY_TIMEOUT_S):
                writer.close()
                await writer.wait_closed()
        except (
            OSError,
            EOFError,
            TimeoutError,
            ValueError,
            BrowserError,
        ):  # the peer left, or what it sent is no request
            pass
        except asyncio.CancelledError:
            # asyncio's server reports a cancelled handler as an error of ours; the cancellation is close(), nobody
            # waits.
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            request = _parse(await reader.readuntil(b"\r\n\r\n"))
        tunnel = request.method == b"CONNECT"
        host, port = _authority(request.target) if tunnel else host_and_port(request.target)
        try:
            upstream_reader, upstream = await self._connect(host, port, tunnel=tunnel)
        except Denied as error:
            self.denied.append(str(error))
            await _answer(writer, "403 Forbidden", str(error))
            return
        except OSError as error:
            await _answer(writer, "502 Bad Gateway", f"no connection to {host}:{port}: {error.strerror or error}")
            return
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream.write(_forwarded(request))
            await _splice(reader, writer, upstream_reader, upstream, None if tunnel else _body_length(request))
        finally:
            upstream.transport.abort()

    async def _addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of ``host``, all of them allowed. One that is not denies the name as a whole."""
        if self._policy is None:
            raise Denied("the context belongs to no run yet")
        if (reason := self._policy.may_name(host, port)) is not None:
            raise Denied(reason)
        literal = as_address(host)
        addresses = [literal] if literal else await _resolve(host, port)
        for address in addresses:
            if (reason := self._policy.may_connect(host, port, address)) is not None:
                raise Denied(reason)
        return addresses

    async def _connect(
        self, host: str, port: int, *, tunnel: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if tunnel and self._policy is not None and (host, port) == self._policy.debugging:
            return await asyncio.open_connection(host, port)
        refused: OSError = OSError(f"{host} has no address")
        for address in await self._addresses(host, port):
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    return await asyncio.open_connection(str(address), port)
            except TimeoutError:
                refused = OSError(f"{host} did not answer within {CONNECT_TIMEOUT_S:g} s")
            except OSError as error:
                refused = error
        raise refused


async def _resolve(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise OSError(f"the name {host} could not be resolved within {CONNECT_TIMEOUT_S:g} s") from error
    except UnicodeError as error:  # a label that IDNA forbids
        raise OSError(f"the name {host!r} is none") from error
    addresses = (as_address(str(sockaddr[0])) for *_, sockaddr in found)
    return list(dict.fromkeys(address for address in addresses if address is not None))


def _parse(head: bytes) -> _Request:
    """Return the request's head. Raises ValueError."""
    line, *headers = head[:-4].split(b"\r\n")
    method, target, version = line.split(b" ")
    return _Request(method, target.decode("ascii"), version, tuple(headers))


def _authority(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host.strip("[]").rstrip(".").lower(), int(port)


def _forwarded(request: _Request) -> bytes:
    """Return the head for the origin server: path instead of address, closed after the answer unless it is an
    upgrade.
    """
    parts = urlsplit(request.target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    upgrade = any(header.lower().startswith(b"upgrade:") for header in request.headers)
    kept = [header for header in request.headers if header.partition(b":")[0].strip().lower() not in _HOP_BY_HOP]
    kept.append(b"Connection: Upgrade" if upgrade else b"Connection: close")
    return b"\r\n".join([b" ".join([request.method, path.encode("ascii"), b"HTTP/1.1"]), *kept]) + b"\r\n\r\n"


async def _answer(writer: asyncio.StreamWriter, status: str, reason: str) -> None:
    body = reason.encode("utf-8", "replace")
    head = (
        f"HTTP/1.1 {status}\r\n{PROXY_HEADER}: 1\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode("ascii") + body)
    await writer.drain()


def _body_length(request: _Request) -> int | None:
    """Return how many bytes follow the head, None for an upgrade (no end). Raises ValueError.

    What comes after them would be another request: it must come on a connection of its own, to be checked like this
    one.
    """
    length = 0
    for header in request.headers:
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"upgrade":
            return None
        if name.strip().lower() == b"transfer-encoding":
            raise ValueError("a browser sends no chunked request over HTTP/1.1")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return length


async def _splice(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream_reader: asyncio.StreamReader,
    upstream: asyncio.StreamWriter,
    outward_bytes: int | None,
) -> None:
    """Carry bytes both ways until the origin server has ended; at most ``outward_bytes`` to it (None: no limit)."""
    outward = asyncio.create_task(_pump(reader, upstream, outward_bytes))
    try:
        await _pump(upstream_reader, writer, None)
    finally:
        outward.cancel()
        await asyncio.wait([outward])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
    left = limit
    with contextlib.suppress(OSError):  # either side left: the other ends with it
        while left is None or left > 0:
            chunk = await reader.read(_CHUNK if left is None else min(_CHUNK, left))
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
            left = None if left is None else left - len(chunk)
        if limit is None and writer.can_write_eof():
            writer.write_eof()
            await writer.drain()
