"""Runs as frozen values: what the store returns and every room above it reads. Floor 1; any thread; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runwire.errors import UnknownSentence
from runwire.runs.if_busy import IfBusy
from runwire.runs.limits import RunLimits
from runwire.runs.state import TERMINAL, Priority, RunStatus, Verdict

MAX_ATTEMPTS = 3
"""Attempts of one run unless told otherwise, the first included: one that kills its worker three times is poison; a
guess.
"""


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed: ``code`` from the catalogue (protocol, L4), one sentence, and whether trying again may help.

    ``limit`` names the limit that it exceeded, as a start command calls it.
    """

    code: str
    message: str
    retryable: bool = False
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, before it is written: the terminal status with all that belongs to it.

    ``result`` is any JSON value; ``usage`` a JSON object such as token counts.
    """

    status: RunStatus
    result: Any = None
    verdict: Verdict | None = None
    error: RunError | None = None
    reason: str | None = None
    usage: dict[str, Any] | None = None

    @classmethod
    def failed(cls, code: str, message: str, *, retryable: bool = False, limit: str | None = None) -> Outcome:
        """Return a FAILED outcome."""
        return cls(RunStatus.FAILED, error=RunError(code, message, retryable, limit))


@dataclass(frozen=True, slots=True)
class StartReceiver:
    """Whom a start wants to be told of its end; ``secret_name`` says which of the owner's secrets signs that."""

    url: str
    secret_name: str | None


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that somebody asked for, checked and complete, not yet stored.

    ``input`` is the encoded JSON of the input; ``thread_from_client`` says that the thread may exist
    already, as somebody's; ``body_hash`` identifies the whole request, for idempotency (protocol, L7);
    ``timeout_s`` counts RUNNING only, in seconds; ``limits`` are the others that the start asked for. ``parent_id``
    is the run that starts this one, ``parent_fence`` its right to; ``retry_of`` the run that it repeats, from behind
    its entry ``from_seq`` if it is a fork. ``first_words`` is what a new thread is called; ``file_ids`` are the files
    that the input names; ``webhook`` is who else is told of its end; ``if_busy`` what is to be done
    if the thread has a live run; ``unread`` is raised unless a model has read its sentences before.
    """

    run_id: str
    id_from_client: bool
    owner_id: str
    thread_id: str
    thread_from_client: bool
    agent: str
    input: bytes
    body_hash: str
    priority: Priority
    timeout_s: float
    on_disconnect: str
    epoch: str
    first_words: str = ""
    agent_version: str | None = None
    max_attempts: int = MAX_ATTEMPTS
    limits: RunLimits | None = None
    parent_id: str | None = None
    parent_fence: int = 0
    retry_of: str | None = None
    from_seq: int | None = None
    file_ids: tuple[str, ...] = ()
    webhook: StartReceiver | None = None
    if_busy: IfBusy = IfBusy.PARALLEL
    unread: UnknownSentence | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it was at one moment, from one read.

    ``last_seq`` is the last committed entry at that moment; ``first_seq`` the first that is kept (1 until pruned);
    ``epoch`` the whole epoch as clients see it; times are Unix milliseconds.
    """

    id: str
    owner_id: str
    thread_id: str
    agent: str
    status: RunStatus
    attempt: int
    fence: int
    epoch: str
    priority: Priority
    timeout_s: float
    on_disconnect: str
    input: bytes
    body_hash: str
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    cancel_requested_ms: int | None
    first_seq: int
    last_seq: int
    terminal: bytes | None
    """The encoded ``data`` of the terminal entry, None while the run lives."""
    agent_version: str | None = None
    max_attempts: int = MAX_ATTEMPTS
    not_before_ms: int | None = None
    """While the run waits for its next attempt: when that may begin."""
    limits: RunLimits | None = None
    parent_id: str | None = None
    retry_of: str | None = None
    from_seq: int | None = None
    rolled_back_by: str | None = None
    """The run that took this one's place in its thread."""

    @property
    def ended(self) -> bool:
        """Whether the run is in a terminal state."""
        return self.status in TERMINAL


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """What a runner needs to execute one attempt; ``fence`` is the right to write, lost when the run is taken away.

    The fields with defaults are those of :class:`NewRun`.
    """

    run_id: str
    owner_id: str
    thread_id: str
    agent: str
    input: bytes
    attempt: int
    fence: int
    timeout_s: float
    limits: RunLimits | None = None
    parent_id: str | None = None
    retry_of: str | None = None
    from_seq: int | None = None
