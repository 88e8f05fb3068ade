"""The worker's end of its link to the server: what stands behind the contexts in the agent's own process. Floor 5.

Threads: an event is sent by the thread that emits it, as far as the socket takes it at once; ``runwire-link`` sends the
rest and receives everything. What is under way is bounded by the window of events and by the threads that can ask.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from runwire.contracts.event_log import RunAppender
from runwire.engine.cancellation import StopReason, StopToken
from runwire.engine.isolation.messages import (
    Answered,
    Asked,
    Forgotten,
    FrameReader,
    Job,
    Message,
    PipeBroken,
    Said,
    Stop,
    Taken,
    ToWorker,
    Used,
    Watch,
    frame,
    raised_error,
)
from runwire.errors import InvalidInput
from runwire.threads import CrossLoopSignal, LoopReply, OwnedThread, ReplyBox

WINDOW_ENTRIES = 256
"""Events that may be on their way to the server (protocol, L9, once more for the pipe)."""

WINDOW_BYTES = 1_048_576
"""The same in bytes."""

ASK_TIMEOUT_S = 60.0
"""How long a blocking call waits for the server: longer than the server tries to store something."""

SERVER_GONE = 71
"""Exit code of a worker whose server is gone; nobody is left to see it."""

_READ_BYTES = 65_536
_FRAME_BYTES = 2**31
"""What the server sends is believed."""

Resolve = Callable[[Any, BaseException | None], None]


class Link:
    """The worker's connection to the server. Any thread of the worker."""

    def __init__(self, end: socket.socket) -> None:
        self.stop = StopToken()
        self._socket = end
        self._lock = threading.Lock()
        self._unsent = bytearray()
        self._sent = threading.Condition(self._lock)
        self._wake, self._woken = socket.socketpair()
        self._asked: dict[int, Resolve] = {}
        self._numbers = 0
        self._appender: PipeAppender | None = None
        self._early: list[Any] = []
        self._frames = FrameReader(ToWorker, limit_bytes=_FRAME_BYTES)
        self._thread = OwnedThread("runwire-link", self._receive)

    def job(self) -> Job:
        """Wait for the attempt to execute; called once."""
        received: list[Any] = []
        while not received:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                _leave()
            received = self._frames.feed(data)
        job, *more = received
        if not isinstance(job, Job):
            raise PipeBroken("the first message is no job")
        self._early = more
        for end in (self._socket, self._wake, self._woken):
            end.setblocking(False)
        return job

    def receive(self, take_view: Callable[[Watch | Used], None]) -> None:
        """Begin to receive in the background; called once, after :meth:`job`. ``take_view`` gets what the live view is
        told, on the link's thread, and must not block.
        """
        self._take_view = take_view
        self._thread.start()

    def appender(self, _run_id: str, _fence: int) -> RunAppender:
        """Return the attempt's appender; the link stands where a bridge would."""
        self._appender = PipeAppender(self)
        return self._appender

    def send(self, message: Message) -> None:
        """Send a message; never blocks."""
        data = frame(message)
        with self._lock:
            if not self._unsent:
                data = data[self._send_now(data) :]
            if not data:
                return
            self._unsent += data
        try:
            self._woken.send(b"w")
        except BlockingIOError:  # it has been woken often enough
            return

    def _send_now(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except ConnectionError:
            _leave()

    def wait_sent(self, timeout_s: float) -> bool:
        """Wait until everything has left this process; return whether it has."""
        with self._sent:
            return self._sent.wait_for(lambda: not self._unsent, timeout_s)

    def ask(self, service: str, arguments: dict[str, Any], resolve: Resolve) -> int:
        """Call a service of the server and return the call's number; ``resolve`` gets its answer on the link's thread.

        Raises:
            InvalidInput: an argument is nothing that could be sent.
        """
        with self._lock:
            self._numbers += 1
            number = self._numbers
            self._asked[number] = resolve
        try:
            self.send(Asked(number, service, arguments))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self.forget(number)
            raise InvalidInput(f"not JSON: {error}") from error
        return number

    def forget(self, number: int) -> None:
        """Wait for the answer to a call no longer."""
        with self._lock:
            asked = self._asked.pop(number, None)
        if asked is not None:
            self.send(Forgotten(number))

    def ask_blocking(self, service: str, **arguments: Any) -> Any:
        """The same for a thread that may wait. Raises what the service raised, or TimeoutError."""
        box: ReplyBox[Any] = ReplyBox()
        self.ask(service, arguments, box.resolve)
        return box.wait(ASK_TIMEOUT_S)

    # The link's thread

    def _receive(self) -> None:
        for message in self._early:
            self._take(message)
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while True:
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            for descriptor, events in poll.poll():
                if descriptor == self._wake.fileno():
                    self._wake.recv(_READ_BYTES)
                    continue
                if events & select.POLLOUT:
                    self._send_rest()
                if events & ~select.POLLOUT:
                    self._read()

    def _send_rest(self) -> None:
        with self._sent:
            del self._unsent[: self._send_now(self._unsent)]
            if not self._unsent:
                self._sent.notify_all()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            _leave()
        for message in self._frames.feed(data):
            self._take(message)

    def _take(self, message: Any) -> None:
        match message:
            case Taken() if self._appender is not None:
                self._appender.taken(message.entries, message.size_bytes)
            case Answered():
                with self._lock:
                    resolve = self._asked.pop(message.id, None)
                if resolve is not None:
                    resolve(message.value, None if message.error is None else raised_error(message.error))
            case Watch() | Used():
                self._take_view(message)
            case Stop():
                self.stop.request(StopReason(message.reason))


def _leave() -> NoReturn:
    os._exit(SERVER_GONE)


class PipeAppender:
    """Implements ``contracts.event_log.RunAppender`` over a link: the server's appender lies behind it.

    What the server refuses ends the run from there, so nothing ever fails here.
    """

    failure = None

    def __init__(self, link: Link) -> None:
        self._link = link
        self._changed = threading.Condition(threading.Lock())
        self._signal: CrossLoopSignal | None = None
        self._entries = 0
        self._bytes = 0

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop on which the waiting methods will be called."""
        self._signal = CrossLoopSignal(loop)

    @property
    def _accepting(self) -> bool:
        return self._entries < WINDOW_ENTRIES and self._bytes < WINDOW_BYTES

    def append(self, data: bytes) -> bool:
        """Send one encoded event; False when the window is full."""
        with self._changed:  # sent under it, so that two threads' events go in the order of their counting
            self._entries += 1
            self._bytes += len(data)
            self._link.send(Said(data))
            return self._accepting

    def taken(self, entries: int, size_bytes: int) -> None:
        """Note what the server has taken; the link's thread."""
        with self._changed:
            self._entries -= entries
            self._bytes -= size_bytes
            self._changed.notify_all()
        if self._signal is not None:
            self._signal.notify()

    async def wait_accepting(self) -> None:
        """Wait until the window has room."""
        assert self._signal is not None, "bind() comes first"
        while True:
            with self._changed:
                if self._accepting:
                    return
                woken = self._signal.prepare()
            await woken

    def wait_accepting_blocking(self, timeout_s: float) -> None:
        """The same for a thread without a loop. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._accepting, timeout_s):
                raise TimeoutError(f"the log did not accept within {timeout_s} s")

    async def flush(self) -> int:
        """Wait until everything appended is committed; return the last committed ``seq``."""
        reply: LoopReply[int] = LoopReply()
        self._link.ask("flush", {}, reply.resolve)
        return await reply.wait()

    def flush_blocking(self, timeout_s: float) -> int:
        """The same for a thread without a loop. Raises TimeoutError."""
        box: ReplyBox[int] = ReplyBox()
        self._link.ask("flush", {}, box.resolve)
        return box.wait(timeout_s)
