"""From one WebSocket message to typed frames. Any thread; pure; knows nothing of cursors or sockets.

Source: the wire protocol, section 3. A frame of an unknown type that carries no ``seq`` is none of ours and is skipped,
so that the server may grow; one that carries a ``seq`` would be a hole in the log and is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from runwire_client.entries import (
    Connected,
    Entry,
    Event,
    Heartbeat,
    Queue,
    ResetReason,
    RunFailure,
    RunStatus,
    State,
    Verdict,
)
from runwire_client.errors import ProtocolViolation
from runwire_client.fields import Fields, parse_json

BATCH_ENTRIES: Final = 64
"""The most entries in one batch (protocol, S9)."""


@dataclass(frozen=True, slots=True)
class ResetNotice:
    """A ``reset`` frame as sent: the epoch that it begins stands in the ``connected`` before it."""

    run_id: str
    reason: ResetReason
    first_seq: int
    last_seq: int


WireFrame = State | Event | Connected | Queue | Heartbeat | ResetNotice
"""What one message can hold."""


def decode_message(raw: str | bytes) -> tuple[WireFrame, ...]:
    """Return the frames of one message: one, many (a batch), or none (a type unknown here).

    Args:
        raw: a text message; bytes are what a binary message gives and are refused.

    Raises:
        ProtocolViolation: the message breaks the contract.
    """
    if isinstance(raw, bytes):
        raise ProtocolViolation("frame: binary messages do not belong to a follow")
    fields = Fields(parse_json(raw, "frame"), "frame")
    kind = fields.text("type")
    if kind == "batch":
        return _batch(fields)
    decoder = _DECODERS.get(kind)
    if decoder is not None:
        return (decoder(fields),)
    if "seq" in fields.values:
        raise ProtocolViolation(f"frame: no entry has the type {kind!r}")
    return ()


def decode_entry(value: object) -> Entry:
    """Return one entry of the log, as sockets and ``GET …/events`` hold it.

    Raises:
        ProtocolViolation: it is none.
    """
    fields = Fields(value, "entry")
    kind = fields.text("type")
    if kind == "state":
        return _state(fields)
    if kind == "event":
        return _event(fields)
    raise ProtocolViolation(f"entry: no entry has the type {kind!r}")


def decode_failure(value: Any) -> RunFailure | None:
    """Return why a run failed, or None for null.

    Raises:
        ProtocolViolation: neither.
    """
    if value is None:
        return None
    fields = Fields(value, "error")
    return RunFailure(
        code=fields.text("code"),
        message=fields.text_or_none("message") or "",
        retryable=fields.values.get("retryable") is True,
        limit=fields.text_or_none("limit"),
    )


def _batch(fields: Fields) -> tuple[Entry, ...]:
    rows = fields.rows("entries")
    if not 0 < len(rows) <= BATCH_ENTRIES:
        raise ProtocolViolation(f"batch: {len(rows)} entries, 1 to {BATCH_ENTRIES} are allowed")
    entries = tuple(decode_entry(row) for row in rows)
    if entries[0].seq != fields.whole("first_seq", least=1):
        raise ProtocolViolation("batch: first_seq is not the seq of its first entry")
    return entries


def _state(fields: Fields) -> State:
    data = fields.object("data")
    return State(
        run_id=fields.text("run_id"),
        seq=fields.whole("seq", least=1),
        ts_ms=fields.whole("ts_ms"),
        data=data.values,
        status=data.word("status", RunStatus),
        attempt=data.whole("attempt"),
        reason=data.text_or_none("reason"),
        result=data.values.get("result"),
        verdict=data.word_or_none("verdict", Verdict),
        error=decode_failure(data.values.get("error")),
        usage=data.mapping_or_none("usage"),
        not_before_ms=data.whole_or_none("not_before_ms"),
    )


def _event(fields: Fields) -> Event:
    return Event(
        run_id=fields.text("run_id"),
        seq=fields.whole("seq", least=1),
        ts_ms=fields.whole("ts_ms"),
        data=fields.object("data").values,
    )


def _connected(fields: Fields) -> Connected:
    heartbeat_s = fields.seconds("heartbeat_s")
    if not heartbeat_s:
        raise ProtocolViolation("connected: heartbeat_s must be more than 0")
    return Connected(
        run_id=fields.text("run_id"),
        status=fields.word("status", RunStatus),
        epoch=fields.text("epoch"),
        first_seq=fields.whole("first_seq", least=1),
        last_seq=fields.whole("last_seq"),
        resumed=fields.flag("resumed"),
        heartbeat_s=heartbeat_s,
        protocol=str(fields.values.get("protocol", "")),
    )


def _reset(fields: Fields) -> ResetNotice:
    return ResetNotice(
        run_id=fields.text("run_id"),
        reason=fields.word("reason", ResetReason),
        first_seq=fields.whole("first_seq", least=1),
        last_seq=fields.whole("last_seq"),
    )


def _queue(fields: Fields) -> Queue:
    return Queue(
        run_id=fields.text("run_id"),
        position=fields.whole("position"),
        size=fields.whole("size"),
        eta_s=fields.seconds_or_none("eta_s"),
        blocked=fields.text_or_none("blocked"),
    )


def _heartbeat(fields: Fields) -> Heartbeat:
    return Heartbeat(run_id=fields.text("run_id"), last_seq=fields.whole("last_seq"), ts_ms=fields.whole("ts_ms"))


_DECODERS: Final[MappingProxyType[str, Callable[[Fields], WireFrame]]] = MappingProxyType(
    {
        "state": _state,
        "event": _event,
        "connected": _connected,
        "reset": _reset,
        "queue": _queue,
        "heartbeat": _heartbeat,
    }
)
