"""The page's login and its tickets (protocol, section 2). Floor 6."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from runwire.auth.identity import SESSION_S, TICKET_S
from runwire.errors import NotAuthenticated
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.web.access import SESSION_COOKIE, current_user
from runwire.web.responses import SECURITY_HEADERS, json_response
from runwire.web.services import get_services

Secret = Annotated[str, Meta(min_length=1, max_length=4096)]


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of ``POST /v1/login``: the code of the printed link, or a token."""

    code: Secret | None = None
    token: Secret | None = None


async def log_in(request: Request) -> Response:
    """Exchange a login code or a token for the page's cookie: 204."""
    login = convert(decode_body(await request.body()), Login)
    cookie = await get_services(request).authenticator.log_in(code=login.code, token=login.token)
    if cookie is None:
        raise NotAuthenticated("this login link is used or expired; open the newest one, or paste a token")
    response = Response(status_code=204, headers=SECURITY_HEADERS)
    response.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=int(SESSION_S),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return response


async def log_out(request: Request) -> Response:
    """End the page's login: 204."""
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is not None:
        await get_services(request).authenticator.log_out(cookie)
    response = Response(status_code=204, headers=SECURITY_HEADERS)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


async def who_am_i(request: Request) -> Response:
    """Say who is logged in, and whether they may share."""
    user, settings = current_user(request), get_services(request).settings
    return json_response({"user": user.id, "admin": user.admin, "share_links": settings.share_links})


async def issue_ticket(request: Request) -> Response:
    """Give a ticket for the first message of a socket: single use, 30 s."""
    ticket = get_services(request).authenticator.issue_ticket(current_user(request))
    return json_response({"ticket": ticket, "expires_s": TICKET_S})
