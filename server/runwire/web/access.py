"""Carries out a route's policy before its endpoint. Floor 6.

A cookie counts for HTTP alone, and only when the request comes from our own page: without an ``Origin`` that equals the
host, a request that could change something is refused (another site's form would carry the cookie too).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from runwire.auth.policy import Policy
from runwire.contracts.actors import User
from runwire.errors import NotAuthenticated, ScopeMissing
from runwire.web.connection import bearer_token
from runwire.web.services import get_services

SESSION_COOKIE = "runwire_session"
_SAFE = frozenset({"GET", "HEAD"})

Endpoint = Callable[[Request], Awaitable[Response]]


def protected(endpoint: Endpoint, policy: Policy) -> Endpoint:
    """Return ``endpoint`` behind its policy."""
    if policy is Policy.PUBLIC:
        return endpoint

    async def checked(request: Request) -> Response:
        user = await _identify(request)
        if user is None:
            raise NotAuthenticated("send Authorization: Bearer <token>, or log in by the link that the server printed")
        if policy is Policy.ADMIN and not user.admin:
            raise ScopeMissing("this needs an admin's token")
        request.scope["runwire.user"] = user
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
    user = request.scope["runwire.user"]
    assert isinstance(user, User), "only a route with a policy asks for its user"
    return user
