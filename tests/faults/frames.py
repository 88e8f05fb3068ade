"""What the server's text frames say, with each entry's own bytes kept. Pure; any thread.

Nothing of the server's code is used: a defect there must not hide itself in the test.
"""

from __future__ import annotations

from typing import Any

import msgspec


class State(msgspec.Struct):
    """The part of an entry's data that the checks need."""

    type: str = ""
    status: str = ""
    attempt: int = 0
    reason: str = ""
    name: str = ""
    value: Any = None
    error: dict[str, Any] | None = None
    result: Any = None


class Entry(msgspec.Struct):
    """One entry of a log; ``raw`` are its bytes exactly as they came."""

    type: str
    run_id: str
    seq: int
    ts_ms: int
    data: State
    raw: bytes = b""


class ServerFrame(msgspec.Struct):
    """Any text frame that a follow socket sends."""

    type: str
    run_id: str = ""
    seq: int = 0
    epoch: str = ""
    status: str = ""
    first_seq: int = 0
    last_seq: int = 0
    resumed: bool | None = None
    reason: str = ""
    heartbeat_s: float = 0.0
    entries: list[msgspec.Raw] = msgspec.field(default_factory=list)


_frames = msgspec.json.Decoder(ServerFrame)
_entries = msgspec.json.Decoder(Entry)
_ENTRY_HEADS = (b'{"type":"event"', b'{"type":"state"')


def parse_frame(text: bytes) -> ServerFrame:
    """Return a frame's outside."""
    return _frames.decode(text)


def parse_entry(raw: bytes) -> Entry:
    """Return one entry together with its bytes."""
    entry = _entries.decode(raw)
    entry.raw = raw
    return entry


def entries_in(text: bytes) -> list[Entry]:
    """Return the entries that a frame carries: none, one, or a batch."""
    if text.startswith(_ENTRY_HEADS):
        return [parse_entry(text)]
    if text.startswith(b'{"type":"batch"'):
        return [parse_entry(bytes(raw)) for raw in _frames.decode(text).entries]
    return []
