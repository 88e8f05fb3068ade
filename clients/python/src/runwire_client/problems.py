"""From a refused HTTP exchange to the error tree: the one place that reads problem documents. Any thread; pure.

Source: RFC 9457 (problem details); the members ``code`` and ``details`` are the server's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from runwire_client.errors import (
    AlreadyAnswered,
    Conflict,
    ControlTaken,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    OverCapacity,
    ProtocolViolation,
    RequestClosed,
    RunEnded,
    RunIdTaken,
    RunwireError,
    ScopeMissing,
    ServerFault,
    ServerUnavailable,
    ThreadBusy,
    TooLarge,
)
from runwire_client.fields import parse_json

_BY_STATUS: Final = MappingProxyType(
    {
        400: InvalidInput,
        401: NotAuthenticated,
        403: ScopeMissing,
        404: NotFound,
        409: Conflict,
        413: TooLarge,
        422: InvalidInput,
        429: OverCapacity,
        502: ServerUnavailable,
        503: ServerUnavailable,
        504: ServerUnavailable,
    }
)
_CONFLICTS: Final = (RunIdTaken, AlreadyAnswered, ControlTaken, RequestClosed, RunEnded, ThreadBusy)
_BY_CODE: Final = MappingProxyType({kind.default_code: kind for kind in _CONFLICTS})
_REFUSALS: Final = MappingProxyType({**{kind.default_code: kind for kind in _BY_STATUS.values()}, **_BY_CODE})


def problem_error(status: int, headers: Mapping[str, str], body: bytes) -> RunwireError:
    """Return the error that a reply stands for; a body that is no problem document still gives one.

    Args:
        status: the HTTP status.
        headers: the reply's headers, looked up without regard to case by the mapping itself.
        body: the reply's body, whole or cut.
    """
    problem = _problem(body)
    code = _text(problem, "code")
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(status, ServerFault)
    details = problem.get("details")
    return kind(
        _text(problem, "detail") or _text(problem, "title") or f"the server answered {status}",
        code=code,
        status=status,
        retry_after_s=_retry_after_s(headers, problem),
        details=details if isinstance(details, dict) else None,
    )


def refusal_error(error: Mapping[str, Any]) -> RunwireError:
    """Return the error that a refused command of a socket stands for (protocol, section 4)."""
    code, details = _text(error, "code"), error.get("details")
    kind = _REFUSALS.get(code or "", ServerFault)
    message = _text(error, "message") or "the command was refused"
    return kind(message, code=code, details=details if isinstance(details, dict) else None)


def _text(problem: Mapping[str, Any], name: str) -> str | None:
    value = problem.get(name)
    return value if isinstance(value, str) else None


def _problem(body: bytes) -> dict[str, Any]:
    try:
        value = parse_json(body, "problem")
    except ProtocolViolation:
        return {}  # A proxy's HTML page, or nothing: the status alone must do.
    return value if isinstance(value, dict) else {}


def _retry_after_s(headers: Mapping[str, str], problem: Mapping[str, Any]) -> float | None:
    """Seconds from the problem, else from Retry-After; its date form needs a wall clock and is not worth one."""
    details = problem.get("details")
    value = details.get("retry_after_s") if isinstance(details, dict) else problem.get("retry_after_s")
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    header = headers.get("retry-after", "")
    return float(header) if header.isascii() and header.isdigit() else None
