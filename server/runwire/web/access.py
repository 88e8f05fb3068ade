"""Carries out a route's policy before its endpoint. Floor 6.

A cookie counts for HTTP alone, and only when the request comes from our own page: without an ``Origin`` that equals the
host, a request that could change something is refused (another site's form would carry the cookie too).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from runwire.auth.policy import Policy
from runwire.contracts.actors import Reader, User, Visitor
from runwire.errors import LinkEnded, NotAuthenticated, ScopeMissing
from runwire.web.connection import bearer_token
from runwire.web.services import get_services

SESSION_COOKIE = "runwire_session"
SHARE_COOKIE = "runwire_share"
"""Set for the path of one share alone: a browser sends it nowhere else, and may hold many."""
_SAFE = frozenset({"GET", "HEAD"})

Endpoint = Callable[[Request], Awaitable[Response]]


def protected(endpoint: Endpoint, policy: Policy) -> Endpoint:
    """Return ``endpoint`` behind its policy."""
    if policy is Policy.PUBLIC:
        return endpoint
    if policy is Policy.VISITOR:
        return _visited(endpoint)

    async def checked(request: Request) -> Response:
        user = await _identify(request)
        if user is None:
            raise NotAuthenticated("send Authorization: Bearer <token>, or log in by the link that the server printed")
        if policy is Policy.ADMIN and not user.admin:
            raise ScopeMissing("this needs an admin's token")
        request.scope["runwire.reader"] = user
        return await endpoint(request)

    return checked


def _visited(endpoint: Endpoint) -> Endpoint:
    """Return ``endpoint`` for whoever holds the link that the path names."""

    async def checked(request: Request) -> Response:
        services, share_id = get_services(request), request.path_params["share_id"]
        secret = bearer_token(request) or (request.cookies.get(SHARE_COOKIE, "") if _from_our_page(request) else "")
        visitor = await services.authenticator.by_link(secret)
        if visitor is None or visitor.share_id != share_id:
            raise LinkEnded("this link has expired or was revoked, or only a part of it was opened")
        services.visits.requests.check(share_id)  # a link's that exists: strangers fill no memory and use up no pace
        request.scope["runwire.reader"] = visitor
        return await endpoint(request)

    return checked


async def _identify(request: Request) -> User | None:
    authenticator = get_services(request).authenticator
    if "authorization" in request.headers:
        return await authenticator.by_token(bearer_token(request))
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None or not _from_our_page(request):
        return None
    return await authenticator.by_cookie(cookie)


def _from_our_page(request: Request) -> bool:
    origin = request.headers.get("origin")
    if origin is None:
        return request.method in _SAFE
    return origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


def current_user(request: Request) -> User:
    """Return the user whom the route's policy has let in."""
    user = request.scope["runwire.reader"]
    assert isinstance(user, User), "only a route with a policy for users asks for its user"
    return user


def current_reader(request: Request) -> Reader:
    """Return the user, or the visitor with a share link, whom the route's policy has let in."""
    reader = request.scope["runwire.reader"]
    assert isinstance(reader, User | Visitor), "only a route with a policy asks for its reader"
    return reader


def current_visitor(request: Request) -> Visitor:
    """Return the visitor whom the route's policy has let in."""
    visitor = request.scope["runwire.reader"]
    assert isinstance(visitor, Visitor), "only a route with the policy for visitors asks for its visitor"
    return visitor
