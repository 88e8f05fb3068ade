"""Leads WebSockets straight to their endpoints, everything else to Starlette. Floor 6; the server's loop.

Starlette's middleware and wrappers stay on the stack for a socket's whole life: six coroutines and their closures, some
4 KiB of an idle socket, for the sake of HTTP error handling that a socket does not get from them anyway. An endpoint
here ends itself (``connection.guarded``).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from runwire.errors import NotFound
from runwire.web.door_counts import ROUTE
from runwire.web.error_map import problem

SocketEndpoint = Callable[[WebSocket], Awaitable[None]]


class SocketDoors:
    """The outermost ASGI application."""

    def __init__(self, app: Starlette, sockets: list[tuple[str, SocketEndpoint]]) -> None:
        """``sockets`` are paths in Starlette's notation with their endpoints."""
        self.app = app
        self._sockets: list[tuple[re.Pattern[str], str, SocketEndpoint]] = [
            (compile_path(path)[0], path, endpoint) for path, endpoint in sockets
        ]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return what to await: no coroutine of this object's own stays on a socket's stack."""
        if scope["type"] != "websocket":
            return self.app(scope, receive, send)
        scope["app"] = self.app
        websocket = WebSocket(scope, receive, send)
        for pattern, path, endpoint in self._sockets:
            match = pattern.match(scope["path"])
            if match is not None:
                scope["path_params"] = match.groupdict()
                scope[ROUTE] = path
                return endpoint(websocket)
        return _refuse(websocket)


async def _refuse(websocket: WebSocket) -> None:
    await websocket.send_denial_response(problem(NotFound("no such socket")))
