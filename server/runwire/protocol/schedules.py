"""When a schedule fires: cron expressions in a time zone. Floor 2; any thread; pure but for the time zones' files.

The rules of daylight saving are Debian cron's, by the library: what stands at a fixed time and falls into the hour that
is left out fires right behind it; what falls into the hour that comes twice fires once; what fires every so many
minutes goes by the time that passes.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError
from msgspec import UNSET, Meta

from runwire.errors import InvalidInput
from runwire.protocol.commands import StartRun

FIELDS = 5
"""Minute, hour, day of the month, month, day of the week: a schedule fires once a minute at most."""


class Missed(StrEnum):
    """What becomes of firings that nobody was there for: ``skip`` them, or make up for them by ``once``."""

    SKIP = "skip"
    ONCE = "once"


class Overlap(StrEnum):
    """What becomes of a firing while the last one's run lives: it is left out, runs besides, or cancels that one."""

    SKIP = "skip"
    ALLOW = "allow"
    CANCEL = "cancel"


class AddSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Start a run again and again: the body of ``POST /v1/schedules``. ``run`` is that of a start, without an id."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", description="the user's own name for it")]
    cron: Annotated[str, Meta(min_length=9, max_length=200, description="five fields, such as 0 7 * * MON-FRI")]
    time_zone: Annotated[str, Meta(min_length=1, max_length=64, description="such as Europe/Berlin")] = "UTC"
    run: StartRun
    missed: Missed = Missed.SKIP
    overlap: Overlap = Overlap.SKIP


class ChangeSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pause a schedule or let it go on: the body of ``PATCH /v1/schedules/{schedule_id}``."""

    paused: bool


def check_schedule(wanted: AddSchedule) -> None:
    """Raises InvalidInput that says what is wrong with the expression, the time zone or the run."""
    if wanted.run.run_id is not UNSET:
        raise InvalidInput("run.run_id: each firing has an id of its own; leave it out")
    if len(wanted.cron.split()) != FIELDS:
        raise InvalidInput(f"cron: five fields (minute hour day month weekday), got {wanted.cron[:60]!r}")
    if next_firing(wanted.cron, wanted.time_zone, 0) is None:
        raise InvalidInput(f"cron: {wanted.cron[:60]!r} never comes")


def next_firing(cron: str, time_zone: str, after_ms: int) -> int | None:
    """Return the first firing behind ``after_ms`` (Unix milliseconds), or None if none comes within fifty years.

    Raises InvalidInput: no expression, or no time zone.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"time_zone: {time_zone[:64]!r} is none; such as Europe/Berlin") from error
    try:
        firing: datetime | None = next(CronSim(cron, datetime.fromtimestamp(after_ms / 1000, zone)), None)
    except CronSimError as error:
        raise InvalidInput(f"cron: {error} in {cron[:60]!r}") from error
    return None if firing is None else int(firing.astimezone(UTC).timestamp() * 1000)


def next_firings(cron: str, time_zone: str, after_ms: int, count: int) -> list[int]:
    """Return the next ``count`` firings, fewer if there are no more."""
    found: list[int] = []
    while len(found) < count and (firing := next_firing(cron, time_zone, after_ms)) is not None:
        found.append(firing)
        after_ms = firing
    return found


def firing_run_id(schedule_id: str, due_ms: int) -> str:
    """Return the run id of one firing: however often it is carried out, it is one run (protocol, L7)."""
    return "s" + hashlib.sha256(f"{schedule_id}.{due_ms}".encode()).hexdigest()[:31]
