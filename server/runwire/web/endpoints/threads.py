"""``/v1/threads``: a user's conversations: list, search, look at, name, take away, delete. Floor 6."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runwire.contracts.conversations import ConversationFilter
from runwire.contracts.run_store import RunFilter
from runwire.errors import InvalidInput
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.web.access import current_user
from runwire.web.export import ConversationExport
from runwire.web.query import flag_of, limit_of
from runwire.web.responses import DOWNLOAD_HEADERS, attachment, conversation_view, json_response, run_view
from runwire.web.services import get_services


class ChangeThread(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of ``PATCH /v1/threads/{thread_id}``."""

    title: (
        Annotated[str, Meta(min_length=1, max_length=200, description="null: the first words of the first input again")]
        | None
    )


async def list_threads(request: Request) -> Response:
    """List the caller's conversations, newest activity first, or those that hold every word of ``q``."""
    query = request.query_params
    wanted = ConversationFilter(limit_of(query), query.get("before"), query.get("q"))
    page = await get_services(request).conversations.store.list(current_user(request), wanted)
    return json_response({"data": [conversation_view(one) for one in page.conversations], "next": page.next})


async def get_thread(request: Request) -> Response:
    """Return one conversation and its runs, newest first, by pages."""
    store, user, thread_id = get_services(request).conversations.store, current_user(request), _id(request)
    conversation = await store.get(thread_id, user)
    query = request.query_params
    wanted = RunFilter(limit_of(query), query.get("before"), thread_id=thread_id)
    page = await get_services(request).store.list(user, wanted)
    data = [run_view(record) for record in page.runs]
    return json_response({**conversation_view(conversation), "data": data, "next": page.next})


async def change_thread(request: Request) -> Response:
    """Give a conversation a title."""
    store, user, thread_id = get_services(request).conversations.store, current_user(request), _id(request)
    title = convert(decode_body(await request.body()), ChangeThread).title
    if title is not None:
        title = " ".join(title.split())
        if not title:
            raise InvalidInput("title: some words, or null for the first words of the first input")
    await store.rename(thread_id, user, title)
    return json_response(conversation_view(await store.get(thread_id, user)))


async def delete_thread(request: Request) -> Response:
    """Delete a conversation with everything in it; ``force=1`` cancels its live runs first."""
    force = flag_of(request.query_params, "force")
    await get_services(request).conversations.delete(_id(request), current_user(request), force=force)
    return Response(status_code=204)


async def export_thread(request: Request) -> Response:
    """Return a conversation as a file: ``format`` is markdown, json or zip."""
    services, user = get_services(request), current_user(request)
    chosen = request.query_params.get("format", "markdown")
    if chosen not in _FORMATS:
        raise InvalidInput(f"format: one of {', '.join(_FORMATS)}, got {chosen[:20]!r}")
    conversation = await services.conversations.store.get(_id(request), user)
    export = ConversationExport(services, user, conversation)
    pieces: AsyncIterator[bytes] = getattr(export, chosen)()
    suffix, mime = _FORMATS[chosen]
    headers = {**DOWNLOAD_HEADERS, **attachment(f"{conversation.id}.{suffix}")}
    return StreamingResponse(pieces, media_type=mime, headers=headers)


_FORMATS = {
    "markdown": ("md", "text/markdown; charset=utf-8"),
    "json": ("json", "application/json"),
    "zip": ("zip", "application/zip"),
}


def _id(request: Request) -> str:
    thread_id: str = request.path_params["thread_id"]
    return thread_id
