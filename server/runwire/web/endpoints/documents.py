"""``/openapi.json``, ``/asyncapi.json`` and ``/schema/*.json``: generated from the code that serves them. Floor 6."""

from __future__ import annotations

from functools import cache

from starlette.requests import Request
from starlette.responses import Response

from runwire.errors import NotFound
from runwire.web.responses import json_response


@cache
def _documents() -> dict[str, bytes]:
    from runwire.web.openapi import all_documents  # it reads the route table, which names this module's endpoints

    return all_documents()


async def get_document(request: Request) -> Response:
    """Return one generated document."""
    document = _documents().get(request.url.path.lstrip("/"))
    if document is None:
        raise NotFound("no such schema")
    return json_response(document)


async def list_schemas(_request: Request) -> Response:
    """List the generated documents."""
    return json_response({"data": sorted("/" + path for path in _documents()), "next": None})
