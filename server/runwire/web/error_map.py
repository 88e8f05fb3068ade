"""The one place where an error becomes a status, a problem, a reply or a close code. Floor 6 (RFC 9457)."""

from __future__ import annotations

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from runwire.errors import (
    BadCommand,
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    OverCapacity,
    ProtocolViolation,
    RequestTimeout,
    RunwireError,
    ScopeMissing,
    ServerStopping,
    TooLarge,
    WorldError,
)
from runwire.ids import new_id
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.frames import ErrorObject
from runwire.web.door_counts import ROUTE, counts_of
from runwire.web.responses import json_response

log = structlog.get_logger(__name__)

_STATUS: tuple[tuple[type[RunwireError], int], ...] = (
    (BadCommand, 400),
    (InvalidInput, 422),
    (NotAuthenticated, 401),
    (ScopeMissing, 403),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (OverCapacity, 429),
    (RequestTimeout, 408),
    (WorldError, 503),
)

_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Conflict",
    413: "Too large",
    422: "Invalid input",
    429: "Over capacity",
    500: "Server error",
    503: "Unavailable",
}

_CLOSES: tuple[tuple[type[RunwireError], CloseCode], ...] = (
    (NotAuthenticated, CloseCode.NOT_AUTHENTICATED),
    (ScopeMissing, CloseCode.SCOPE_MISSING),
    (TooLarge, CloseCode.TOO_BIG),
    (OverCapacity, CloseCode.OVER_CAPACITY),
    (InvalidInput, CloseCode.BAD_COMMANDS),
    (NotFound, CloseCode.BAD_COMMANDS),
)


def status_of(error: RunwireError) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def close_code_of(error: RunwireError) -> CloseCode:
    """Return the close code of an error that ends a socket."""
    if isinstance(error, ProtocolViolation):
        return CloseCode(error.close_code)
    return next((code for kind, code in _CLOSES if isinstance(error, kind)), CloseCode.SERVER_ERROR)


def error_object(error: RunwireError) -> ErrorObject:
    """Return an error as replies on a command socket carry it."""
    details = {key: value for key, value in error.details.items() if key != "id"}
    return ErrorObject(code=error.code, message=error.message, retryable=error.retryable, details=details)


def problem(error: RunwireError) -> Response:
    """Return an error as an HTTP problem."""
    status = status_of(error)
    body = {
        "type": f"urn:runwire:problem:{error.code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": error.message,
        **msgspec.structs.asdict(error_object(error)),
    }
    headers = {}
    if isinstance(error, OverCapacity | ServerStopping):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooLarge | RequestTimeout):
        headers["Connection"] = "close"  # what is left of the body is not worth reading
    return json_response(body, status=status, headers=headers, media_type="application/problem+json")


def internal_problem(error: BaseException, **facts: object) -> tuple[str, Response]:
    """Log an unforeseen error, with ``facts`` such as its route, and return its id and an answer that names nothing but
    that id.
    """
    incident = new_id()
    log.error("request.failed", incident=incident, exc_info=error, **facts)
    body = {
        "type": "urn:runwire:problem:internal_error",
        "title": _TITLES[500],
        "status": 500,
        "detail": f"the server failed; its log names incident {incident}",
        "code": "internal_error",
        "message": f"incident {incident}",
        "retryable": False,
        "details": {"incident": incident},
    }
    return incident, json_response(body, status=500, media_type="application/problem+json")


async def on_runwire_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for our own errors."""
    assert isinstance(error, RunwireError)
    if status_of(error) == 500:
        return internal_problem(error, route=request.scope.get(ROUTE), method=request.method)[1]
    counts_of(request).failed(request, error)
    return problem(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's handler for what its router refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    counts_of(request).missed(request, error.status_code)
    body = {
        "type": "about:blank",
        "title": _TITLES.get(error.status_code, error.detail),
        "status": error.status_code,
        "detail": error.detail,
        "code": {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "bad_request"),
        "message": error.detail,
        "retryable": False,
        "details": {},
    }
    headers = dict(error.headers or {})
    return json_response(body, status=error.status_code, headers=headers, media_type="application/problem+json")


async def on_client_left(_request: Request, _error: Exception) -> Response:
    """Starlette's handler for a client that left in the middle of its body: nobody reads the answer, nothing failed."""
    return Response(status_code=400)


async def on_unforeseen(_request: Request, error: Exception) -> Response:
    """Starlette's handler of last resort, for what fails outside the routes: files of the page, the router itself."""
    return internal_problem(error)[1]
