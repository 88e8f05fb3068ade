"""Looks at a video: which colour its middle has, every tenth of a second."""

from __future__ import annotations

import subprocess
from itertools import groupby

from runwire.browser.ffmpeg import find_ffmpeg

PER_S = 10
SIDE = 8
FFMPEG = find_ffmpeg("")


def colours(video: bytes) -> list[tuple[str, float]]:
    """Return the colours one after the other, each with the seconds that it lasts. Raises CalledProcessError."""
    assert FFMPEG is not None
    raw = ("-vf", f"fps={PER_S},scale={SIDE}:{SIDE}", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    frames = subprocess.run(
        [FFMPEG, "-v", "error", "-i", "-", *raw], input=video, capture_output=True, check=True, timeout=20
    ).stdout
    size = SIDE * SIDE * 3
    middle = size // 2 + SIDE // 2 * 3
    names = [_name(frames[start + middle : start + middle + 3]) for start in range(0, len(frames), size)]
    return [(name, len(list(same)) / PER_S) for name, same in groupby(names)]


def _name(pixel: bytes) -> str:
    """Return the strongest of the three colours, ``white`` or ``black`` if none is."""
    strongest = max(range(3), key=lambda one: pixel[one])
    if max(pixel) - min(pixel) < 60:
        return "white" if pixel[0] > 128 else "black"
    return ("red", "green", "blue")[strongest]
