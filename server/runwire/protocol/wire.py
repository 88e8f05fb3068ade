"""A text frame as bytes on the wire, unmasked, as a server sends it. Floor 2; pure (RFC 6455, section 5.2)."""

from __future__ import annotations

_TEXT_FIN = 0x81
_SHORT = 126
_LONG = 65_536


def text_frame(payload: bytes) -> bytes:
    """Return ``payload`` (UTF-8) as one unfragmented text frame."""
    size = len(payload)
    if size < _SHORT:
        return bytes((_TEXT_FIN, size)) + payload
    if size < _LONG:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
