"""``/v1/shares``: an owner's read-only links. ``/v1/shared``: what somebody who was given one may see. Floor 6."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from runwire.auth.identity import TICKET_S
from runwire.contracts.actors import Visitor
from runwire.contracts.run_store import RunFilter
from runwire.contracts.shares import Share
from runwire.errors import InvalidInput, LinkEnded, ScopeMissing
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.protocol.shares import DEFAULT_LIFE_S, AddShare, OpenShare
from runwire.web.access import SHARE_COOKIE, current_user, current_visitor
from runwire.web.query import limit_of
from runwire.web.responses import json_response, shared_run_view
from runwire.web.services import get_services

log = structlog.get_logger(__name__)


async def add_share(request: Request) -> Response:
    """Make a link: 201, with its secret part and its whole path, shown this once."""
    services, user = get_services(request), current_user(request)
    wanted, settings = convert(decode_body(await request.body()), AddShare), services.settings
    if not settings.share_links:
        raise ScopeMissing("share links are off on this server; an administrator turns them on: share_links")
    if (wanted.run_id is None) == (wanted.thread_id is None):
        raise InvalidInput("give run_id or thread_id: a link leads to one run or to one conversation")
    life_s = wanted.expires_s or min(DEFAULT_LIFE_S, settings.share_link_s)
    if life_s > settings.share_link_s:
        raise InvalidInput(f"expires_s: at most {settings.share_link_s:g} on this server, got {life_s:g}")
    share, secret = await services.shares.add(
        user, run_id=wanted.run_id, thread_id=wanted.thread_id, lifetime_ms=round(life_s * 1000)
    )
    log.info("share.made", by=user.id, **_facts(share))
    return json_response({**_view(share), "link": secret, "path": f"/shared#link={secret}"}, status=201)


async def list_shares(request: Request) -> Response:
    """List the caller's links that have not expired, newest first: ``?run_id=`` or ``&thread_id=`` narrow."""
    query = request.query_params
    shares = await get_services(request).shares.list(
        current_user(request), run_id=query.get("run_id"), thread_id=query.get("thread_id")
    )
    return json_response({"data": [_view(share) for share in shares], "next": None})


async def delete_share(request: Request) -> Response:
    """Revoke a link: 204; whoever has it open is cut off at once."""
    services, user, share_id = get_services(request), current_user(request), request.path_params["share_id"]
    await services.shares.delete(user, share_id)
    log.info("share.revoked", by=user.id, share_id=share_id, sockets=services.visits.end(share_id))
    return Response(status_code=204)


# For visitors


async def open_share(request: Request) -> Response:
    """Open a link: what it leads to, and the cookie by which the page reads it."""
    services, client = get_services(request), request.client
    services.visits.opens.check("" if client is None else client.host)
    secret = convert(decode_body(await request.body()), OpenShare).link
    visitor = await services.authenticator.by_link(secret)
    if visitor is None:
        raise LinkEnded("this link has expired or was revoked, or only a part of it was opened")
    log.info("share.opened", client=client, share_id=visitor.share_id)
    answer = json_response(_visit(visitor))
    answer.set_cookie(
        SHARE_COOKIE,
        secret,
        max_age=max(1, (visitor.expires_ms - services.clock.now_ms()) // 1000),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path=f"/v1/shared/{visitor.share_id}",
    )
    return answer


async def get_share(request: Request) -> Response:
    """Say what the link leads to."""
    return json_response(_visit(current_visitor(request)))


async def issue_ticket(request: Request) -> Response:
    """Give a ticket for the first message of a socket: single use, 30 s."""
    ticket = get_services(request).authenticator.issue_ticket(current_visitor(request))
    return json_response({"ticket": ticket, "expires_s": TICKET_S})


async def list_runs(request: Request) -> Response:
    """List the runs that are shared, newest first."""
    query = request.query_params
    page = await get_services(request).store.list(
        current_visitor(request), RunFilter(limit_of(query), query.get("before"))
    )
    return json_response({"data": [shared_run_view(record) for record in page.runs], "next": page.next})


async def get_run(request: Request) -> Response:
    """Return one run, from one read."""
    run = await get_services(request).store.get(request.path_params["run_id"], current_visitor(request))
    return json_response(shared_run_view(run.record))


def _view(share: Share) -> dict[str, Any]:
    return {**_facts(share), "created_ms": share.created_ms}


def _facts(share: Share) -> dict[str, Any]:
    return {
        "id": share.id,
        "run_id": share.run_id,
        "thread_id": share.thread_id,
        "expires_ms": share.expires_ms,
    }


def _visit(visitor: Visitor) -> dict[str, Any]:
    return {
        "id": visitor.share_id,
        "run_id": visitor.run_id,
        "thread_id": visitor.thread_id,
        "expires_ms": visitor.expires_ms,
    }
