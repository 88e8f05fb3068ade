"""Entries as bytes, made once. Floor 2; any thread; pure functions.

The bytes that :func:`entry_frame` makes are stored, and are what every subscriber and every API answer carries: nothing
encodes an entry a second time (protocol, L8).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from runwire.protocol.frames import FailureData, StateData, encode
from runwire.runs.record import Outcome, RunError
from runwire.runs.state import RunStatus


def entry_frame(kind: bytes, run_id: bytes, seq: int, ts_ms: int, data: bytes) -> bytes:
    """Return the frame of one entry; ``kind`` is ``b"event"`` or ``b"state"``, ``data`` encoded JSON."""
    return b'{"type":"%b","run_id":"%b","seq":%d,"ts_ms":%d,"data":%b}' % (kind, run_id, seq, ts_ms, data)


def batch_frame(run_id: str, first_seq: int, frames: Sequence[bytes]) -> bytes:
    """Return one frame that carries several entries (protocol, S9)."""
    return b'{"type":"batch","run_id":"%b","first_seq":%d,"entries":[%b]}' % (
        run_id.encode(),
        first_seq,
        b",".join(frames),
    )


def state_data(status: RunStatus, attempt: int, *, reason: str | None = None) -> bytes:
    """Return the encoded ``data`` of a ``state`` entry (protocol, L4)."""
    return encode(StateData(status=status, attempt=attempt, reason=_given(reason)))


def retry_data(attempt: int, not_before_ms: int, error: RunError) -> bytes:
    """Return the encoded ``data`` of the entry that announces attempt ``attempt`` and says why the last one failed."""
    state = StateData(
        status=RunStatus.QUEUED, attempt=attempt, reason="retry", not_before_ms=not_before_ms, error=_failure(error)
    )
    return encode(state)


def outcome_data(outcome: Outcome, attempt: int) -> bytes:
    """Return the encoded ``data`` of the terminal entry. ``outcome.result`` has passed the codec before."""
    return encode(
        StateData(
            status=outcome.status,
            attempt=attempt,
            reason=_given(outcome.reason),
            result=_given(outcome.result),
            verdict=_given(outcome.verdict),
            error=UNSET if outcome.error is None else _failure(outcome.error),
            usage=_given(outcome.usage),
        )
    )


def _failure(error: RunError) -> FailureData:
    return FailureData(code=error.code, message=error.message, retryable=error.retryable, limit=_given(error.limit))


def _given(value: Any) -> Any:
    return UNSET if value is None else value
