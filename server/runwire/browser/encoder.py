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


class EncoderEnded(BrowserError):
    """The encoder takes no more pictures; the message says why. What it has written so far is a video."""


class Encoder:
    """Made by :func:`encoding`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._last_ms = -1
        assert process.stdin is not None
        assert process.stderr is not None
        self._input, self._errors = process.stdin, process.stderr

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
        self._input.close()
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
                said = (await self._errors.read(4_096)).decode(errors="replace").strip().splitlines()
        except TimeoutError:
            return "the encoder closed its input and did not end"
        if status == 0:
            return "the video has reached its most bytes"
        return f"the encoder ended with status {status}: {said[-1][:COMPLAINT] if said else 'it said nothing'}"


@asynccontextmanager
async def encoding(ffmpeg: Path, size: tuple[int, int], most_bytes: int, descriptor: int) -> AsyncIterator[Encoder]:
    """Start an encoder that writes into the file behind ``descriptor``; it does not outlive the block.

    Raises EncoderEnded if it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            str(ffmpeg),
            *arguments(size, most_bytes, descriptor),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(descriptor,),
            env=environment(),
        )
    except OSError as error:
        raise EncoderEnded(f"the encoder cannot be started: {error.strerror}") from error
    encoder = Encoder(process)
    try:
        with contextlib.suppress(OSError):  # it has ended already, and says so when it is given something
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        await encoder.begin(size)
        yield encoder
    finally:
        await encoder.close()
