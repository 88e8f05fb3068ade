"""One POST to somebody else's server, which may be hostile. Floor 5; the server's loop.

The name is resolved once, every address that it leads to is checked, and the checked address is the one that is
connected to: a name that changes in between changes nothing. Nothing is followed (redirects), kept (cookies,
connections) or read (bodies, but for a little to end the exchange), and all of it has one deadline.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from runwire.engine.daemon_executor import DaemonExecutor
from runwire.protocol.addresses import Allowed

if TYPE_CHECKING:
    import httpcore

DISCARDED_BYTES = 65_536
"""How much of an answer's body is read, and thrown away, at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt brought: an HTTP status, or why there is none."""

    status: int | None
    error: str | None = None


class _Refused(Exception):
    """The address may not be connected to."""


class WebhookSender:
    """Sends. Made once; imports its library with the first delivery."""

    def __init__(self, allowed: Allowed, timeout_s: float) -> None:
        """``timeout_s``: for one attempt in all, seconds."""
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._resolvers = DaemonExecutor("runwire-webhooks")
        self._tls: ssl.SSLContext | None = None

    def close(self) -> None:
        """Let the threads that resolve names end."""
        self._resolvers.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST once; never raises for what the other end or the network does."""
        import httpcore

        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        pool = httpcore.AsyncConnectionPool(self._tls, max_connections=1, network_backend=self._backend())
        try:
            async with asyncio.timeout(self._timeout_s), pool:
                async with pool.stream("POST", url, headers=list(headers.items()), content=body) as response:
                    await _discard(response)
                return Answer(response.status)
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout_s:g} s")
        except _Refused as error:
            return Answer(None, str(error))
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            return Answer(None, f"{type(error).__name__}: {error}"[:500])

    def _backend(self) -> httpcore.AsyncNetworkBackend:
        import httpcore

        inner, check = httpcore.AnyIOBackend(), self._checked_address

        class Guarded(httpcore.AsyncNetworkBackend):
            """Connects to checked addresses alone."""

            async def connect_tcp(
                self,
                host: str,
                port: int,
                timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
                local_address: str | None = None,
                socket_options: Iterable[Any] | None = None,
            ) -> httpcore.AsyncNetworkStream:
                address = await check(host, port)
                return await inner.connect_tcp(address, port, timeout, local_address, socket_options)

            async def connect_unix_socket(
                self,
                path: str,
                timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
                socket_options: Iterable[Any] | None = None,
            ) -> httpcore.AsyncNetworkStream:
                raise _Refused("a webhook goes over the network")

            async def sleep(self, seconds: float) -> None:
                await asyncio.sleep(seconds)

        return Guarded()

    async def _checked_address(self, host: str, port: int) -> str:
        """Return an address of ``host``; one that is refused refuses them all."""
        look_up: Callable[[], Any] = lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # noqa: E731
        found = await asyncio.wrap_future(self._resolvers.submit(look_up))
        addresses = [ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
        for address in addresses:
            if (reason := self._allowed.why_not(host.rstrip(".").lower(), address)) is not None:
                raise _Refused(reason)
        return str(addresses[0])


async def _discard(response: httpcore.Response) -> None:
    """Read a little of the answer's body, so that a usual exchange ends in order."""
    left = DISCARDED_BYTES
    async for piece in response.aiter_stream():
        left -= len(piece)
        if left <= 0:
            return
