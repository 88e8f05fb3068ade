"""uvicorn, with signals that drain instead of dropping. Floor 6; main thread.

First signal: no new runs, the running ones get their time, states are written, followers get them, sockets are closed
(1000 or 1012). Second signal: at once; the database is consistent at every moment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import FrameType

import structlog
import uvicorn
from starlette.types import ASGIApp

from runwire.errors import ConfigurationError
from runwire.protocol.close_codes import CloseCode
from runwire.settings import Settings
from runwire.web.connection import Connections
from runwire.web.safe_ws import protocol_classes

log = structlog.get_logger(__name__)

FLUSH_BY_HAND_S, FLUSH_S = 0.25, 3.0
"""How long followers have to take what is committed: after Ctrl-C (less than 3 s in all), and after SIGTERM."""

FLUSH_LOOK_S = 0.01

CLOSE_S = 0.25
"""How long peers have to answer their close frame."""

DATE_TICK_S = 1.0


class Serving:
    """What the server asks of the house while it ends: set by the house's start-up."""

    def __init__(self) -> None:
        self.connections: Connections | None = None
        self.drain: Callable[[float], Awaitable[None]] | None = None
        self.listening: Callable[[str], None] | None = None


class DrainingServer(uvicorn.Server):
    """A uvicorn server that owns its signals and never waits for a peer."""

    def __init__(
        self, config: uvicorn.Config, settings: Settings, serving: Serving, house: AbstractAsyncContextManager[None]
    ) -> None:
        """``house`` is everything behind the doors: entered before the server listens, left after the last socket."""
        super().__init__(config)
        self._house = house
        self._open = AsyncExitStack()
        self._settings = settings
        self._serving = serving
        self._signals: list[int] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the house, listen, then say where.

        Not by the ASGI lifespan: uvicorn turns whatever fails there into a traceback and exit code 3.

        Raises:
            ConfigurationError: the address cannot be listened on.
            RunwireError: what kept the house from starting.
        """
        self._loop = asyncio.get_running_loop()
        await self._open.enter_async_context(self._house)
        try:
            await super().startup(sockets)
        except SystemExit as error:  # uvicorn's word for an address that it cannot have; it has logged why
            await self._open.aclose()
            raise ConfigurationError(f"cannot listen on {self.config.host} port {self.config.port}") from error
        if self.started and self._serving.listening is not None:
            self._serving.listening(origin_of(self.servers))

    async def serve_embedded(self) -> None:
        """Serve until :meth:`stop`, leaving the process's signals alone."""
        await self._serve()

    def stop(self) -> None:
        """End as after a signal; on the server's loop."""
        self.should_exit = True
        self._wake.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal: the first begins the drain, the second ends at once."""
        del frame
        self._signals.append(sig)
        self.should_exit = True
        if len(self._signals) > 1:
            self.force_exit = True
            os._exit(130 if sig == signal.SIGINT else 143)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    async def main_loop(self) -> None:
        """Wait for a signal. uvicorn wakes ten times a second for this; the ``Date`` header needs once."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 10
            try:
                async with asyncio.timeout(DATE_TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, close every socket within a bound, then let uvicorn and the house end."""
        connections, settings = self._serving.connections, self._settings
        if connections is not None and self._serving.drain is not None:
            # Still listening: new runs are refused with 503 and 1013, followers may come back, /readyz says why.
            connections.draining = True
            by_hand = signal.SIGINT in self._signals
            await self._serving.drain(settings.drain_sigint_s if by_hand else settings.drain_sigterm_s)
            for server in self.servers:
                server.close()
            await _close_all(connections, FLUSH_BY_HAND_S if by_hand else FLUSH_S)
        try:
            await super().shutdown(sockets)
        finally:
            await self._open.aclose()


async def _close_all(connections: Connections, flush_s: float) -> None:
    """Let followers take what is committed, then close what has not closed itself: 1012, come back.

    Who does not read is not waited for longer than ``flush_s`` seconds.
    """
    await asyncio.sleep(0)  # the terminal entries that the drain published go out in this turn
    for _ in range(round(flush_s / FLUSH_LOOK_S)):
        if not any(connection.behind() for connection in connections):
            break
        await asyncio.sleep(FLUSH_LOOK_S)
    for connection in connections:
        connection.close(CloseCode.RESTART)
    await connections.wait_empty(CLOSE_S)
    for connection in connections:
        connection.sink.abort()


def origin_of(servers: list[asyncio.base_events.Server]) -> str:
    """Return the address that a browser on this machine would use."""
    host, port = servers[0].sockets[0].getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(
    app: ASGIApp, settings: Settings, serving: Serving, house: AbstractAsyncContextManager[None]
) -> DrainingServer:
    """Return the server for ``app`` and the ``house`` behind it, not yet listening."""
    http, websocket = protocol_classes(settings.handshake_timeout_s)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=http,
        ws=websocket,
        loop="asyncio",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws_max_size=settings.message_bytes,
        ws_ping_interval=settings.ping_interval_s,
        ws_ping_timeout=settings.ping_timeout_s,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=32_768,
    )
    return DrainingServer(config, settings, serving, house)
