"""``/v1/readings``: what models have made of the free words in the caller's browser tests. Floor 6."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from runwire.web.access import current_user
from runwire.web.query import limit_of
from runwire.web.responses import json_response
from runwire.web.services import get_services


async def list_readings(request: Request) -> Response:
    """List what is kept, newest first: of all tests, or of one saved test (``?task_id=``)."""
    query, readings = request.query_params, get_services(request).readings
    limit = limit_of(query)
    found = await readings.list(current_user(request), query.get("task_id"), query.get("before"), limit + 1)
    page = found[:limit]
    return json_response({"data": page, "next": page[-1].id if len(found) > limit else None})


async def get_reading(request: Request) -> Response:
    """Return one reading."""
    readings = get_services(request).readings
    return json_response(await readings.get(current_user(request), request.path_params["reading_id"]))


async def delete_reading(request: Request) -> Response:
    """Forget a reading: the test's next run asks a model again."""
    await get_services(request).readings.forget(current_user(request), request.path_params["reading_id"])
    return Response(status_code=204)
