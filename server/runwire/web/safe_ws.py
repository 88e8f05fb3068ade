"""The protocol classes that uvicorn drives, with the bounds that its own do not have. Floor 6; the server's loop.

uvicorn's sans-IO WebSocket engine never gives up a peer that stops reading: keep-alive time-out, ``send()``,
``close()`` and shutdown all wait for a buffer that never drains. The subclass aborts such peers, keeps buffers small,
and hands endpoints a :class:`Sink` that writes a prepared frame straight to the transport (ASGI ``send`` costs 10–13 µs
a frame, this 4–5). It leans on internals of uvicorn 0.54.0 and websockets 17.4: both are pinned, and
``tests/integration/test_safe_ws.py`` guards each one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.protocol import State

from runwire.protocol.close_codes import CloseCode

log = structlog.get_logger(__name__)

EXTENSION = "runwire.sink"
"""The name under which an endpoint finds its :class:`Sink` in ``scope["extensions"]``."""

WRITE_BUFFER_BYTES = 32_768
"""High-water mark of the user-space buffer: above it a follower is not served until the peer has read."""

UNSENT_BYTES = 131_072
"""``TCP_NOTSENT_LOWAT``: bytes that the kernel holds unsent before it reports the socket as not writable."""

ABORT_AFTER_S = 1.0
"""How long a peer has to take a close frame before its transport is aborted."""

CLOSE_TIMEOUT_S = 3.0
"""How long a peer has to answer a close frame."""

HEAD_BYTES = 32_768
"""Most bytes of a request's head (protocol, section 6); uvicorn's httptools engine has no bound of its own."""

FRAGMENTS = 256
"""Most fragments of one message (protocol, section 6): empty ones cost no bytes but hold memory."""

MESSAGES_AHEAD, SMALL_MESSAGE_BYTES = 8, 16_384
"""Small messages that are read before the endpoint has taken the first. uvicorn pauses reading behind each message: two
system calls for every command of a client that waits for its answer.
"""

PONG_BACKLOG_BYTES = 65_536
"""Pongs waiting for a peer that pings and does not read."""


class Sink:
    """Where an endpoint writes prepared frames. Never waits: look at :attr:`writable` before, and be woken by
    ``on_writable``.
    """

    __slots__ = ("_corks", "_held", "_held_bytes", "_protocol", "on_writable")

    def __init__(self, protocol: SafeWebSocketProtocol) -> None:
        self._protocol = protocol
        self._corks = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.on_writable: Callable[[], None] | None = None

    def __enter__(self) -> None:
        """Hold what is written until the end of the block, which must not await, and send it by one system call: each
        gives the interpreter lock away, which busy threads beside do not give back at once.
        """
        self._corks += 1

    def __exit__(self, *_: object) -> None:
        """Send what was held, also behind an error: what was written counts as sent."""
        self._corks -= 1
        if self._held and not self._corks:
            self._send_held()

    @property
    def open(self) -> bool:
        """Whether a frame could still be sent."""
        protocol = self._protocol
        return not (protocol.close_sent or protocol.disconnected or protocol.conn.state is not State.OPEN)

    @property
    def writable(self) -> bool:
        """Whether the buffer is below its high-water mark and the socket is open."""
        return self._protocol.writable.is_set() and self.open

    @property
    def buffered_bytes(self) -> int:
        """Bytes that the peer has not taken from us yet."""
        return self._protocol.transport.get_write_buffer_size()

    def write(self, wire: bytes) -> None:
        """Send one whole frame; dropped if the socket is no longer open."""
        if not self.open:
            return
        if not self._corks:
            self._protocol.transport.write(wire)
            return
        self._held.append(wire)
        self._held_bytes += len(wire)
        if self._held_bytes >= WRITE_BUFFER_BYTES:  # beyond it only the transport can tell whether the peer keeps up
            self._send_held()

    def _send_held(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        if self.open:
            self._protocol.transport.write(held[0] if len(held) == 1 else b"".join(held))

    def abort(self) -> None:
        """Drop the connection and whatever is buffered."""
        self._protocol.transport.abort()


class SafeWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-IO engine with bounds: nothing a peer does or does not do holds memory or shutdown."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_TIMEOUT_S
        self.sink = Sink(self)

    def connection_made(self, transport: BaseTransport) -> None:
        """Set the bounds of the transport."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        ping_s = (self.ping_interval or 20.0) + (self.ping_timeout or 20.0)
        _bound_socket(transport.get_extra_info("socket"), user_timeout_s=ping_s)

    async def run_asgi(self) -> None:
        """Give the endpoint its sink, and never let it end without a close frame."""
        extensions: Any = self.scope["extensions"]
        extensions[EXTENSION] = self.sink
        endpoint = self.app

        async def closing(scope: Any, receive: Any, send: Any) -> None:
            try:
                await endpoint(scope, receive, send)
            finally:
                if self.handshake_complete and self.sink.open:
                    self._close_now(CloseCode.SERVER_ERROR)
                if self.initial_response is not None and self.close_sent:
                    self.handshake_complete = True  # refused by a whole answer; uvicorn would call it an error

        self.app = closing
        await super().run_asgi()

    def resume_writing(self) -> None:
        """Wake the endpoint's pump."""
        super().resume_writing()
        if self.sink.on_writable is not None:
            self.sink.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the endpoint's pump with the connection."""
        self.sink.on_writable = None
        super().connection_lost(exc)

    async def send(self, message: Any) -> None:
        """Send as uvicorn does, but close a full socket at once and bound the wait for the peer's answer."""
        if message["type"] == "websocket.close" and self.handshake_complete and not self.close_sent:
            self.writable.set()  # a close must not wait for a buffer that may never drain
            await super().send(message)
            self._abort_later(CLOSE_TIMEOUT_S if self.buffered == 0 else ABORT_AFTER_S)
            return
        await super().send(message)
        if message["type"] == "websocket.accept":
            # The headers of the handshake, held in three places, are 5 KiB of an idle socket, and the caller's token:
            # whoever needs one has read it before accepting. The parser's frame keeps the request itself for good.
            self.request.headers.clear()
            self.response.headers.clear()
            self.request = self.response = None  # type: ignore[assignment]  # uvicorn reads neither after this
            self.scope["headers"].clear()  # type: ignore[attr-defined]  # uvicorn's own list; Starlette holds the same

    @property
    def buffered(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self.transport.get_write_buffer_size()

    def _abort_later(self, delay_s: float) -> None:
        """Replace uvicorn's polite close timer: ``transport.close()`` waits for the buffer, ``abort()`` does not."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(delay_s, self.transport.abort)

    def _close_now(self, code: CloseCode) -> None:
        """Send a close frame without the endpoint, then drop the connection within a second."""
        self.conn.send_close(code, code.reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": code.reason})
        self.transport.close()
        self._abort_later(ABORT_AFTER_S)

    def keepalive_timeout(self) -> None:
        """End a peer that does not answer pings: 4009, then abort."""
        self.pong_timer = None
        self.pending_ping_payload = None
        if not self.close_sent and not self.transport.is_closing():
            log.info("socket.heartbeat_lost", client=self.client)
            self._close_now(CloseCode.HEARTBEAT_LOST)

    def shutdown(self) -> None:
        """End at once what is still open when the server exits; followers were told 1012 by the drain before."""
        self.stop_keepalive()
        if self.sink.open and self.handshake_complete:
            self._close_now(CloseCode.RESTART)
            return
        if not self.handshake_complete:
            self.send_500_response()
        self.transport.close()
        self._abort_later(ABORT_AFTER_S)

    def handle_ping(self) -> None:
        """Answer, unless the peer pings without reading."""
        if self.buffered > PONG_BACKLOG_BYTES:
            log.info("socket.pong_backlog", client=self.client)
            self.transport.abort()
            return
        super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment, unless there are too many."""
        if self.close_sent:  # what else came in the same segment
            return
        if len(self.frames) >= FRAGMENTS:
            log.info("socket.too_many_fragments", client=self.client)
            self._close_now(CloseCode.TOO_BIG)
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hand over a whole message. Text that is no UTF-8 closes with 1007; uvicorn would log a traceback for each."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(self.frames):
            self.frames = []
            log.info("socket.invalid_utf8", client=self.client)
            self._close_now(CloseCode.INVALID_UTF8)
            return
        room = self.queue.qsize() < MESSAGES_AHEAD and sum(map(len, self.frames)) <= SMALL_MESSAGE_BYTES
        if self.read_paused or not room:
            super().send_receive_event_to_app()
            return
        self.read_paused = True  # so that uvicorn does not pause
        super().send_receive_event_to_app()
        self.read_paused = False

    def handle_parser_exception(self) -> None:
        """Send the close frame of a protocol error and do not wait for a peer that does not read it."""
        super().handle_parser_exception()
        self._abort_later(ABORT_AFTER_S)


class SafeHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP engine with a deadline and a bound for the request head: a silent or endless one is closed."""

    head_timeout_s = 10.0
    """Seconds for a whole request head; set from the settings by :func:`protocol_classes`."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Start the deadline."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_overdue)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless the head that they belong to is too large."""
        within_head = self._head_timer is not None
        super().data_received(data)
        if within_head and self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                log.info("socket.head_too_large", client=self.client)
                self.send_400_response(f"A request head has at most {HEAD_BYTES} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, unless all of them together are too large; what is raised here uvicorn answers with 400."""
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > HEAD_BYTES:
            raise ValueError(f"a request head has at most {HEAD_BYTES} bytes")
        super().on_header(name, value)

    def on_message_begin(self) -> None:
        """Start the deadline and the count of the next request of a kept connection."""
        super().on_message_begin()
        self._head_bytes = self._header_bytes = 0
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._head_overdue)

    def on_headers_complete(self) -> None:
        """Stop the deadline."""
        self._stop_head_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Stop the deadline: the connection belongs to the WebSocket engine now."""
        self._stop_head_timer()
        super().handle_websocket_upgrade()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_overdue(self) -> None:
        self._head_timer = None
        log.info("socket.no_request", client=self.client)
        self.transport.abort()


def protocol_classes(handshake_timeout_s: float) -> tuple[type[SafeHttpProtocol], type[SafeWebSocketProtocol]]:
    """Return the classes for ``uvicorn.Config(http=…, ws=…)`` with a server's own deadline."""
    http = type("SafeHttpProtocol", (SafeHttpProtocol,), {"head_timeout_s": handshake_timeout_s})
    return http, SafeWebSocketProtocol


def _is_utf8(fragments: list[bytes]) -> bool:
    try:
        b"".join(fragments).decode()
    except UnicodeDecodeError:
        return False
    return True


def _bound_socket(sock: Any, *, user_timeout_s: float) -> None:
    """Let the kernel give up a dead peer, and report a socket as writable only when little waits in it."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError, AttributeError):  # options of Linux; elsewhere the timers above still hold
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout_s * 1000))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
