"""Films, with encoders that are real processes: ffmpeg itself, and small programs that fail as one can."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runwire.browser.film import Film, Films, VideoBounds
from runwire.browser.processes import descendants
from runwire.contracts.browser import BrowserConfig, Video
from runwire.contracts.live_view import Picture, Show
from runwire.errors import BrowserError, BrowserUnavailable
from runwire.testing.browser import JPEG, ScriptedBrowser
from tests.browser.films import FFMPEG, colours
from tests.support.deadlines import eventually_async
from tests.support.pools import pool_on

pytestmark = pytest.mark.timeout(20)
PLAIN = BrowserConfig()
COPIES = 'for last; do :; done; exec cat > "$last"'
"""The video is what the encoder was given."""
FAILS = "echo 'Unknown encoder' >&2; exit 8"
HANGS = "exec sleep 60"
FLOODS = "yes error-error-error >&2"
LEAVES_OPEN = 'trap "" TERM; sleep 0.8 & exec sleep 60'
FULL = 'for last; do :; done; head -c 200 > "$last"'
"""Takes a little and ends well, as ffmpeg does at its most bytes."""

MakeEncoder = Callable[[str], str]


@pytest.fixture
def make_encoder(tmp_path: Path) -> Iterator[MakeEncoder]:
    """Return a function that makes a program of a line of shell; fails if a process or descriptor is left."""

    def make(line: str) -> str:
        path = tmp_path / "encoder"
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="ascii")
        path.chmod(0o755)
        return str(path)

    children, descriptors = set(descendants(os.getpid())), len(os.listdir("/proc/self/fd"))
    yield make
    end = time.monotonic() + 3.0
    while (left := set(descendants(os.getpid())) - children) or len(os.listdir("/proc/self/fd")) > descriptors:
        assert time.monotonic() < end, f"left behind: {left}, descriptors {os.listdir('/proc/self/fd')}"
        time.sleep(0.02)  # pace of the look


class Screen:
    """What is filmed."""

    def __init__(self) -> None:
        self.viewers: list[Show] = []

    def watch(self, show: Show) -> None:
        self.viewers.append(show)

    def unwatch(self, show: Show) -> None:
        if show in self.viewers:
            self.viewers.remove(show)

    def show(self, jpeg: bytes, width: int = 1280, height: int = 720) -> None:
        for viewer in tuple(self.viewers):
            viewer(Picture(1, width, height, jpeg, polled=False))


def film_of(screen: Screen, ffmpeg: str, longest_s: float = 60.0, one_bytes: int = 10**6) -> Film:
    bounds = VideoBounds(ffmpeg, longest_s=longest_s, one_bytes=one_bytes)
    return Films(bounds, lambda work, name: asyncio.create_task(work, name=name)).begin(screen)


async def goes_on(seconds: float) -> None:
    """Let the run that is filmed go on."""
    await asyncio.sleep(seconds)  # its pace is what the video shows


def picture(*source: str) -> bytes:
    """Return a JPEG that ffmpeg has drawn."""
    arguments = ("-v", "error", "-f", "lavfi", "-i", *source, "-frames:v", "1", "-q:v", "2", "-f", "mjpeg", "-")
    return subprocess.run([str(FFMPEG), *arguments], capture_output=True, check=True, timeout=20).stdout


async def test_a_still_page_is_encoded_once_and_once_more_at_the_end(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, make_encoder(COPIES))
    screen.show(JPEG)
    await goes_on(0.5)
    video = await film.end(3.0)
    assert video.data is not None
    assert (video.data.count(JPEG), video.reason) == (2, "")
    assert screen.viewers == []


async def test_a_restless_page_is_encoded_a_few_times_a_second(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, make_encoder(COPIES))
    for _ in range(100):
        screen.show(JPEG)
        await goes_on(0.005)
    video = await film.end(3.0)
    assert video.data is not None
    assert 3 <= video.data.count(JPEG) <= 8


async def test_an_encoder_that_fails_is_told_in_its_own_words(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, make_encoder(FAILS))
    screen.show(JPEG)
    assert await film.end(3.0) == Video(None, "the encoder ended with status 8: Unknown encoder")


async def test_an_encoder_that_cannot_start_is_told(make_encoder: MakeEncoder, tmp_path: Path) -> None:
    screen = Screen()
    make_encoder(COPIES)
    (tmp_path / "encoder").write_bytes(b"\x7fELF")
    film = film_of(screen, str(tmp_path / "encoder"))
    screen.show(JPEG)
    assert await film.end(3.0) == Video(None, "the encoder cannot be started: Exec format error")


async def test_an_encoder_that_hangs_is_killed_in_time(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, make_encoder(HANGS))
    screen.show(JPEG)
    for _ in range(30):  # more than a pipe holds: what does not fit gives way to the newest
        screen.show(JPEG + bytes(100_000))
        await goes_on(0.01)
    started = time.monotonic()
    video = await film.end(0.2)
    assert time.monotonic() - started < 1.0
    assert video == Video(None, "the encoder had not ended 0.2 s after the run")


@pytest.mark.parametrize("line", [FLOODS, LEAVES_OPEN])
async def test_an_encoder_that_says_too_much_or_leaves_what_it_had_open_leaves_nothing(
    make_encoder: MakeEncoder, line: str
) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    screen = Screen()
    film = film_of(screen, make_encoder(line))
    for _ in range(10):
        screen.show(JPEG + bytes(100_000))
        await goes_on(0.01)
    await film.end(0.2)
    assert len(os.listdir("/proc/self/fd")) == descriptors, "closed with the film, not some time after"


async def test_an_encoder_that_says_much_goes_on(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, make_encoder("head -c 200000 /dev/zero >&2; " + COPIES))
    screen.show(JPEG)
    video = await film.end(3.0)
    assert (video.data is not None, video.reason) == (True, "")


async def test_the_words_of_an_encoder_are_heard_although_a_child_of_its_goes_on(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, make_encoder("sleep 0.8 & " + FAILS))
    screen.show(JPEG)
    assert await film.end(3.0) == Video(None, "the encoder ended with status 8: Unknown encoder")


async def test_an_encoder_that_ends_well_before_the_run_has_reached_its_most_bytes(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, make_encoder(FULL))
    while not film.task.done():
        screen.show(JPEG + bytes(100_000))
        await goes_on(0.02)
    assert screen.viewers == [], "nobody captures a page for it any more"
    video = await film.end(3.0)
    assert video.reason == "the video has reached its most bytes"


async def test_a_film_has_its_longest_time(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, make_encoder(COPIES), longest_s=0.2)
    screen.show(JPEG)
    await eventually_async(film.task.done, "the film ends by itself", 3.0)
    assert screen.viewers == []
    assert (await film.end(3.0)).reason == "a video has at most 0.2 s"


async def test_without_a_page_no_encoder_is_started(make_encoder: MakeEncoder) -> None:
    film = film_of(Screen(), make_encoder(COPIES))
    assert await film.end(3.0) == Video(None, "no page was shown")


async def test_a_context_that_closes_ends_its_film_and_frees_its_place(make_encoder: MakeEncoder) -> None:
    browser, others = ScriptedBrowser(), len(descendants(os.getpid()))
    bounds = VideoBounds(make_encoder(COPIES), count=1)
    async with pool_on(browser, video=bounds, slots=2) as pool:
        for _ in range(2):
            seat, other = [await pool.acquire(PLAIN) for _ in range(2)]
            pool.show(seat, "run")
            pool.show(other, "other")
            seat.begin_video(pool.films)
            film = seat.film
            assert film is not None
            await pool.open_page(seat)
            await eventually_async(lambda: len(descendants(os.getpid())) > others, "it is encoded", 3.0)
            with pytest.raises(BrowserError, match="films 1 runs at once"):
                other.begin_video(pool.films)
            await pool.release(seat, fault=False)
            await pool.release(other, fault=False)
            await eventually_async(film.task.done, "the film ends", 3.0)
            assert len(descendants(os.getpid())) == others
        assert pool.screens._screens == {}, "a film keeps no screen"


def test_a_server_that_films_none_says_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(bounds: VideoBounds) -> None:
        Films(bounds, lambda work, name: asyncio.create_task(work, name=name)).begin(Screen())

    with pytest.raises(BrowserUnavailable, match="browser_videos is 0"):
        begin(VideoBounds(count=0))
    monkeypatch.setattr("runwire.browser.ffmpeg.find_spec", lambda name: None)
    monkeypatch.setattr("runwire.browser.executable.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrowserUnavailable, match=r"run: .*python.* -m pip install 'runwire\[video\]'"):
        begin(VideoBounds())


async def test_ffmpeg_keeps_times_sizes_and_colours(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, "")
    for source in ("color=red:s=640x360", "color=blue:s=640x360", "color=lime:s=360x640"):
        screen.show(picture(source), 640, 360)
        await goes_on(0.6)
    video = await film.end(3.0)
    assert video.data is not None
    assert video.reason == ""
    seen = colours(video.data)
    assert [name for name, _ in seen] == ["red", "blue", "green"]
    assert all(0.4 <= seconds <= 1.2 for _, seconds in seen), seen


async def test_ffmpeg_stops_at_its_most_bytes_with_a_video_that_plays(make_encoder: MakeEncoder) -> None:
    screen = Screen()
    film = film_of(screen, "", one_bytes=400_000)
    noise = [picture(f"nullsrc=s=640x360,geq=random({seed})*255:128:128") for seed in range(4)]
    end = time.monotonic() + 10.0
    while not film.task.done() and time.monotonic() < end:
        screen.show(noise[int(time.monotonic() * 20) % 4], 640, 360)
        await goes_on(0.02)
    video = await film.end(3.0)
    assert video.data is not None
    assert len(video.data) <= 400_000
    assert video.reason == "the video has reached its most bytes"
    assert colours(video.data)
