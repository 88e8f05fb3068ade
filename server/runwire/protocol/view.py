"""The live view on the wire: the head of a binary frame, and what a person does to the page. Floor 2; pure.

Positions are CSS pixels of the viewport, from its upper left corner: the ``width`` and ``height`` of a frame's head.
"""

from __future__ import annotations

import struct
from enum import IntFlag
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

CONTROL = "runwire.control"
"""The ``CUSTOM`` event of a hand-over; its value names the person, if one has control."""

HEAD = struct.Struct(">HIIHHH")
"""View u16, number u32, milliseconds since the view was opened u32, width u16, height u16, flags u16; big-endian."""

_BINARY_FIN = 0x82
_LONG = 65_536

Place = Annotated[int, Meta(ge=0, le=10_000, description="CSS pixels of the viewport")]
Way = Annotated[int, Meta(ge=-10_000, le=10_000, description="CSS pixels to scroll")]


class ViewFlag(IntFlag):
    """What else a frame's head says."""

    POLLED = 1
    """The page changes without pause: it is photographed twice a second instead of being filmed."""
    HELD = 2
    """A person holds control."""


def view_frame(view: int, number: int, ms: int, size: tuple[int, int], flags: ViewFlag, jpeg: bytes) -> bytes:
    """Return a picture as one unmasked binary WebSocket frame (RFC 6455, section 5.2; protocol, section 4)."""
    width, height = size
    head = HEAD.pack(view, number & 0xFFFF_FFFF, ms & 0xFFFF_FFFF, min(width, 65_535), min(height, 65_535), flags)
    size_bytes = len(head) + len(jpeg)
    if size_bytes < _LONG:
        return b"".join((bytes((_BINARY_FIN, 126)), size_bytes.to_bytes(2, "big"), head, jpeg))
    return b"".join((bytes((_BINARY_FIN, 127)), size_bytes.to_bytes(8, "big"), head, jpeg))


class MouseInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="mouse"):
    """The mouse is moved there, and pressed, released or clicked."""

    action: Literal["move", "down", "up", "click", "double"]
    x: Place
    y: Place
    button: Literal["left", "middle", "right"] = "left"
    clicks: Annotated[
        int, Meta(ge=1, le=3, description="which click of a quick series a down or an up belongs to; 2: a double click")
    ] = 1


class WheelInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="wheel"):
    """The wheel is turned with the mouse there."""

    x: Place
    y: Place
    dx: Way = 0
    dy: Way = 0


class KeyInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="key"):
    """A key, such as ``a``, ``Enter`` or ``Control+A``."""

    key: Annotated[str, Meta(min_length=1, max_length=40)]
    action: Literal["press", "down", "up"] = "press"


class TextInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="text"):
    """Text is put in where the cursor is, as a paste does."""

    text: Annotated[str, Meta(min_length=1, max_length=2_000)]


Input = MouseInput | WheelInput | KeyInput | TextInput
"""What a person does to the page."""
