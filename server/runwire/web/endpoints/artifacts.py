"""``/v1/runs/{run_id}/artifacts``: a run's stored files. Floor 6.

An agent's file is hostile: it is served as an attachment in a sandbox, and images alone are shown in place.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from runwire.errors import NotFound
from runwire.web.access import current_user
from runwire.web.responses import SECURITY_HEADERS, json_response
from runwire.web.services import get_services

_INLINE = frozenset({"image/png", "image/jpeg", "image/webp"})


async def list_artifacts(request: Request) -> Response:
    """List a run's artifacts."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    artifacts = await asyncio.to_thread(services.artifacts.list, run.run_id)
    data = [
        {"id": a.id, "kind": a.kind, "name": a.name, "mime": a.mime, "bytes": a.size_bytes, "url": a.url}
        for a in artifacts
    ]
    return json_response({"data": data, "next": None})


async def get_artifact(request: Request) -> Response:
    """Return one artifact's bytes."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    found = await asyncio.to_thread(services.artifacts.find, run.run_id, request.path_params["artifact_id"])
    if found is None:
        raise NotFound("no such artifact")
    artifact, path = found
    inline = artifact.mime in _INLINE
    headers = {
        **SECURITY_HEADERS,
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(artifact.name)}",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    return FileResponse(path, media_type=artifact.mime if inline else "application/octet-stream", headers=headers)
