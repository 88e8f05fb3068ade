"""A running ffmpeg that takes pictures and writes a WebM. Floor 4; the host's loop only.

It is a process of its own, started without a shell, with low priority and one thread, in the server's process group: it
ends with its input, whoever closes that, and so with the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from runwire.browser.ffmpeg import arguments, environment
from runwire.browser.matroska import picture_at, stream_head
from runwire.errors import BrowserError

log = structlog.get_logger(__name__)

NICE = 10
"""How far an encoder stands back behind the runs that it films."""
TAKE_S = 10.0
"""Longest that it may take to accept a picture; a guess, it needs some 10 ms."""
REAP_S = 1.0
"""Bound on the end of a killed process."""
COMPLAINT = 200
"""Most characters of what it said that are told."""
SAID_BYTES = 4_096
"""How much of the end of what it says is kept."""
MOST_SAID_BYTES = 1_048_576
"""An encoder that says more is not listened to any more, which ends it; a guess, ffmpeg says nothing but errors."""
SAY_S = 0.2
"""How long the last words of an encoder that has ended are waited for; a child of its may hold them back."""


class EncoderEnded(BrowserError):
    """The encoder takes no more pictures; the message says why. What it has written so far is a video."""


class _Words(asyncio.Protocol):
    """Listens to what an encoder says while it runs, so that it never waits to be heard; keeps the end of it."""

    def __init__(self) -> None:
        self.end = b""
        self.over = asyncio.Event()
        self._bytes = 0
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.end = (self.end + data)[-SAID_BYTES:]
        self._bytes += len(data)
        if self._bytes > MOST_SAID_BYTES:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._transport is not None:
            self._transport.close()


class Encoder:
    """Made by :func:`encoding`."""

    def __init__(self, process: asyncio.subprocess.Process, words: _Words) -> None:
        self._process = process
        self._words = words
        self._last_ms = -1
        assert process.stdin is not None
        self._input = process.stdin

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def begin(self, size: tuple[int, int]) -> None:
        """Send what stands before the first picture. Raises EncoderEnded."""
        await self._send(stream_head(*size))

    async def show(self, at_ms: int, jpeg: bytes) -> None:
        """Send a picture that is shown from then on, milliseconds after the beginning. Raises EncoderEnded."""
        self._last_ms = max(at_ms, self._last_ms + 1)
        await self._send(picture_at(self._last_ms, jpeg))

    async def finish(self) -> None:
        """Close its input and wait for its end; the caller bounds that. Raises EncoderEnded if it has failed."""
        self._input.close()
        if await self._process.wait() != 0:
            raise EncoderEnded(await self._complaint())

    def kill(self) -> None:
        """Kill it: what waits for it goes on, as if it had ended. Idempotent."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """Kill it if it still runs, and reap it, within a bound. Raises nothing."""
        self.kill()
        pipe = self._input.transport
        if not pipe.is_closing() or pipe.get_write_buffer_size():
            pipe.abort()  # a child of its may hold the other end: what was not taken is not waited for
        try:
            async with asyncio.timeout(REAP_S):
                await self._process.wait()
        except TimeoutError:  # in an uninterruptible wait of the kernel's; it is reaped when that ends
            log.warning("browser.encoder_hung", pid=self._process.pid)

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(TAKE_S):
                self._input.write(data)
                await self._input.drain()
        except TimeoutError as error:
            raise EncoderEnded(f"the encoder took no picture for {TAKE_S:g} s") from error
        except ConnectionError as error:
            raise EncoderEnded(await self._complaint()) from error

    async def _complaint(self) -> str:
        """Return why it has ended."""
        try:
            async with asyncio.timeout(REAP_S):
                status = await self._process.wait()
        except TimeoutError:
            return "the encoder closed its input and did not end"
        if status == 0:
            return "the video has reached its most bytes"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAY_S):
                await self._words.over.wait()
        said = self._words.end.decode(errors="replace").strip().splitlines()
        return f"the encoder ended with status {status}: {said[-1][:COMPLAINT] if said else 'it said nothing'}"


@asynccontextmanager
async def encoding(ffmpeg: Path, size: tuple[int, int], most_bytes: int, descriptor: int) -> AsyncIterator[Encoder]:
    """Start an encoder that writes into the file behind ``descriptor``; it does not outlive the block.

    Raises EncoderEnded if it cannot be started.
    """
    words = _Words()
    try:
        encoder = Encoder(await _start(ffmpeg, arguments(size, most_bytes, descriptor), descriptor, words), words)
        try:
            with contextlib.suppress(OSError):  # it has ended already, and says so when it is given something
                os.setpriority(os.PRIO_PROCESS, encoder.pid, NICE)
            await encoder.begin(size)
            yield encoder
        finally:
            await encoder.close()
    finally:
        words.close()


async def _start(ffmpeg: Path, told: list[str], descriptor: int, words: _Words) -> asyncio.subprocess.Process:
    """Start the process, its words heard. Raises EncoderEnded; the caller closes ``words``."""
    hears, says = os.pipe()
    try:
        await asyncio.get_running_loop().connect_read_pipe(lambda: words, os.fdopen(hears, "rb", buffering=0))
        return await asyncio.create_subprocess_exec(
            str(ffmpeg),
            *told,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=says,
            pass_fds=(descriptor,),
            env=environment(),
        )
    except OSError as error:
        raise EncoderEnded(f"the encoder cannot be started: {error.strerror}") from error
    finally:
        os.close(says)
