"""Following over WebSockets: the only user of websockets. One event loop; all decisions are the follower's.

This is the thin shell: it dials, turns whatever happens into a ``Happening``, and does what the ``Decision`` says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from runwire_client.address import Address
from runwire_client.credentials import Credentials
from runwire_client.entries import Frame
from runwire_client.errors import ClientClosed, ConnectionFailed, NotAuthenticated
from runwire_client.follower import (
    Closed,
    Finished,
    Follower,
    GaveUp,
    Happening,
    Received,
    Refused,
    Retry,
    Silent,
    Unreachable,
)
from runwire_client.problems import problem_error
from runwire_client.timing import Clock, Timing

SUBPROTOCOL: Final = Subprotocol("runwire.v1")

MESSAGE_BYTES: Final = 1024 * 1024
"""The largest message that is read; the protocol's own limit is 64 KiB of entries and their envelope."""

_LOG: Final = logging.getLogger("runwire_client")


class _Connect(connect):
    """Without redirects: only the server that the caller named is spoken to."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class SocketDoor:
    """The sockets to one server; each belongs to one follow."""

    def __init__(self, address: Address, credentials: Credentials, timing: Timing, clock: Clock) -> None:
        self._address = address
        self._credentials = credentials
        self._timing = timing
        self._clock = clock
        self._live: set[ClientConnection] = set()
        self._is_open = False

    def open(self) -> None:
        """Allow follows."""
        self._is_open = True

    def close(self) -> None:
        """Cut every socket at once; each follow that reads one raises ClientClosed."""
        self._is_open = False
        for socket in tuple(self._live):
            socket.transport.abort()

    async def frames(self, run_id: str, follower: Follower) -> AsyncGenerator[Frame, None]:
        """Yield the frames of a run until the follower has finished.

        The socket is cut at once when the generator is closed, or the task that awaits it is cancelled.

        Raises:
            RunwireError: the follower gave up, or the client was closed.
        """
        while True:
            follower.begin(self._clock.now_s())
            opened = await self._dial(self._address.follow(run_id, follower.cursor))
            if isinstance(opened, ClientConnection):
                decision: Finished | Retry | GaveUp | None = None
                try:
                    while decision is None:
                        happening = await _next(opened, follower.patience_s)
                        step = follower.feed(happening, self._clock.now_s())
                        for frame in step.frames:
                            yield frame
                        decision = step.decision
                    if isinstance(decision, Finished):
                        await opened.close()
                finally:
                    # Idempotent. Anything but the run's end is no moment to be polite: a peer that does not answer
                    # would hold the caller for the length of the closing handshake.
                    opened.transport.abort()
                    self._live.discard(opened)
            else:
                decision = follower.feed(opened, self._clock.now_s()).decision
            if isinstance(decision, Finished):
                return
            if isinstance(decision, GaveUp):
                raise decision.error
            if isinstance(decision, Retry):
                await self._prepare(run_id, decision)

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[ClientConnection]:
        """Open a socket for commands; it is cut when the block ends. Raises what stands in its way."""
        opened = await self._dial(self._address.converse())
        if isinstance(opened, Refused | Unreachable):
            raise opened.error
        try:
            yield opened
        finally:
            opened.transport.abort()
            self._live.discard(opened)

    async def _prepare(self, run_id: str, retry: Retry) -> None:
        if not self._is_open:
            raise ClientClosed("the client was closed while it followed a run")
        _LOG.info("run %s: %s; reconnecting in %.2f s", run_id, retry.why, retry.delay_s)
        if retry.fresh_credentials:
            self._credentials.refresh()
        await self._clock.sleep(retry.delay_s)

    async def _dial(self, url: str) -> ClientConnection | Refused | Unreachable:
        if not self._is_open:
            raise ClientClosed("the client is not open: use `async with`")
        headers = self._credentials.header()
        if not headers:
            # The server would accept such a socket and wait for a first message that a program has no reason to send.
            raise NotAuthenticated("no token: pass one, or set RUNWIRE_TOKEN or RUNWIRE_TOKEN_FILE")
        try:
            socket = await _Connect(
                url,
                additional_headers=headers,
                subprotocols=[SUBPROTOCOL],
                compression=None,
                proxy=None if self._address.is_loopback else True,
                open_timeout=self._timing.connect_timeout_s,
                close_timeout=self._timing.close_timeout_s,
                ping_interval=None,  # The server's heartbeats are the sign of life; one mechanism is enough.
                max_size=MESSAGE_BYTES,
            )
        except InvalidStatus as error:
            response = error.response
            return Refused(problem_error(response.status_code, response.headers, bytes(response.body or b"")))
        except (WebSocketException, OSError) as error:  # TimeoutError is an OSError.
            return Unreachable(ConnectionFailed(f"not connected: {error}"))
        self._live.add(socket)
        return socket


async def _next(socket: ClientConnection, patience_s: float) -> Happening:
    try:
        async with asyncio.timeout(patience_s):
            return Received(await socket.recv())
    except TimeoutError:
        return Silent()
    except ConnectionClosed as closed:
        # Nothing received but something sent: our own library has refused the peer's bytes, and says why in its close.
        frame = closed.rcvd or closed.sent
        return Closed(1006) if frame is None else Closed(frame.code, frame.reason)
