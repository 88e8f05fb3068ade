"""``/v1/schedules``: runs that start again and again. Floor 6."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.schedules import Schedule
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.protocol.schedules import AddSchedule, ChangeSchedule, check_schedule, next_firing, next_firings
from runwire.web.access import current_user
from runwire.web.responses import json_response
from runwire.web.services import get_services

NEXT_RUNS = 5
"""Firings that are shown ahead."""


async def add_schedule(request: Request) -> Response:
    """Add a schedule: 201."""
    services = get_services(request)
    wanted = convert(decode_body(await request.body()), AddSchedule)
    check_schedule(wanted)
    services.check_start(wanted.run)
    next_ms = next_firing(wanted.cron, wanted.time_zone, services.clock.now_ms())
    schedule = await services.schedules.store.add(current_user(request), wanted, next_ms)
    services.schedules.wake()
    return json_response(_view(schedule), status=201)


async def list_schedules(request: Request) -> Response:
    """List the caller's schedules."""
    schedules = await get_services(request).schedules.store.list(current_user(request))
    return json_response({"data": [_view(schedule) for schedule in schedules], "next": None})


async def get_schedule(request: Request) -> Response:
    """Return one schedule."""
    store = get_services(request).schedules.store
    return json_response(_view(await store.get(current_user(request), request.path_params["schedule_id"])))


async def change_schedule(request: Request) -> Response:
    """Pause a schedule, or let it go on: what it would have fired meanwhile is not made up for."""
    services, user = get_services(request), current_user(request)
    store, schedule_id = services.schedules.store, request.path_params["schedule_id"]
    change = convert(decode_body(await request.body()), ChangeSchedule)
    schedule = await store.get(user, schedule_id)
    following = next_firing(schedule.cron, schedule.time_zone, services.clock.now_ms())
    await store.pause(user, schedule_id, None if change.paused else following)
    services.schedules.wake()
    return json_response(_view(await store.get(user, schedule_id)))


async def delete_schedule(request: Request) -> Response:
    """Remove a schedule; the runs that it started stay."""
    await get_services(request).schedules.store.delete(current_user(request), request.path_params["schedule_id"])
    return Response(status_code=204)


def _view(schedule: Schedule) -> dict[str, Any]:
    ahead = [] if schedule.next_ms is None else [schedule.next_ms]
    if ahead:
        ahead += next_firings(schedule.cron, schedule.time_zone, ahead[0], NEXT_RUNS - 1)
    return {
        "id": schedule.id,
        "name": schedule.name,
        "cron": schedule.cron,
        "time_zone": schedule.time_zone,
        "run": schedule.run,
        "missed": schedule.missed.value,
        "overlap": schedule.overlap.value,
        "paused": schedule.paused,
        "next_ms": schedule.next_ms,
        "next_runs_ms": ahead,
        "last_ms": schedule.last_ms,
        "last_run_id": schedule.last_run_id,
        "last_error": schedule.last_error,
        "created_ms": schedule.created_ms,
    }
