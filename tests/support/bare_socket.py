"""Bare ASGI applications on the server's protocol classes, served in the test's own loop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from runwire.protocol.wire import text_frame
from runwire.web.safe_ws import EXTENSION, SafeWebSocketProtocol, Sink, protocol_classes
from tests.faults.observer import Address, Observer, Wish, connect

Application = Callable[[Any, Any, Any], Awaitable[None]]
FROZEN = Wish(pongs=False, receive_buffer_bytes=4096)
PIECE = text_frame(b"x" * 16_000)


class Bare:
    """A bare ASGI application on the protocol classes, in the test's own loop."""

    def __init__(self, server: uvicorn.Server, address: Address) -> None:
        self.server = server
        self.address = address

    @property
    def sockets(self) -> list[SafeWebSocketProtocol]:
        """The server's side of every open WebSocket."""
        connections = self.server.server_state.connections
        return [one for one in connections if isinstance(one, SafeWebSocketProtocol)]

    async def open(self, wish: Wish | None = None) -> Observer:
        """Return an accepted socket."""
        observer = await connect(self.address, "/", wish)
        assert await observer.answered() == 101
        return observer

    async def forgotten(self, within_s: float) -> bool:
        """Return whether the server holds no connection within ``within_s`` seconds."""
        deadline = time.monotonic() + within_s
        while self.server.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110  # uvicorn's own set
            await asyncio.sleep(0.01)
        return not self.server.server_state.connections


@asynccontextmanager
async def serving(
    application: Application,
    *,
    ping_s: float | None = None,
    pong_s: float | None = 0.3,
    answers: Application | None = None,
    head_s: float = 5.0,
) -> AsyncIterator[Bare]:
    """Serve ``application`` as ``make_server`` would."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await application(scope, receive, send)
        elif answers is not None:
            await answers(scope, receive, send)

    http, websocket = protocol_classes(head_s)
    config = uvicorn.Config(
        app,
        http=http,
        ws=websocket,
        lifespan="off",
        log_config=None,
        ws_ping_interval=ping_s,
        ws_ping_timeout=pong_s,
        ws_max_size=65_536,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = Address("127.0.0.1", sock.getsockname()[1], "")
        await server.startup([sock])
        try:
            yield Bare(server, address)
        finally:
            async with asyncio.timeout(4.0):
                await server.shutdown([sock])


async def listens(scope: Any, receive: Any, send: Any) -> None:
    """Accept and receive until the end."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def pours(scope: Any, receive: Any, send: Any) -> None:
    """Accept, write through the sink until it is full, then receive until the end."""
    await receive()
    await send({"type": "websocket.accept"})
    sink: Sink = scope["extensions"][EXTENSION]
    for _ in range(2_000):
        if sink.writable:
            sink.write(PIECE)
    while (await receive())["type"] != "websocket.disconnect":
        pass
