"""Films a run: one more viewer of its screen, whose pictures go to an encoder. Floor 4; the host's loop only.

A picture is encoded when it changes, at most a few times a second; it keeps its real time, and a page that stands
still costs nothing. Only the newest picture waits, so a slow encoder loses pictures, never memory. The video is a file
without a name: nothing of it can be left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import structlog

from runwire.browser.encoder import Encoder, EncoderEnded, encoding
from runwire.browser.ffmpeg import find_ffmpeg, video_size, why_no_ffmpeg
from runwire.contracts.browser import Video
from runwire.contracts.live_view import Picture, Show
from runwire.errors import BrowserError, BrowserUnavailable

log = structlog.get_logger(__name__)

PICTURES_PER_S = 8
"""Most pictures a second that are encoded: enough to follow a test, a third of a film's."""
KILLED_S = 1.0
"""How long a killed encoder's film may take to be read."""
CLUSTER = b"\x1f\x43\xb6\x75"
"""What pictures are in: a file without one shows nothing."""


@dataclass(frozen=True, slots=True)
class VideoBounds:
    """``ffmpeg`` is the encoder (empty: look for one), ``count`` how many runs are filmed at once (0: none),
    ``longest_s`` and ``one_bytes`` bound one video.
    """

    ffmpeg: str = ""
    count: int = 5
    longest_s: float = 600.0
    one_bytes: int = 16 * 1024 * 1024


class Watched(Protocol):
    """The part of a screen that is used here."""

    def watch(self, show: Show) -> None:
        """Begin to show."""

    def unwatch(self, show: Show) -> None:
        """Stop showing."""


Spawn = Callable[[Coroutine[Any, Any, Video], str], asyncio.Task[Video]]
"""Starts a task that somebody owns."""


class Film:
    """One context's, from its making to :meth:`end` or :meth:`cut`."""

    def __init__(self, ffmpeg: Path, bounds: VideoBounds, screen: Watched, spawn: Spawn) -> None:
        self._ffmpeg = ffmpeg
        self._bounds = bounds
        self._screen = screen
        self._newest: Picture | None = None
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._encoder: Encoder | None = None
        self._late = ""
        self.task = spawn(self._run(), "film")
        """Ends with the film, and with its encoder."""
        screen.watch(self._show)

    async def end(self, limit_s: float) -> Video:
        """End it now and return what was filmed; an encoder that takes longer than ``limit_s`` seconds is killed."""
        self._screen.unwatch(self._show)
        self._ended.set()
        self._news.set()
        if not await self._done_within(limit_s):
            self._late = f"the encoder had not ended {limit_s:g} s after the run"
            if self._encoder is not None:
                self._encoder.kill()
            if not await self._done_within(KILLED_S):
                self.cut()
        if self.task.done() and not self.task.cancelled():
            return self.task.result()
        return Video(None, self._late or "the browser was given back")

    def cut(self) -> asyncio.Task[Video]:
        """Begin to end it, kill its encoder and forget the video; return what ends then. Idempotent."""
        self._screen.unwatch(self._show)
        self.task.cancel()
        return self.task

    async def _done_within(self, limit_s: float) -> bool:
        await asyncio.wait((self.task,), timeout=limit_s)
        return self.task.done()

    def _show(self, picture: Picture) -> None:
        self._newest = picture
        self._news.set()

    async def _run(self) -> Video:
        await self._news.wait()
        first = self._newest
        if first is None:
            return Video(None, "no page was shown")
        try:
            with tempfile.TemporaryFile(prefix="runwire-video-") as file:
                reason = await self._encode(first, file)
                return await asyncio.to_thread(_read, file, self._bounds.one_bytes, self._late or reason)
        except OSError as error:
            return Video(None, f"no file for the video: {error.strerror}")
        finally:
            self._screen.unwatch(self._show)

    async def _encode(self, first: Picture, file: IO[bytes]) -> str:
        """Encode until the film is ended or a bound is reached; return why it ends before the run, or nothing."""
        size = video_size(first.width, first.height)
        try:
            async with encoding(self._ffmpeg, size, self._bounds.one_bytes, file.fileno()) as encoder:
                self._encoder = encoder
                return await self._show_all(encoder)
        except EncoderEnded as error:
            log.info("browser.film_cut", reason=error.message)
            return error.message

    async def _show_all(self, encoder: Encoder) -> str:
        began = time.monotonic()
        longest_s = self._bounds.longest_s
        left_s = longest_s
        while not self._ended.is_set() and left_s > 0:
            self._news.clear()
            await self._encode_newest(encoder, began)
            await _wait(self._ended, min(left_s, 1 / PICTURES_PER_S))
            if not self._ended.is_set():
                await _wait(self._news, longest_s - (time.monotonic() - began))
            left_s = longest_s - (time.monotonic() - began)
        await self._encode_newest(encoder, began)  # once more: the last picture lasts until now
        await encoder.finish()
        return "" if self._ended.is_set() else f"a video has at most {longest_s:g} s"

    async def _encode_newest(self, encoder: Encoder, began: float) -> None:
        assert self._newest is not None
        await encoder.show(round((time.monotonic() - began) * 1000), self._newest.jpeg)


class Films:
    """The films of a host."""

    def __init__(self, bounds: VideoBounds, spawn: Spawn) -> None:
        self._bounds = bounds
        self._spawn = spawn
        self._open: set[asyncio.Task[Video]] = set()

    def begin(self, screen: Watched) -> Film:
        """Begin to film a screen.

        Raises:
            BrowserUnavailable: this server films no runs, with what mends it.
            BrowserError: it films as many as it may.
        """
        bounds = self._bounds
        if bounds.count == 0:
            raise BrowserUnavailable("this server films no runs (browser_videos is 0); leave out the video")
        ffmpeg = find_ffmpeg(bounds.ffmpeg)
        if ffmpeg is None:
            raise BrowserUnavailable(why_no_ffmpeg(bounds.ffmpeg) or "the ffmpeg has gone")
        if len(self._open) >= bounds.count:
            raise BrowserError(f"this server films {bounds.count} runs at once, and does so now")
        film = Film(ffmpeg, bounds, screen, self._spawn)
        self._open.add(film.task)
        film.task.add_done_callback(self._open.discard)
        return film


def _read(file: IO[bytes], most_bytes: int, reason: str) -> Video:
    size_bytes = os.fstat(file.fileno()).st_size
    if size_bytes > most_bytes:
        return Video(None, f"it has {size_bytes} bytes, {most_bytes} is the most")
    file.seek(0)
    data = file.read()
    return Video(data, reason) if CLUSTER in data else Video(None, reason or "the encoder has written no picture")


async def _wait(event: asyncio.Event, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()
