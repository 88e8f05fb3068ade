"""Finds the encoder, and knows how it is called. Floor 4; any thread; looks at files only, starts nothing.

Order: the setting, Playwright's own small build, ``ffmpeg`` on the PATH, the binary of the package imageio-ffmpeg.
The arguments are those that Playwright's build takes too: it has nothing but JPEG in, VP8 out and three filters.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from runwire.browser.executable import executable_file, playwright_downloads

LONGEST = 1_280
"""Most pixels of a video's side."""
BITS_PER_S = 1_000_000
"""Most bits a second, on average; a page of text stays readable below it."""
KEY_FRAME_EVERY = 60
"""Pictures; where a player can jump to."""
CLUSTER_MS = 500
"""How much of the end a killed encoder takes with it, milliseconds."""
MARGIN_BYTES = 1_500_000
"""What an encoder may still write after it has seen its bound: a cluster of pure noise in full size. At most half of a
video.
"""


def find_ffmpeg(setting: str) -> Path | None:
    """Return the encoder to start, or None. A ``setting`` that names no executable file finds nothing."""
    if setting:
        return executable_file(Path(setting))
    return next((found for path in _candidates() if (found := executable_file(path))), None)


def why_no_ffmpeg(setting: str) -> str | None:
    """Return why no run can be filmed here and the one command that mends it, or None."""
    if find_ffmpeg(setting) is not None:
        return None
    if setting:
        return f"the browser_ffmpeg {setting!r} is no executable file; correct the setting"
    return f"no ffmpeg was found to film runs with; run: {sys.executable} -m pip install 'runwire[video]'"


def video_size(width: int, height: int) -> tuple[int, int]:
    """Return the size of the video of a page of that size: not too large, and even, as VP8's colours are."""
    scale = min(1.0, LONGEST / max(width, height, 1))
    return tuple(max(16, round(side * scale) // 2 * 2) for side in (width, height))  # type: ignore[return-value]  # two


def arguments(size: tuple[int, int], most_bytes: int, descriptor: int) -> list[str]:
    """Return what ffmpeg is told: Matroska of JPEGs on its input, WebM into the file behind ``descriptor``.

    Pictures of another size (a popup's) are fitted into ``size``, with bars.
    """
    width, height = size
    fit = f"scale={width}:{height}:force_original_aspect_ratio=decrease:out_range=tv"
    return [
        *("-hide_banner", "-nostats", "-loglevel", "error", "-nostdin", "-filter_threads", "1"),
        *("-probesize", "32", "-analyzeduration", "0", "-threads", "1", "-f", "matroska", "-c:v", "mjpeg"),
        *("-i", "pipe:0", "-y", "-an", "-vf", f"{fit},pad={width}:{height}:(ow-iw)/2:(oh-ih)/2"),
        *("-c:v", "vp8", "-threads", "1", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"),
        *("-qmin", "0", "-qmax", "40", "-crf", "8", "-b:v", str(BITS_PER_S), "-g", str(KEY_FRAME_EVERY)),
        *("-cluster_time_limit", str(CLUSTER_MS), "-fs", str(max(most_bytes - MARGIN_BYTES, most_bytes // 2))),
        *("-f", "webm", f"/proc/self/fd/{descriptor}"),
    ]


def _candidates() -> Iterator[Path]:
    yield from playwright_downloads("ffmpeg", "ffmpeg-{revision}/ffmpeg-linux")
    if found := shutil.which("ffmpeg"):
        yield Path(found)
    spec = find_spec("imageio_ffmpeg")
    if spec is not None and spec.origin is not None:
        yield from sorted((Path(spec.origin).parent / "binaries").glob("ffmpeg-*"))


def environment() -> dict[str, str]:
    """Return the environment of the encoder: where its libraries are, and no secret of the server."""
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
