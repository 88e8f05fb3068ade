"""One accepted or refused WebSocket: authentication, liveness, the pace of its client, its end. Floor 6; the server's
loop.

The endpoint's task only receives; everything that is sent goes through the sink, without a queue. What may happen when
is the table of ``protocol/session.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from runwire import failpoints
from runwire.clock import Clock
from runwire.contracts.actors import Reader, User, Visitor
from runwire.contracts.authenticator import Authenticator
from runwire.errors import BadCommand, LinkEnded, NotAuthenticated, ProtocolViolation, RunwireError
from runwire.protocol import VERSION
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.codec import decode_message
from runwire.protocol.commands import Authenticate, parse_command
from runwire.protocol.frames import Frame, encode
from runwire.protocol.session import ConnectionState, Due, Liveness, RateLimit, advance_connection
from runwire.protocol.wire import text_frame
from runwire.settings import Settings
from runwire.telemetry.tracing import carried
from runwire.web.door_counts import ROUTE
from runwire.web.error_map import close_code_of, internal_problem, problem
from runwire.web.safe_ws import EXTENSION, Sink
from runwire.web.socket_counts import ABNORMAL, SocketCounts

log = structlog.get_logger(__name__)

ANSWER_BACKLOG_BYTES = 1_048_576
"""Bytes that a client may leave unread while it goes on asking: an answer repeats its ``id``, which may be long. A
live view's largest picture is smaller.
"""


class SocketClosed(Exception):
    """The socket is closed, by whichever side: nothing more to do for its endpoint."""


class Connections:
    """Every open socket of the server, for the drain and for the numbers. The server's loop only."""

    def __init__(self) -> None:
        self._open: set[SocketConnection] = set()
        self.counts = SocketCounts()
        self._empty = asyncio.Event()
        self.draining = False

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[SocketConnection]:
        return iter(tuple(self._open))

    def add(self, connection: SocketConnection) -> None:
        """Note an open socket."""
        self.counts.opened += 1
        self._open.add(connection)

    def discard(self, connection: SocketConnection) -> None:
        """Forget it, and count why it ended."""
        if connection in self._open:
            self.counts.ended(connection.ended_by)
        self._open.discard(connection)
        if not self._open:
            self._empty.set()

    async def wait_empty(self, limit_s: float) -> None:
        """Wait until no socket is open, at most ``limit_s`` seconds."""
        if self._open:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._empty.wait()


