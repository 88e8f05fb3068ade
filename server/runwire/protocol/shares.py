"""Share links: the bodies of their requests, and the log as a stranger may read it. Floor 2; any thread; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from runwire.protocol.commands import RunId, ThreadId
from runwire.protocol.interrupts import INPUT_RESPONSE
from runwire.protocol.messages import MESSAGE
from runwire.protocol.view import CONTROL

DEFAULT_LIFE_S = 7 * 86_400.0
SOMEBODY = "somebody"
"""What a visitor reads in the place of a user's name."""

_NAMES = {INPUT_RESPONSE: "answeredBy", CONTROL: "person", MESSAGE: "from"}
"""The ``CUSTOM`` events of the server that name a user, and where."""

_MARKS = tuple(f'"{name}"'.encode() for name in _NAMES.values())


class AddShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Make a read-only link to a run or to a conversation, one of the two: the body of ``POST /v1/shares``."""

    run_id: RunId | None = None
    thread_id: ThreadId | None = None
    expires_s: Annotated[float, Meta(ge=1, description="how long it lives, seconds; default: a week")] | None = None


class OpenShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Open a link: the body of ``POST /v1/shared``."""

    link: Annotated[str, Meta(min_length=1, max_length=200, description="the link's secret part")]


def without_names(frames: Iterable[bytes]) -> list[bytes]:
    """Return entries without the names of users that the server itself has written into them.

    What an agent or a person wrote is left as it is. Most entries hold no such name and are passed through as bytes.
    """
    return [_without_names(frame) if any(mark in frame for mark in _MARKS) else frame for frame in frames]


def _without_names(frame: bytes) -> bytes:
    entry = msgspec.json.decode(frame)
    data = entry["data"]
    value = data.get("value")
    field = _NAMES.get(str(data.get("name"))) if data.get("type") == "CUSTOM" else None
    if field is not None and isinstance(value, dict):
        _hide(value, field)
    metadata = data.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("runwire"), dict):
        _hide(metadata["runwire"], "from")
    return msgspec.json.encode(entry)


def _hide(facts: dict[str, Any], field: str) -> None:
    if facts.get(field) is not None:
        facts[field] = SOMEBODY
