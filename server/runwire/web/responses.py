"""Answers: JSON that was encoded once, and the headers that every answer carries. Floor 6; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from runwire.contracts.artifacts import Artifact
from runwire.contracts.conversations import Conversation
from runwire.runs.record import RunRecord

_encode = msgspec.json.Encoder().encode

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

DOWNLOAD_HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "no-store",
}
"""What a stored or made file is served with: whatever it holds, it runs nothing in our page's name."""


def attachment(name: str, *, inline: bool = False) -> dict[str, str]:
    """Return the header that names a download (RFC 6266)."""
    return {"Content-Disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}"}


def json_response(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """Return ``value`` (or bytes that are JSON already) as an answer that no cache keeps."""
    body = value if isinstance(value, bytes) else _encode(value)
    everything = {**SECURITY_HEADERS, "Cache-Control": "no-store", **(headers or {})}
    return Response(body, status_code=status, headers=everything, media_type=media_type)


_SHARED = (
    "id",
    "agent",
    "status",
    "attempt",
    "created_ms",
    "started_ms",
    "ended_ms",
    "first_seq",
    "as_of_seq",
    "epoch",
    "rolled_back_by",
    "result",
    "verdict",
    "error",
    "reason",
)


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
        "limits": record.limits,
        "max_attempts": record.max_attempts,
        "not_before_ms": record.not_before_ms,
        "agent_version": record.agent_version,
        "parent_id": record.parent_id,
        "retry_of": record.retry_of,
        "from_seq": record.from_seq,
    }
    if record.rolled_back_by is not None:
        view["rolled_back_by"] = record.rolled_back_by
    if record.terminal is not None:
        ending = msgspec.json.decode(record.terminal, type=dict[str, msgspec.Raw])
        view.update({key: ending[key] for key in ("result", "verdict", "error", "reason", "usage") if key in ending})
    return view


def shared_run_view(record: RunRecord) -> dict[str, Any]:
    """Return a run as a visitor with a share link sees it: how it went, nothing of its owner. An input that is more
    than a text may hold what was meant for the agent alone (a browser's storage state), and is left out.
    """
    view = run_view(record)
    text = record.input.startswith(b'"')
    return {**{key: view[key] for key in _SHARED if key in view}, "input": view["input"] if text else None}


def artifact_view(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact as the API shows it."""
    return {
        "id": artifact.id,
        "kind": artifact.kind,
        "name": artifact.name,
        "mime": artifact.mime,
        "bytes": artifact.size_bytes,
        "url": artifact.url,
    }


def conversation_view(conversation: Conversation) -> dict[str, Any]:
    """Return a conversation as the API shows it."""
    last = conversation.last_run
    view: dict[str, Any] = {
        "id": conversation.id,
        "title": conversation.title,
        "titled": conversation.titled,
        "created_ms": conversation.created_ms,
        "active_ms": conversation.active_ms,
        "runs": conversation.runs,
        "live": conversation.live,
        "last_run": None if last is None else _last_run_view(last),
    }
    if conversation.snippet is not None:
        view["snippet"] = conversation.snippet
    return view


def _last_run_view(record: RunRecord) -> dict[str, Any]:
    view: dict[str, Any] = {
        "run_id": record.id,
        "agent": record.agent,
        "status": record.status.value,
        "created_ms": record.created_ms,
    }
    if record.terminal is not None:
        ending = msgspec.json.decode(record.terminal, type=dict[str, msgspec.Raw])
        if "verdict" in ending:
            view["verdict"] = ending["verdict"]
    return view
