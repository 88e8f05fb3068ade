"""The client's half of WebSocket (RFC 6455), as bytes: handshake, client frames, a reader of server frames. No I/O.

Part of the load generator, so written for speed: the reader makes one slice a frame and looks at nothing inside. It
knows the framing only, not Runwire's messages. One thread.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Final

_TEXT: Final = 0x1
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_MASKED: Final = 0x80
_ZERO_MASK: Final = b"\x00\x00\x00\x00"
"""A legal mask that leaves the payload as it is: the generator need not spend time on masking."""


class WireError(Exception):
    """The server sent what this reader does not take: a refused handshake, a fragment, a masked frame."""


def handshake_request(host: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Return the upgrade request for ``path``; ``headers`` are added as given."""
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


def client_frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """Return one masked frame with ``payload`` (under 64 KiB)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, _MASKED | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, _MASKED | 126)) + size.to_bytes(2, "big")
    else:
        raise ValueError(f"client frames end at 65535 bytes, got {size}")
    return head + _ZERO_MASK + payload


def close_reply(code: int) -> bytes:
    """Return the client's answer to a close frame with ``code``."""
    return client_frame(code.to_bytes(2, "big"), _CLOSE)


class FrameReader:
    """Cuts a byte stream into text payloads, in order.

    ``close_code`` is set once a close frame was read (1005 if it carried none); ``pings`` holds payloads to be
    answered.
    """

    __slots__ = ("_rest", "close_code", "pings")

    def __init__(self) -> None:
        self._rest = b""
        self.close_code: int | None = None
        self.pings: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the text payloads that ``chunk`` completes.

        Raises:
            WireError: a fragmented, masked or reserved frame, which neither server of the benchmark may send.
        """
        data = self._rest + chunk if self._rest else chunk
        texts: list[bytes] = []
        position, end = 0, len(data)
        while end - position >= 2:
            size = data[position + 1]
            start = position + 2
            if size >= 126:
                if size & _MASKED:
                    raise WireError("a masked frame from a server")
                width = 2 if size == 126 else 8
                if end - start < width:
                    break
                size = int.from_bytes(data[start : start + width], "big")
                start += width
            stop = start + size
            if stop > end:
                break
            if data[position] == 0x81:
                texts.append(data[start:stop])
            else:
                self._control(data[position], data[start:stop])
            position = stop
        self._rest = data[position:]
        return texts

    def _control(self, head: int, payload: bytes) -> None:
        opcode = head & 0x0F
        if head & 0xF0 != 0x80 or opcode not in (_CLOSE, _PING, _PONG):
            raise WireError(f"unexpected frame head {head:#x}")
        if opcode == _CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
        elif opcode == _PING:
            self.pings.append(payload)

    def take_pongs(self) -> bytes:
        """Return the frames that answer all pings read so far, and forget those."""
        pongs = b"".join(client_frame(payload, _PONG) for payload in self.pings)
        self.pings.clear()
        return pongs
