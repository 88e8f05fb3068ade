"""The server's end of a socket to a worker or a guard. Floor 5; the runner's loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from runwire.engine.isolation.messages import Message, PipeBroken, frame

READ_BYTES = 262_144

UNSENT_BYTES = 1_048_576
"""What may wait for a peer that does not read; acknowledgements and answers are small."""


class Pipe:
    """Reads as fast as its caller takes it; what is sent waits here, bounded, if the peer does not read.

    Not asyncio's streams: those drop what they have read when the peer leaves with something unread, which is how a
    worker's last word would be lost.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._unsent = bytearray()
        self._sending: asyncio.Task[None] | None = None
        self.on_clear: Callable[[], None] | None = None
        """Called when what waited here has been sent."""

    @property
    def clear(self) -> bool:
        """Whether nothing waits here: the peer reads, or its socket still has room."""
        return self._sending is None

    async def read(self) -> bytes:
        """Return what has come, waiting for some; empty once the peer has closed and all of it was read."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, READ_BYTES)
        except ConnectionError:
            return b""

    def send(self, message: Message) -> None:
        """Send a message; never blocks. A peer that is gone hears nothing. Raises PipeBroken if it does not read."""
        data = frame(message)
        if self._sending is None:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                pass  # the task waits until there is room
            except OSError:
                return
        if not data:
            return
        if len(self._unsent) > UNSENT_BYTES:
            raise PipeBroken("the run's process does not read what it is told; it was killed")
        self._unsent += data
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send_rest())

    async def _send_rest(self) -> None:
        try:
            while self._unsent:
                data, self._unsent = bytes(self._unsent), bytearray()
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except OSError:  # the peer is gone
            self._unsent.clear()
        finally:
            self._sending = None
        if self.on_clear is not None:
            self.on_clear()

    async def close(self) -> None:
        """Close it; nobody may be reading any more. Idempotent."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self._socket.close()
