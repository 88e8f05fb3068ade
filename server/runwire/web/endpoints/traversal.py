"""``/v1/runs/{run_id}/traversal``: what a browser run did, step by step. Floor 6."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from runwire.errors import NotFound
from runwire.web.access import current_user
from runwire.web.responses import json_response
from runwire.web.services import get_services


async def get_traversal(request: Request) -> Response:
    """Return a browser run's traversal as it is now: its steps so far (schema/traversal.json)."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    found = await asyncio.to_thread(services.traversals.read, run.run_id)
    if found is None:
        raise NotFound("this run has no traversal")
    return json_response(found)
