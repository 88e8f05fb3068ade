"""Stands around every HTTP endpoint: counts its answers, and ends one that failed with an incident. Floor 6; the
server's loop.

Inside Starlette's own handler of last resort, which answers and then raises once more: uvicorn would log the same
failure a second time, without its id.
"""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runwire.web.door_counts import ROUTE, DoorCounts
from runwire.web.error_map import internal_problem

CLIENT_LEFT = 499
"""Counted for a request whose client left before the answer; the number that reverse proxies use."""


class WatchedDoor:
    """ASGI middleware of one route."""

    def __init__(self, app: ASGIApp, method: str, path: str, counts: DoorCounts) -> None:
        self._app = app
        self._method = method
        self._path = path
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope[ROUTE] = self._path
        status, begun = 0, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # the endpoint's edge: the client gets an incident, the log the rest
            answer = internal_problem(error, route=self._path, method=self._method)[1]
            if status == 0:  # else the answer is cut short: the client sees a broken body
                await answer(scope, receive, watched)
            status = 500
        finally:
            self._counts.answered(self._method, self._path, status or CLIENT_LEFT, time.perf_counter() - begun)
