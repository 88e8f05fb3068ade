"""Runs that start again and again. One event loop; ``AsyncRunwire.schedules``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runwire_client.address import checked_id
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor

Missed = Literal["skip", "once"]
Overlap = Literal["skip", "allow", "cancel"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule; ``next_ms`` is when it fires next, ``last_error`` why the last firing started no run."""

    id: str
    name: str
    cron: str
    time_zone: str
    paused: bool
    next_ms: int | None
    last_run_id: str | None
    last_error: str | None


class Schedules:
    """The schedules of the client's user."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def add(
        self,
        name: str,
        cron: str,
        run: Mapping[str, Any],
        *,
        time_zone: str = "UTC",
        missed: Missed = "skip",
        overlap: Overlap = "skip",
    ) -> Schedule:
        """Have a run started again and again.

        Args:
            name: your own name for it.
            cron: five fields, such as ``0 7 * * MON-FRI``.
            run: what a start takes: ``{"agent": …, "input": …}``.
            time_zone: where the clock hangs, such as ``Europe/Berlin``.
            missed: what becomes of firings while no server runs.
            overlap: what becomes of a firing while the last one's run lives.

        Raises:
            InvalidInput: it is refused; Conflict: the name is taken, or you have as many as allowed.
        """
        body = {
            "name": name,
            "cron": cron,
            "run": dict(run),
            "time_zone": time_zone,
            "missed": missed,
            "overlap": overlap,
        }
        return read_schedule(await self._http.call("POST", "/v1/schedules", body=body))

    async def list(self) -> list[Schedule]:
        """Return them, in the order of their names."""
        return [read_schedule(row) for row in Fields(await self._http.get("/v1/schedules"), "schedules").rows("data")]

    async def pause(self, schedule_id: str, paused: bool = True) -> Schedule:
        """Pause one, or with False let it go on. Raises NotFound."""
        return read_schedule(await self._http.call("PATCH", _path(schedule_id), body={"paused": paused}))

    async def delete(self, schedule_id: str) -> None:
        """Remove one; the runs that it started stay. Raises NotFound."""
        await self._http.call("DELETE", _path(schedule_id))


def read_schedule(value: object) -> Schedule:
    """Return a schedule. Raises ProtocolViolation."""
    fields = Fields(value, "schedule")
    return Schedule(
        id=fields.text("id"),
        name=fields.text("name"),
        cron=fields.text("cron"),
        time_zone=fields.text("time_zone"),
        paused=fields.flag("paused"),
        next_ms=fields.whole_or_none("next_ms"),
        last_run_id=fields.text_or_none("last_run_id"),
        last_error=fields.text_or_none("last_error"),
    )


def _path(schedule_id: str) -> str:
    return f"/v1/schedules/{checked_id(schedule_id, 'schedule id')}"