class SocketConnection:
    """A WebSocket from its upgrade request to its close frame."""

    __slots__ = (
        "_authenticator",
        "_clock",
        "_closing",
        "_connections",
        "_expiry",
        "_input_rate",
        "_liveness",
        "_rate",
        "_settings",
        "_state",
        "_timer",
        "_timer_at",
        "_websocket",
        "behind",
        "carried",
        "ended_by",
        "heartbeats",
        "sink",
        "visitor",
    )

    def __init__(
        self,
        websocket: WebSocket,
        *,
        authenticator: Authenticator,
        settings: Settings,
        clock: Clock,
        connections: Connections,
    ) -> None:
        self._websocket = websocket
        self._authenticator = authenticator
        self._settings = settings
        self._clock = clock
        self._connections = connections
        self._state = ConnectionState.AUTHENTICATING
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._rate = RateLimit(clock.monotonic(), per_s=settings.messages_per_s, burst=settings.message_burst)
        self._input_rate: RateLimit | None = None
        self._liveness = Liveness(clock.monotonic(), heartbeat_s=settings.heartbeat_s, idle_s=None)
        self._closing: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self.visitor: Visitor | None = None
        """Whose share link this socket was opened with, if with one: it ends with the link."""
        self.heartbeats: Callable[[], list[Frame]] = list
        """What makes the heartbeat frames, one for each followed run; set by the endpoint."""
        self.carried = carried(websocket.headers) or None
        """What the upgrade told of the caller's trace; its headers are gone once it is accepted."""
        self.ended_by: int = ABNORMAL
        """The code that this end closed with, or meant to; else the peer's."""
        self.behind: Callable[[], bool] = _never
        """Whether something committed has not been sent yet; set by the endpoint."""
        self.sink: Sink = _sink_of(websocket)
        log.debug("socket.attempt", **self.facts)

    @property
    def facts(self) -> dict[str, Any]:
        """What a line of the log says of this socket: whose it is and what it is for, never what passes over it."""
        scope = self._websocket.scope
        return {"client": scope.get("client"), "route": scope.get(ROUTE), **scope.get("path_params", {})}

    # The upgrade

    @property
    def authenticated_early(self) -> bool:
        """Whether the upgrade request carries credentials."""
        return "authorization" in self._websocket.headers

    async def user_from_headers(self) -> User:
        """Return the user of the ``Authorization`` header. Raises NotAuthenticated."""
        user = await self._authenticator.by_token(bearer_token(self._websocket))
        if user is None:
            raise NotAuthenticated("unknown, expired or revoked token")
        return user

    async def refuse(self, error: RunwireError) -> None:
        """Answer the upgrade with an HTTP problem instead of 101."""
        self.note_refusal(error)
        self._move(ConnectionState.CLOSED)
        await self._websocket.send_denial_response(problem(error))

    def note_refusal(self, error: RunwireError) -> None:
        """Count and record that the client may not do what it wants here."""
        self._connections.counts.refused[error.code] += 1
        log.info("socket.refused", **self.facts, code=error.code)

    async def accept(self) -> None:
        """Answer 101. Raises SocketClosed if the client has left."""
        offered = self._websocket.scope.get("subprotocols") or []
        try:
            await self._websocket.accept(VERSION if VERSION in offered else None)
        except (RuntimeError, WebSocketDisconnect) as error:
            raise SocketClosed from error
        self._connections.add(self)
        log.debug("socket.connected", **self.facts)

    async def authenticate(self) -> Reader:
        """Wait for the first message, ``auth`` with a ticket or a token. Raises NotAuthenticated or SocketClosed."""
        try:
            async with asyncio.timeout(self._settings.auth_timeout_s):
                message = await self.receive()
        except TimeoutError as error:
            raise NotAuthenticated("no credentials in time") from error
        command = parse_command(message) if message["op"] == "auth" else None
        if not isinstance(command, Authenticate):
            raise NotAuthenticated("the first message must be auth")
        reader: Reader | None = None
        if command.ticket is not None:
            reader = self._authenticator.redeem_ticket(command.ticket)
        elif command.token is not None:
            reader = await self._authenticator.by_token(command.token)
        if reader is None:
            raise NotAuthenticated("unknown, used or expired credentials")
        if isinstance(reader, Visitor):
            await self._welcome(reader)
        return reader

    async def _welcome(self, visitor: Visitor) -> None:
        """Tie the socket to the visitor's link. Raises LinkEnded if that has ended since the ticket was given."""
        self.visitor = visitor  # before the look: a revocation meanwhile finds this socket
        left_s = visitor.expires_ms / 1000 - self._clock.now_ms() / 1000
        self._expiry = asyncio.get_running_loop().call_later(left_s, self.close, CloseCode.NOT_AUTHENTICATED)
        if not await self._authenticator.is_welcome(visitor):
            raise LinkEnded("this link has expired or was revoked")

    def opened(self, *, idle_s: float | None) -> None:
        """Begin to speak, and to watch for silence."""
        self._move(ConnectionState.OPEN)
        self._liveness.idle_after(idle_s, self._clock.monotonic())
        self._schedule()

    # Receiving

    async def receive(self) -> dict[str, Any]:
        """Return the client's next message.

        Raises:
            BadCommand: it cannot be understood; the socket stays open.
            TooLarge, ProtocolViolation: the socket must be closed.
            SocketClosed: it is.
        """
        if self._websocket.client_state is WebSocketState.DISCONNECTED:
            raise SocketClosed
        received = await self._websocket.receive()
        if received["type"] == "websocket.disconnect":
            if self._state is not ConnectionState.CLOSING:
                self.ended_by = received.get("code", ABNORMAL)
            raise SocketClosed
        now = self._clock.monotonic()
        self._liveness.active(now, sent=False)
        text = received.get("text")
        body: str | bytes = text if text is not None else received.get("bytes", b"")
        try:
            message = decode_message(body, limit_bytes=self._settings.message_bytes)
        except BadCommand:
            self._check_pace(now, input=False)
            raise
        self._check_pace(now, input=message["op"] == "view.input")
        return message

    def _check_pace(self, now: float, *, input: bool) -> None:
        """Count a message; a person's inputs have a pace of their own (protocol, section 6)."""
        rate = self._rate
        if input:
            if self._input_rate is None:
                settings = self._settings
                self._input_rate = RateLimit(now, per_s=settings.view_inputs_per_s, burst=settings.message_burst)
            rate = self._input_rate
        if not rate.allow(now):
            raise ProtocolViolation("too many messages", close_code=CloseCode.TOO_FAST)

    # Sending

    def send(self, frame: Frame) -> None:
        """Send one frame outside the log. A client that asks and does not read is cut."""
        self.sink.write(text_frame(encode(frame)))
        self._liveness.frame_sent(self._clock.monotonic())
        if self.sink.buffered_bytes > ANSWER_BACKLOG_BYTES:
            self.cut(CloseCode.SLOW_READER, f"{ANSWER_BACKLOG_BYTES} bytes were not taken")

    def entries_sent(self) -> None:
        """Note that entries went out."""
        self._liveness.active(self._clock.monotonic(), sent=True)

    def idle_after(self, idle_s: float | None) -> None:
        """Change the idle limit and count from now."""
        self._liveness.idle_after(idle_s, self._clock.monotonic())
        self._schedule()

    def _schedule(self) -> None:
        """See to it that :meth:`_on_timer` is called at the next deadline, or before: a timer that comes too early
        costs less than to move it with every run.
        """
        if self._state is not ConnectionState.OPEN:
            return
        deadline = self._liveness.next_deadline()
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        delay = max(0.0, deadline - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        due = self._liveness.due(self._clock.monotonic())
        if due is Due.IDLE:
            log.info("socket.idle_timeout", **self.facts)
            self.close(CloseCode.IDLE)
            return
        if due is Due.HEARTBEAT:
            if self.sink.writable:
                for frame in self.heartbeats():
                    self.send(frame)
            else:  # a full buffer says nothing; the follower's own clock decides whether the reader is stuck
                self._liveness.frame_sent(self._clock.monotonic())
        self._schedule()

    # The end

    def close(self, code: CloseCode) -> None:
        """Send a close frame; the receiving endpoint then ends with SocketClosed. Idempotent."""
        if self._state not in (ConnectionState.AUTHENTICATING, ConnectionState.OPEN):
            return
        self._move(ConnectionState.CLOSING)
        self.ended_by = code
        self._closing = asyncio.get_running_loop().create_task(self._send_close(code))

    async def _send_close(self, code: CloseCode) -> None:
        failpoints.reach("before_close")
        try:
            await self._websocket.close(code, code.reason)
        except (RuntimeError, WebSocketDisconnect):  # the client was faster
            return

    def cut(self, code: CloseCode, why: str) -> None:
        """Drop a peer whose buffer is full: no close frame would reach it, the log and the numbers say ``code``."""
        log.warning("socket.cut", **self.facts, code=int(code), why=why)
        if self._state in (ConnectionState.AUTHENTICATING, ConnectionState.OPEN):
            self._move(ConnectionState.CLOSING)  # what the transport says of its end is not why
        self.ended_by = code
        self.sink.abort()

    async def closed(self) -> None:
        """Forget the socket; whatever was begun to close it is finished. Called once, when the endpoint ends."""
        self._connections.discard(self)
        for timer in (self._timer, self._expiry):
            if timer is not None:
                timer.cancel()
        self._timer = self._expiry = None
        if self._closing is not None:
            await self._closing
        if self._state is not ConnectionState.CLOSED:
            self._move(ConnectionState.CLOSED)
        log.debug("socket.disconnected", **self.facts, code=int(self.ended_by))

    def _move(self, target: ConnectionState) -> None:
        self._state = advance_connection(self._state, target)


def bearer_token(connection: HTTPConnection[Any]) -> str:
    """Return the token of the ``Authorization: Bearer`` header, empty if there is none or another scheme."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def check_subprotocol(websocket: WebSocket) -> None:
    """Accept an upgrade that offers no subprotocol (this version) or ours. Raises BadCommand (HTTP 400)."""
    offered = websocket.scope.get("subprotocols") or []
    if offered and VERSION not in offered:
        raise BadCommand(f"this server speaks {VERSION}, not {', '.join(offered)[:60]}")


def _never() -> bool:
    return False


def _sink_of(websocket: WebSocket) -> Sink:
    sink = websocket.scope.get("extensions", {}).get(EXTENSION)
    assert isinstance(sink, Sink), "sockets are served by SafeWebSocketProtocol: start the server with `runwire serve`"
    return sink


async def guarded(connection: SocketConnection, endpoint: Any) -> None:
    """Run an accepted socket's ``endpoint`` and always end it with the right close code, never with a bare drop
    (1011).
    """
    try:
        await endpoint
    except SocketClosed:
        return
    except (BadCommand, RunwireError) as error:
        connection.note_refusal(error)
        connection.close(close_code_of(error))
    except Exception as error:  # the endpoint's edge: the client is told 1011, the log says the rest
        internal_problem(error, **connection.facts)
        connection.close(CloseCode.SERVER_ERROR)
    finally:
        await connection.closed()


async def refused(connection: SocketConnection, error: RunwireError) -> None:
    """Refuse an upgrade with the error's HTTP problem."""
    await connection.refuse(error)
