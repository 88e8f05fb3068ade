"""Answers: JSON that was encoded once, and the headers that every answer carries. Floor 6; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from runwire.runs.record import RunRecord

_encode = msgspec.json.Encoder().encode

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def json_response(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """Return ``value`` (or bytes that are JSON already) as an answer that no cache keeps."""
    body = value if isinstance(value, bytes) else _encode(value)
    everything = {**SECURITY_HEADERS, "Cache-Control": "no-store", **(headers or {})}
    return Response(body, status_code=status, headers=everything, media_type=media_type)


def run_view(record: RunRecord) -> dict[str, Any]:
    """Return a run as the API shows it (protocol, section 6). Stored JSON is passed through, not decoded."""
    view: dict[str, Any] = {
        "id": record.id,
        "run_id": record.id,
        "thread_id": record.thread_id,
        "agent": record.agent,
        "status": record.status.value,
        "attempt": record.attempt,
        "priority": record.priority.value,
        "input": msgspec.Raw(record.input),
        "created_ms": record.created_ms,
        "started_ms": record.started_ms,
        "ended_ms": record.ended_ms,
        "cancel_requested": record.cancel_requested_ms is not None,
        "first_seq": record.first_seq,
        "as_of_seq": record.last_seq,
        "epoch": record.epoch,
        "timeout_s": record.timeout_s,
    }
    if record.terminal is not None:
        ending = msgspec.json.decode(record.terminal, type=dict[str, msgspec.Raw])
        view.update({key: ending[key] for key in ("result", "verdict", "error", "reason", "usage") if key in ending})
    return view
