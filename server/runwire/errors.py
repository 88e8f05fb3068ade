"""The error tree. Floor 0; any thread; knows nothing of HTTP, sockets or databases.

A class says who can act; its ``code`` is the word of the public catalogue that clients see; facts are attributes, never
parsed out of the text. ``web/error_map.py`` alone turns a class into a status or a close code.

    RunwireError
    ├── CallerError              the one who called can mend the call
    │   ├── InvalidInput         a value has the wrong type, range or shape
    │   │   ├── BadCommand       a command frame that cannot be understood
    │   │   ├── UnknownSentence  a step that the step language does not know; a model might
    │   │   └── EventRefused     an agent's event that the log cannot hold
    │   │       └── LimitExceeded  the run may not emit any more
    │   ├── NotAuthenticated     no or wrong credentials
    │   │   └── LinkEnded        a share link that is unknown, expired or revoked
    │   ├── ScopeMissing         an own object, but the credentials lack a scope
    │   ├── NotFound             absent, or somebody else's: the same answer
    │   ├── Conflict             the object is not in a state that allows this
    │   │   ├── RunIdTaken       the id names another run
    │   │   ├── AlreadyAnswered  somebody else's answer to a question was first
    │   │   ├── RequestClosed    a question that takes no answer any more
    │   │   ├── ControlTaken     somebody else has a run's browser at this moment
    │   │   ├── RunEnded         nobody is left to take a message
    │   │   └── ThreadBusy       the thread has a run that has not ended
    │   ├── TooLarge             beyond a size limit
    │   └── OverCapacity         come back later
    │       └── OverBudget       tokens or money of this period are used up
    ├── PeerError                the other end of a socket broke its contract
    │   ├── ProtocolViolation
    │   └── RequestTimeout       a request did not come whole in time
    ├── WorldError               the surroundings must be mended
    │   ├── DatabaseOutOfDate    the schema is not the one of this version
    │   ├── DataFolderInUse      another process owns the data folder
    │   ├── StorageUnavailable   the disk is full, read-only or locked
    │   ├── ConfigurationError   a setting is wrong
    │   ├── ServerStopping       the server drains; come back after its restart
    │   ├── BrowserError         the browser could not do what was asked
    │   │   ├── BrowserUnavailable
    │   │   ├── BrowserLost
    │   │   └── BrowserTimeout
    │   └── ModelError           the model did not answer as it should
    │       ├── ModelUnavailable none is configured
    │       ├── ModelRefused     it does not take the request
    │       ├── ModelFailed      out of reach or busy for too long
    │       ├── ModelTimeout
    │       └── ModelNonsense    its answer is none
    └── InternalError            a defect of this program
        ├── ExecutionEngineFactoryError
        ├── StartupIncomplete
        ├── IllegalTransition
        ├── ForeignThread        a handle was used outside the thread that owns it; nothing was done
        └── FenceLost            a run was taken from this worker; it must write nothing more
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class RunwireError(Exception):
    """The root. ``message`` is one sentence for a person; ``details`` are JSON-ready facts."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class CallerError(RunwireError):
    """The one who called can mend the call."""

    code = "bad_request"


class InvalidInput(CallerError):
    """A value has the wrong type, range or shape."""

    code = "invalid_input"


class BadCommand(InvalidInput):
    """A command frame that cannot be understood."""

    code = "bad_command"


class UnknownSentence(InvalidInput):
    """A test has sentences that the step language does not know, and no other fault: a model could read them.

    ``sentences`` are their names (``protocol.readings.SentenceKey``).
    """

    sentences: Sequence[tuple[str, str, int]] = ()


class EventRefused(InvalidInput):
    """An agent's event that the log cannot hold: it burns no ``seq``."""

    code = "event_refused"


class LimitExceeded(EventRefused):
    """The run has emitted as much as it may."""

    code = "limit_exceeded"


class NotAuthenticated(CallerError):
    """No or wrong credentials."""

    code = "not_authenticated"


class LinkEnded(NotAuthenticated):
    """A share link that is unknown, expired or revoked: all give this same answer."""

    code = "link_ended"


class ScopeMissing(CallerError):
    """The object is the caller's own, but the credentials lack a scope."""

    code = "scope_missing"


class NotFound(CallerError):
    """Absent, or somebody else's: both give this same answer."""

    code = "not_found"


class Conflict(CallerError):
    """The object is not in a state that allows this."""

    code = "conflict"


class RunIdTaken(Conflict):
    """The run id already names another run."""

    code = "run_id_taken"


