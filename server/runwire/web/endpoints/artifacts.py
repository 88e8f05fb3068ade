"""``/v1/runs/{run_id}/artifacts``: a run's stored files. Floor 6.

An agent's file is hostile: it is served as an attachment in a sandbox; pictures and videos alone are shown in place.
"""

from __future__ import annotations

import asyncio

import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from runwire.errors import NotFound
from runwire.web.access import current_reader, current_user
from runwire.web.export import artifacts_zip
from runwire.web.responses import DOWNLOAD_HEADERS, artifact_view, attachment, json_response
from runwire.web.services import get_services

log = structlog.get_logger(__name__)

_INLINE = frozenset({"image/png", "image/jpeg", "image/webp", "video/webm"})


async def list_artifacts(request: Request) -> Response:
    """List a run's artifacts."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    artifacts = await services.artifacts_of(run)
    return json_response({"data": [artifact_view(artifact) for artifact in artifacts], "next": None})


async def get_artifacts_zip(request: Request) -> Response:
    """Return all of a run's artifacts as one archive, made while it is sent."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_reader(request))
    headers = {**DOWNLOAD_HEADERS, **attachment(f"{run.run_id}-artifacts.zip")}
    return StreamingResponse(artifacts_zip(services, run), media_type="application/zip", headers=headers)


async def get_trace(request: Request) -> Response:
    """Return the trace of a browser test, of any user: Playwright's ZIP, with all that was typed."""
    services, run_id = get_services(request), request.path_params["run_id"]
    found = await asyncio.to_thread(services.artifacts.trace, run_id)
    if found is None:
        raise NotFound("this run has no trace")
    log.info("audit.trace_read", run_id=run_id, user=current_user(request).id)
    headers = {**DOWNLOAD_HEADERS, **attachment(f"{found[0].run_id}-trace.zip"), "Cache-Control": "no-store"}
    return FileResponse(found[1], media_type="application/zip", headers=headers)


async def get_artifact(request: Request) -> Response:
    """Return one artifact's bytes."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_reader(request))
    found = await asyncio.to_thread(services.artifacts.find, run.run_id, request.path_params["artifact_id"])
    if found is None:
        raise NotFound("no such artifact")
    artifact, path = found
    inline = artifact.mime in _INLINE
    headers = {
        **DOWNLOAD_HEADERS,
        **attachment(artifact.name, inline=inline),
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    return FileResponse(path, media_type=artifact.mime if inline else "application/octet-stream", headers=headers)
