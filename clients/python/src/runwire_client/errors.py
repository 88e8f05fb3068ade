"""The error tree of the client. Lowest floor; any thread; knows nothing of sockets or HTTP libraries.

A class says who can act. Facts are attributes, never parsed out of the text. Errors of httpx, websockets and json never
leave this package: they are mapped where they arise and stand in ``__cause__``.

    RunwireError
    ├── CallerError               you can mend the call
    │   ├── InvalidInput          400, 422, or refused here before anything was sent
    │   ├── NotAuthenticated      401 or close code 4401, after fresh credentials were tried
    │   ├── ScopeMissing          403 or close code 4503
    │   ├── NotFound              404: absent, or somebody else's
    │   ├── Conflict              409
    │   │   ├── RunIdTaken        the run id names another run
    │   │   ├── AlreadyAnswered   another answer to the question was first; ``details`` hold it
    │   │   ├── RequestClosed     the question takes no answer any more
    │   │   ├── ControlTaken      somebody else has the run's browser at this moment
    │   │   ├── RunEnded          the run takes no message any more
    │   │   └── ThreadBusy        the thread has a run that has not ended
    │   ├── TooLarge              413
    │   ├── OverCapacity          429: your share is used up; ``retry_after_s`` says when to come back
    │   └── ClientClosed          the client was used outside its ``async with``
    ├── PeerError                 the server must be mended
    │   ├── ServerUnavailable     502, 503, 504; ``retry_after_s`` where the server said so
    │   ├── ServerFault           any other refusal by the server
    │   └── ProtocolViolation     its bytes break the contract
    └── WorldError                neither: the network, or time
        ├── ConnectionFailed      the server was not reached, or its reply was lost
        │   └── ReconnectExhausted  a follow was cut and did not come back within ``reconnect_for_s``
        └── DeadlineExceeded      the time that was allowed has passed (also a ``TimeoutError``)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class RunwireError(Exception):
    """The root.

    Attributes:
        message: one sentence for a person.
        code: the word of the server's catalogue (or of this client's, for errors that arise here).
        status: the HTTP status, if a reply carried the error.
        close_code: the WebSocket close code, if a close carried the error.
        retryable: whether the same call may succeed later.
        retry_after_s: seconds to wait before that, if the server said so.
        details: JSON facts that the server adds, such as which limit was met.
    """

    default_code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        close_code: int | None = None,
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.status = status
        self.close_code = close_code
        self.retry_after_s = retry_after_s
        self.details: Mapping[str, Any] = details or {}


class CallerError(RunwireError):
    """You can mend the call."""

    default_code = "bad_request"


class InvalidInput(CallerError):
    """A value has the wrong type, range or shape."""

    default_code = "invalid_input"


class NotAuthenticated(CallerError):
    """No or wrong credentials; fresh ones were tried once."""

    default_code = "not_authenticated"


class ScopeMissing(CallerError):
    """The object is yours, but the credentials lack a scope."""

    default_code = "scope_missing"


class NotFound(CallerError):
    """Absent, or somebody else's: both give this same answer."""

    default_code = "not_found"


class Conflict(CallerError):
    """The object is not in a state that allows this."""

    default_code = "conflict"


class RunIdTaken(Conflict):
    """The run id already names another run."""

    default_code = "run_id_taken"


class AlreadyAnswered(Conflict):
    """Another answer to the question was first; ``details`` hold ``answered_by``, ``answered_ms`` and ``payload``."""

    default_code = "already_answered"


class RequestClosed(Conflict):
    """The question takes no answer any more: it has expired, was withdrawn, or its run has ended."""

    default_code = "request_closed"


class ControlTaken(Conflict):
    """Another person, ``details["holder"]``, or the agent in mid-action has the run's browser; try again."""

    default_code = "control_taken"
    retryable = True


class RunEnded(Conflict):
    """The run has ended and takes no message any more."""

    default_code = "run_ended"


class ThreadBusy(Conflict):
    """The thread has a run that has not ended, and the start was to be refused then; ``details`` name it."""

    default_code = "thread_busy"


class TooLarge(CallerError):
    """Beyond a size limit."""

    default_code = "too_large"


class OverCapacity(CallerError):
    """Your share of the server is used up; ``retry_after_s`` says when to come back."""

    default_code = "over_capacity"
    retryable = True


class ClientClosed(CallerError):
    """The client was used before its ``async with`` was entered or after it was left."""

    default_code = "client_closed"


class PeerError(RunwireError):
    """The server must be mended."""

    default_code = "server_error"


class ServerUnavailable(PeerError):
    """The server says that it cannot serve just now."""

    default_code = "unavailable"
    retryable = True


class ServerFault(PeerError):
    """The server refused in a way that no other class names."""


class ProtocolViolation(PeerError):
    """The server's bytes break the contract (docs/protocol)."""

    default_code = "protocol_error"


class WorldError(RunwireError):
    """Neither you nor the server: the network, or time."""

    default_code = "unavailable"
    retryable = True


class ConnectionFailed(WorldError):
    """The server was not reached, or its reply was lost."""

    default_code = "connection_failed"


class ReconnectExhausted(ConnectionFailed):
    """A follow was cut and did not come back in time; ``after`` and ``epoch`` resume it later without loss."""

    default_code = "reconnect_exhausted"

    def __init__(self, message: str, *, after: int, epoch: str | None) -> None:
        super().__init__(message)
        self.after = after
        self.epoch = epoch


class DeadlineExceeded(WorldError, TimeoutError):
    """The time that was allowed has passed."""

    default_code = "deadline_exceeded"
