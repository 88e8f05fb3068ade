"""Short words for what people do to a run that lives."""

from __future__ import annotations

from typing import Any

from runwire.protocol.interrupts import INPUT_REQUEST, INPUT_RESPONSE
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer

Entries = list[dict[str, Any]]


def _values(entries: Entries, name: str) -> list[dict[str, Any]]:
    return [
        entry["data"]["value"]
        for entry in entries
        if entry["type"] == "event" and entry["data"].get("type") == "CUSTOM" and entry["data"]["name"] == name
    ]


def asked(entries: Entries) -> list[dict[str, Any]]:
    """Return the interrupts of a log, in order."""
    return _values(entries, INPUT_REQUEST)


def settled(entries: Entries) -> list[dict[str, Any]]:
    """Return what a log tells about how they were settled."""
    return _values(entries, INPUT_RESPONSE)


async def waiting(server: EmbeddedServer, run_id: str, questions: int = 1, within_s: float = 3.0) -> list[str]:
    """Wait until a run is WAITING with so many questions asked, and return their ids."""

    def ready() -> bool:
        return server.status(run_id) == "WAITING" and len(asked(server.entries(run_id))) >= questions

    await eventually_async(ready, f"run {run_id} waits for a person", within_s)
    return [interrupt["id"] for interrupt in asked(server.entries(run_id))]
