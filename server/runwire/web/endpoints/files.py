"""``/v1/files``: what a user gives to runs. Floor 6. A user's file is as hostile as an agent's: always a download."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from runwire.contracts.files import StoredFile
from runwire.web.access import current_user
from runwire.web.query import limit_of
from runwire.web.responses import DOWNLOAD_HEADERS, attachment, json_response
from runwire.web.services import get_services
from runwire.web.uploads import receive_file


async def put_file(request: Request) -> Response:
    """Store a file: the body itself (``?name=`` and its Content-Type), or the one file of a form."""
    stored = await receive_file(request, get_services(request).files, current_user(request))
    return json_response(_view(stored), status=201)


async def list_files(request: Request) -> Response:
    """List the caller's files, newest first."""
    query = request.query_params
    listing = partial(get_services(request).files.list, limit=limit_of(query), before=query.get("before"))
    page = await asyncio.to_thread(listing, current_user(request))
    return json_response({"data": [_view(stored) for stored in page.files], "next": page.next})


async def get_file(request: Request) -> Response:
    """Return a file's bytes, as a download."""
    find = get_services(request).files.find
    stored, path = await asyncio.to_thread(find, current_user(request).id, request.path_params["file_id"])
    headers = {**DOWNLOAD_HEADERS, **attachment(stored.name)}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


async def delete_file(request: Request) -> Response:
    """Remove a file that no live run uses."""
    delete = get_services(request).files.delete
    await asyncio.to_thread(delete, current_user(request), request.path_params["file_id"])
    return Response(status_code=204)


def _view(stored: StoredFile) -> dict[str, Any]:
    return {
        "id": stored.id,
        "name": stored.name,
        "mime": stored.mime,
        "bytes": stored.size_bytes,
        "sha256": stored.sha256,
        "created_ms": stored.created_ms,
        "url": f"/v1/files/{stored.id}",
    }
