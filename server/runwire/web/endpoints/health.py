"""``/healthz`` and ``/readyz``. Floor 6."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from runwire import __version__
from runwire.web.responses import json_response
from runwire.web.services import get_services


async def healthz(_request: Request) -> Response:
    """Say that the loop turns."""
    return json_response({"status": "ok", "version": __version__})


async def readyz(request: Request) -> Response:
    """Say whether runs can be taken, and if not what is wrong."""
    services = get_services(request)
    facts = services.health()
    problems = facts["problems"]
    if services.connections.draining:
        problems.append("the server is stopping")
    status = "ok" if not problems else "unavailable"
    return json_response({"status": status, **facts}, status=200 if not problems else 503)
