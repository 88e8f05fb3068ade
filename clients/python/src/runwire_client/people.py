"""What a run asks of people, and what they answered, as frozen values. Any thread; pure; knows no socket.

The shapes are those of ``CUSTOM`` events in the run's log: AG-UI's interrupt, and how it was settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from runwire_client.entries import Event
from runwire_client.errors import ProtocolViolation
from runwire_client.fields import Fields

INPUT_REQUEST: Final = "runwire.input_request"
INPUT_RESPONSE: Final = "runwire.input_response"

_STATUSES: Final = frozenset({"answered", "expired", "withdrawn"})


@dataclass(frozen=True, slots=True)
class InputRequest:
    """A question of a run; answer it by ``AsyncRunwire.respond(run_id, request.id, payload)``.

    ``reason`` is ``tool_call`` for an approval (then ``tool_call_id`` names the call and ``tool`` holds its ``name``
    and ``arguments``), else ``input_required``. ``response_schema`` is the JSON Schema of an answer, None if any will
    do; ``expires_at`` is RFC 3339.
    """

    run_id: str
    id: str
    reason: str
    message: str
    expires_at: str | None
    response_schema: Mapping[str, Any] | None
    tool_call_id: str | None
    tool: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class InputResponse:
    """How a question was settled; ``payload`` and ``answered_by`` only when it was answered."""

    run_id: str
    request_id: str
    status: Literal["answered", "expired", "withdrawn"]
    payload: Any
    answered_by: str | None


def input_request(entry: object) -> InputRequest | None:
    """Return the question that an entry puts; None for every other. Raises ProtocolViolation for a broken one."""
    value = _value(entry, INPUT_REQUEST)
    if value is None or not isinstance(entry, Event):
        return None
    schema, metadata = value.values.get("responseSchema"), value.values.get("metadata")
    runwire = metadata.get("runwire") if isinstance(metadata, dict) else None
    tool = runwire.get("tool") if isinstance(runwire, dict) else None
    return InputRequest(
        run_id=entry.run_id,
        id=value.text("id"),
        reason=value.text("reason"),
        message=value.text_or_none("message") or "",
        expires_at=value.text_or_none("expiresAt"),
        response_schema=schema if isinstance(schema, dict) else None,
        tool_call_id=value.text_or_none("toolCallId"),
        tool=tool if isinstance(tool, dict) else None,
    )


def input_response(entry: object) -> InputResponse | None:
    """Return how a question was settled, if the entry tells that. Raises ProtocolViolation for a broken one."""
    value = _value(entry, INPUT_RESPONSE)
    if value is None or not isinstance(entry, Event):
        return None
    status = value.text("status")
    if status not in _STATUSES:
        raise ProtocolViolation(f"{INPUT_RESPONSE}: unknown status {status[:40]!r}")
    return InputResponse(
        run_id=entry.run_id,
        request_id=value.text("interruptId"),
        status=cast("Literal['answered', 'expired', 'withdrawn']", status),
        payload=value.values.get("payload"),
        answered_by=value.text_or_none("answeredBy"),
    )


def _value(entry: object, name: str) -> Fields | None:
    if not isinstance(entry, Event) or entry.type != "CUSTOM" or entry.data.get("name") != name:
        return None
    return Fields(entry.data.get("value"), name)
