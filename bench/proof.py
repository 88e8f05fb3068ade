"""Whether what a socket received is right: every entry, once, in order. Part of the load generator.

Runs after the clock has stopped, so that checking costs no figure anything. A figure of a stream with a hole is an
error, never a fast result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from bench.swarm import Connection


class BrokenStream(Exception):
    """A socket received something else than the complete log in order."""


class Tick(msgspec.Struct):
    """What the paced agent stamps into its event: the moment of its making, seconds of CLOCK_MONOTONIC."""

    t: float = 0.0


class Data(msgspec.Struct):
    """The part of an entry's data that the benchmark reads."""

    type: str = ""
    status: str = ""
    value: Tick | None = None
    error: dict[str, Any] | None = None


class Entry(msgspec.Struct):
    """One entry of a log, as received."""

    type: str
    seq: int
    run_id: str = ""
    data: Data = msgspec.field(default_factory=Data)


class _Frame(msgspec.Struct):
    type: str
    seq: int = 0
    run_id: str = ""
    data: Data = msgspec.field(default_factory=Data)
    entries: list[Entry] = msgspec.field(default_factory=list)


_frames = msgspec.json.Decoder(_Frame)
_LOG_TYPES = frozenset({"event", "state"})


def entries_of(text: bytes) -> list[Entry]:
    """Return the entries that one frame holds: none, one, or a batch."""
    frame = _frames.decode(text)
    if frame.type == "batch":
        return frame.entries
    if frame.type in _LOG_TYPES:
        return [Entry(frame.type, frame.seq, frame.run_id, frame.data)]
    return []


def timed_entries(connection: Connection) -> Iterator[tuple[float, Entry]]:
    """Yield each entry of a socket with the moment of its arrival."""
    for text, arrived in zip(connection.texts, connection.times, strict=True):
        for entry in entries_of(text):
            yield arrived, entry


def prove_order(entries: Iterable[Entry], events: int, *, durable: bool) -> None:
    """Check one run's entries: ``seq`` 1, 2, 3, …, at least ``events`` events, and if ``durable`` SUCCEEDED as the
    last.

    Raises:
        BrokenStream: anything else.
    """
    seen = 0
    last = 0
    status = ""
    trouble: dict[str, Any] | None = None
    for entry in entries:
        if entry.seq != last + 1:
            raise BrokenStream(f"seq {entry.seq} came after {last}")
        last = entry.seq
        seen += entry.type == "event"
        status, trouble = entry.data.status, entry.data.error
    if trouble:
        raise BrokenStream(f"the run failed: {trouble}")
    if seen < events:
        raise BrokenStream(f"{seen} of {events} events came")
    if durable and status != "SUCCEEDED":
        raise BrokenStream(f"the last entry is no success but {status!r}")


def prove_stream(connection: Connection, events: int, *, durable: bool) -> None:
    """Check a socket that followed a run to its end: complete, in order, closed with 1000.

    Raises:
        BrokenStream: anything else.
    """
    if connection.close_code != 1000:
        raise BrokenStream(f"closed with {connection.close_code}")
    prove_order((entry for _, entry in timed_entries(connection)), events, durable=durable)
