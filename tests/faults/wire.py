"""A client's half of WebSocket as bytes, good and bad ones (RFC 6455, section 5). Pure; any thread.

Own code on purpose: a library would refuse to send what a hostile client sends, and would hide what a server sent.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MASK: Final = b"\x00\x00\x00\x00"
"""A legal mask that leaves the payload as it is."""


class Opcode(IntEnum):
    """What a frame is."""

    CONT = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


@dataclass(frozen=True, slots=True)
class WireFrame:
    """One frame as it came: ``head`` is its first byte (FIN, RSV bits, opcode)."""

    head: int
    payload: bytes

    @property
    def opcode(self) -> int:
        """The low four bits of the head."""
        return self.head & 0x0F


def upgrade_request(host: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Return the request that asks for a WebSocket on ``path``."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, size: int | None = None
) -> bytes:
    """Return one client frame. ``rsv`` sets the reserved bits (0–7), ``size`` lies about the payload's length."""
    said = len(payload) if size is None else size
    head = bytes(((fin << 7) | (rsv << 4) | opcode,))
    flag = 0x80 if masked else 0
    if said < 126:
        head += bytes((flag | said,))
    elif said < 65_536:
        head += bytes((flag | 126,)) + said.to_bytes(2, "big")
    else:
        head += bytes((flag | 127,)) + said.to_bytes(8, "big")
    return head + (MASK if masked else b"") + payload


def close_payload(code: int, reason: bytes = b"") -> bytes:
    """Return the payload of a close frame."""
    return code.to_bytes(2, "big") + reason


class FrameReader:
    """Cuts a server's byte stream into frames, in order."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[WireFrame]:
        """Return the frames that ``chunk`` completes."""
        data = self._rest + chunk if self._rest else chunk
        frames: list[WireFrame] = []
        position = 0
        while (found := _whole_frame(data, position)) is not None:
            start, stop = found
            frames.append(WireFrame(data[position], data[start:stop]))
            position = stop
        self._rest = data[position:]
        return frames


def _whole_frame(data: bytes, position: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at ``position`` starts and stops; None if it is not there as a whole."""
    if len(data) - position < 2:
        return None
    size, start = data[position + 1], position + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(data) - start < width:
            return None
        size = int.from_bytes(data[start : start + width], "big")
        start += width
    return (start, start + size) if len(data) - start >= size else None
