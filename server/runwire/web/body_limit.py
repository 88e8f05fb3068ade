"""A bound on request bodies whose answer is a problem like every other. Floor 6.

Starlette's own limit answers in plain text, also where the application had its own words for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runwire.errors import RequestTimeout, TooLarge


@dataclass(frozen=True, slots=True)
class BodyBounds:
    """How large a request body may be, in bytes, and how long it may take to come whole, in seconds."""

    size_bytes: int
    timeout_s: float
    upload: BodyBounds | None = None
    """The bounds of the doors that take files; None: no others."""


class BodyLimit:
    """ASGI middleware of one route: a body beyond its bounds raises TooLarge or RequestTimeout in whoever reads it."""

    def __init__(self, app: ASGIApp, bounds: BodyBounds) -> None:
        self._app = app
        self._limit_bytes = bounds.size_bytes
        self._timeout_s = bounds.timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; at most ``limit_bytes`` and one chunk of its body are held."""
        taken, whole = 0, False
        deadline = asyncio.get_running_loop().time() + self._timeout_s

        async def limited() -> Message:
            nonlocal taken, whole
            message = await receive() if whole else await _in_time(receive, deadline)
            whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > self._limit_bytes:
                raise TooLarge(f"a request body has at most {self._limit_bytes} bytes", limit_bytes=self._limit_bytes)
            return message

        await self._app(scope, limited, send)


async def _in_time(receive: Receive, deadline: float) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError as error:
        raise RequestTimeout("the request's body did not come in time") from error