class AlreadyAnswered(Conflict):
    """Somebody else's answer to the question was first; ``details`` say whose, when, and what it was."""

    code = "already_answered"


class RequestClosed(Conflict):
    """The question takes no answer any more: expired, withdrawn, or its run has ended."""

    code = "request_closed"


class ControlTaken(Conflict):
    """Somebody else has the run's browser at this moment: another person, or the agent in mid-action."""

    code = "control_taken"
    retryable = True


class RunEnded(Conflict):
    """The run has ended: nobody is left to take a message; ``details`` say how."""

    code = "run_ended"


class ThreadBusy(Conflict):
    """The thread has a run that has not ended, and the start was to be refused then; ``details`` name the run."""

    code = "thread_busy"


class TooLarge(CallerError):
    """Beyond a size limit."""

    code = "too_large"


class OverCapacity(CallerError):
    """The server or the caller's share of it is full; ``retry_after_s`` (seconds) says when to come back."""

    code = "over_capacity"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float, **details: Any) -> None:
        super().__init__(message, retry_after_s=retry_after_s, **details)
        self.retry_after_s = retry_after_s


class OverBudget(OverCapacity):
    """The caller has used up the tokens or the money of this period; ``details`` say how much and when it renews."""

    code = "over_budget"
    retryable = False


class PeerError(RunwireError):
    """The other end of a socket broke its contract."""

    code = "protocol_error"


class ProtocolViolation(PeerError):
    """The peer's bytes break the protocol; ``close_code`` is what it is closed with."""

    def __init__(self, message: str, *, close_code: int) -> None:
        super().__init__(message, close_code=close_code)
        self.close_code = close_code


class RequestTimeout(PeerError):
    """A request did not come whole in time."""

    code = "request_timeout"
    retryable = True


class WorldError(RunwireError):
    """The surroundings must be mended."""

    code = "unavailable"
    retryable = True


class DatabaseOutOfDate(WorldError):
    """The database's schema is not the one of this version."""

    code = "database_out_of_date"
    retryable = False


class DataFolderInUse(WorldError):
    """Another process owns the data folder."""

    code = "data_folder_in_use"


class StorageUnavailable(WorldError):
    """The disk is full, read-only or locked."""

    code = "storage_unavailable"


class ServerStopping(WorldError):
    """The server drains: it takes no new runs; ``retry_after_s`` (seconds) says when to come back."""

    code = "server_stopping"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class ConfigurationError(WorldError):
    """A setting is wrong; the message names it."""

    code = "configuration_error"
    retryable = False


class BrowserError(WorldError):
    """The browser could not do what was asked."""

    code = "browser_error"


class BrowserUnavailable(BrowserError):
    """No browser can be started here."""

    code = "startup_failed"


class BrowserLost(BrowserError):
    """The browser died or froze in mid-run."""

    code = "browser_lost"


class BrowserTimeout(BrowserError):
    """A browser operation exceeded its time limit."""

    code = "browser_timeout"


class ModelError(WorldError):
    """The model did not answer as it should."""

    code = "model_error"


class ModelUnavailable(ModelError):
    """No model is configured here; the message says what to set."""

    code = "model_unavailable"
    retryable = False


class ModelRefused(ModelError):
    """The model does not take the request: a wrong key, an unknown name, a conversation that is too long."""

    code = "model_refused"
    retryable = False


class ModelFailed(ModelError):
    """The model was out of reach, busy or broken, also when asked again."""

    code = "model_failed"


class ModelTimeout(ModelError):
    """No answer came in time."""

    code = "model_timeout"


class ModelNonsense(ModelError):
    """What the model said cannot be used, also when it was told so."""

    code = "model_nonsense"


class InternalError(RunwireError):
    """A defect of this program."""


class ExecutionEngineFactoryError(InternalError):
    """The engine factory was built or used without what it needs."""


class StartupIncomplete(InternalError):
    """A start-up step is missing; the message names it."""


class IllegalTransition(InternalError):
    """A move that the state table does not have."""

    def __init__(self, machine: str, current: str, target: str) -> None:
        super().__init__(f"{machine}: no move from {current} to {target}", current=current, target=target)
        self.current = current
        self.target = target


class ForeignThread(InternalError):
    """A browser handle was used outside the thread and loop that it belongs to. Nothing was sent to the browser."""


class FenceLost(InternalError):
    """The run was taken from this worker (ended, or given to another): it must write nothing more."""

    code = "fence_lost"
