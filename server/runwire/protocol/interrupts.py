"""What a run asks of a person, in AG-UI's words. Floor 2; any thread; pure.

The object is AG-UI 1.0's ``Interrupt``; only its way differs: an AG-UI run ends on it, ours goes on waiting, so it
travels in ``CUSTOM`` events.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from runwire.errors import InvalidInput

INPUT_REQUEST = "runwire.input_request"
INPUT_RESPONSE = "runwire.input_response"

APPROVAL_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "editedArgs": {"type": "object", "description": "the arguments to use instead of those that were asked for"},
        "comment": {"type": "string"},
    },
    "required": ["approved"],
    "additionalProperties": False,
}
"""What answers a request for approval; the names are AG-UI's."""


def interrupt(
    request_id: str,
    reason: str,
    message: str,
    expires_ms: int,
    *,
    schema: Mapping[str, Any] | None = None,
    tool_call: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return AG-UI's ``Interrupt``. ``tool_call`` has ``id``, ``name`` and ``arguments``."""
    made: dict[str, Any] = {
        "id": request_id,
        "reason": reason,
        "message": message,
        "expiresAt": _rfc3339(expires_ms),
    }
    if schema is not None:
        made["responseSchema"] = schema
    if tool_call is not None:
        made["toolCallId"] = tool_call["id"]
        made["metadata"] = {
            "runwire": {"tool": {"name": tool_call.get("name", ""), "arguments": tool_call.get("arguments")}}
        }
    return made


def checked_tool_call(tool_call: Any) -> Mapping[str, Any]:
    """Return a tool call that can be asked about. Raises InvalidInput."""
    if not isinstance(tool_call, Mapping) or not isinstance(tool_call.get("id"), str) or not tool_call["id"]:
        raise InvalidInput('approve() takes a tool call: {"id": …, "name": …, "arguments": …}')
    return tool_call


def request_event(asked: Any) -> dict[str, Any]:
    """Return the event that announces a question; ``asked`` is its interrupt, as a value or encoded."""
    return {"type": "CUSTOM", "name": INPUT_REQUEST, "value": asked}


def response_event(
    request_id: str, status: str, settled_ms: int, payload: Any = None, answered_by: str | None = None
) -> dict[str, Any]:
    """Return the event that tells how a question was settled; AG-UI's names as in a ``resume`` entry."""
    value: dict[str, Any] = {"interruptId": request_id, "status": status, "at": _rfc3339(settled_ms)}
    if answered_by is not None:
        value |= {"payload": payload, "answeredBy": answered_by}
    return {"type": "CUSTOM", "name": INPUT_RESPONSE, "value": value}


def _rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
