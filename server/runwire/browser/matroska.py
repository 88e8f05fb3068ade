"""Pictures with their times, as the stream that an encoder reads: Matroska with JPEG frames. Floor 4; pure.

A stream of bare JPEGs has no times: an encoder would have to guess them from the clock, or get each picture again and
again while a page is still. Here a picture is sent once, when it changes. RFC 9559; lengths take their longest form.
"""

from __future__ import annotations

TICK_MS = 20
"""The grid that an encoder puts pictures on, milliseconds; far finer than pictures come."""

_UNKNOWN_LENGTH = b"\x01" + b"\xff" * 7
_KEY_FRAME = b"\x81\x00\x00\x80"
"""Of track 1, at its cluster's time."""


def stream_head(width: int, height: int) -> bytes:
    """Return what stands before the first picture. Sizes in pixels; later pictures may have another."""
    head = _element("1A45DFA3", _element("4282", b"matroska"), _number("4287", 2), _number("4285", 2))
    info = _element("1549A966", _number("2AD7B1", 1_000_000))  # times are milliseconds
    frame = _element("E0", _number("B0", width), _number("BA", height))
    codec = _element("86", b"V_MJPEG")
    track = _element(
        "AE", _number("D7", 1), _number("73C5", 1), _number("83", 1), codec, _number("23E383", TICK_MS * 10**6), frame
    )
    return head + bytes.fromhex("18538067") + _UNKNOWN_LENGTH + info + _element("1654AE6B", track)


def picture_at(at_ms: int, jpeg: bytes) -> bytes:
    """Return a picture that is shown from ``at_ms`` milliseconds after the beginning until the next one."""
    return _element("1F43B675", _number("E7", at_ms), _element("A3", _KEY_FRAME, jpeg))


def _element(name: str, *parts: bytes) -> bytes:
    length = sum(map(len, parts))
    return b"".join((bytes.fromhex(name), (length | 1 << 56).to_bytes(8, "big"), *parts))


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(8, "big"))
