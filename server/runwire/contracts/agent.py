"""The seam between Runwire and the code that it runs. Floor 3.

An agent is a callable ``(ctx, input)``: an async function, an async generator that yields events or strings, a class
whose instances have ``run(ctx, input)``, or a plain function (which then runs in a thread of its own, with a
:class:`SyncRunContext`). A fresh instance is made for every run; an agent has no way to speak into another run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from runwire.contracts.artifacts import RunArtifacts
from runwire.contracts.browser import BrowserPool
from runwire.contracts.family import ChildOutcome, ChildRun, ForkedRun, SyncChildRun, SyncForkedRun
from runwire.contracts.files import RunFiles, SyncRunFiles
from runwire.contracts.model import ChatModel
from runwire.contracts.sentences import RunSentences
from runwire.contracts.steering import RunInbox, SyncRunInbox
from runwire.contracts.traversals import RunTraversal
from runwire.runs.state import Verdict

Event = Mapping[str, Any]
"""One AG-UI 1.0 event: a JSON object with a ``type`` (any but ``RUN_*``)."""


@dataclass(frozen=True, slots=True)
class AgentResult:
    """What an agent may return instead of a bare JSON value, to add a verdict or usage (a JSON object of counts)."""

    result: Any = None
    verdict: Verdict | None = None
    usage: dict[str, Any] | None = None


class AgentFailure(Exception):
    """Raised by an agent that ends its run as FAILED on purpose.

    ``code`` is the catalogue's word (``agent_error`` by default; a browser agent uses ``startup_failed``,
    ``browser_lost``, …); ``result`` may carry what was completed, ``limit`` the name of the limit that ended it.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "agent_error",
        retryable: bool = False,
        result: Any = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retryable = retryable
        self.result = result
        self.limit = limit


class InputExpired(AgentFailure):
    """Raised by ``ctx.ask`` and ``ctx.approve`` when nobody answered in time; uncaught, the run ends FAILED
    ``input_expired``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, code="input_expired")


class InputWithdrawn(AgentFailure):
    """Raised when the question under this key was given up by an earlier wait for it (the agent's own time limit);
    uncaught, the run ends FAILED ``input_withdrawn``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, code="input_withdrawn")


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person decided about a tool call; ``edited_arguments`` are to be used instead, if given."""

    approved: bool
    edited_arguments: dict[str, Any] | None = None
    comment: str | None = None


class ChildFailed(AgentFailure):
    """A child run has not succeeded; uncaught, it ends the parent FAILED ``child_failed``. ``outcome`` tells more."""

    def __init__(self, outcome: ChildOutcome) -> None:
        error = outcome.error
        why = f": {error.code}: {error.message}" if error is not None else ""
        message = f"the run {outcome.run_id} of {outcome.agent!r} is {outcome.status}{why}"
        super().__init__(message, code="child_failed", retryable=error is not None and error.retryable)
        self.outcome = outcome


class RunFacts(Protocol):
    """What every context tells about its run."""

    @property
    def run_id(self) -> str:
        """The run's only name."""

    @property
    def thread_id(self) -> str:
        """The conversation that the run belongs to."""

    @property
    def user_id(self) -> str:
        """The owner."""

    @property
    def attempt(self) -> int:
        """1 for the first attempt, more after a recovery or retry."""

    @property
    def cancelled(self) -> bool:
        """Whether the run has been asked to stop. Long loops without ``await`` should look at it."""


class RunContext(RunFacts, Protocol):
    """All that an asynchronous agent may do to the outside. Bound to one run; used on the runner's loop only."""

    @property
    def forked_from(self) -> ForkedRun | None:
        """The run behind one of whose entries this one begins, for an agent that is ``forkable``."""

    @property
    def artifacts(self) -> RunArtifacts:
        """The run's stored files."""

    @property
    def files(self) -> RunFiles:
        """The files of the run's owner, such as those that the input names by ``{"file_id": …}``."""

    @property
    def traversal(self) -> RunTraversal:
        """Where a browser run keeps what it did, step by step."""

    @property
    def browser(self) -> BrowserPool:
        """The server's browsers. Raises BrowserUnavailable, with the reason, where there is none."""

    @property
    def model(self) -> ChatModel:
        """The server's model; what it takes is added to the run's usage and counts against the run's limits."""

    @property
    def sentences(self) -> RunSentences:
        """What models have made of sentences of the owner's browser tests."""

    async def emit(self, event: Event) -> None:
        """Append one AG-UI event to the run's log; returns when accepted (protocol, L9).

        At most 256 entries or 1 MiB of a run wait for the writer; beyond that the call waits.

        Raises:
            EventRefused: not an object with an allowed ``type``, larger than 64 KiB, or with a value JSON cannot hold.
            FenceLost: the run has been taken from this worker.
        """

    async def text(self, delta: str, *, message_id: str | None = None) -> None:
        """Append ``delta`` to the answer. Opens the message (START) on first use; the runner closes it (END)."""

    async def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        """Publish how far the run is: ``done`` of ``total`` units (None: unknown)."""

    async def start(
        self,
        agent: str,
        input: Any = None,
        *,
        key: str | None = None,
        priority: str = "normal",
        timeout_s: float | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> ChildRun:
        """Start another run of the same owner, in the same conversation; it is stored when this returns.

        It is cancelled when this run is cancelled or fails, and goes on if this one succeeds without waiting for it.

        Args:
            agent: the agent's name.
            input: any JSON value that the agent's input schema allows.
            key: what this child is for, unique within the run: a later attempt then gets the child that an earlier one
                has started, instead of another.
            priority: ``high``, ``normal`` or ``low``.
            timeout_s: seconds that it may be RUNNING.
            limits: what it may use, as in a start command.

        Raises:
            InvalidInput: unknown agent, or input that it refuses.
            LimitExceeded: this run has started as many as it may, or descends from too many.
            Conflict: this run has been asked to stop.
            OverCapacity: too many runs wait.
            RunIdTaken: the key named another child before.
        """

    async def flush(self) -> int:
        """Return the last committed ``seq`` once everything emitted so far is committed."""

    @property
    def inbox(self) -> RunInbox:
        """What people say into the live run. Who has opened it once listens to the end."""

    async def step(self, key: str, function: Callable[[], Any]) -> Any:
        """Return ``function()`` (awaited if need be), a JSON value of at most 64 KiB, and store it: under the same
        ``key`` a later attempt gets the stored value, and the function is not called again.

        What the function raises is raised and stores nothing. A crash between its return and the commit calls it a
        second time: make it safe to repeat.

        Raises:
            InvalidInput: the result is no JSON. LimitExceeded: it is too large, or 10,000 steps are stored already.
        """

    async def ask(
        self,
        question: str,
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Any:
        """Ask a person and return the answer; the run is WAITING meanwhile, and its time limit stands still.

        Question and answer are stored: they outlive sockets and the server. Asked again under the same ``key`` (by a
        later attempt of a recoverable agent, or by the same), the stored answer comes back at once, or the same
        question goes on waiting.

        Args:
            question: what to ask, for a person to read.
            schema: JSON Schema (2020-12) that the answer must fit; None takes any JSON value.
            timeout_s: seconds that the question waits; default ``input_timeout_s`` of the settings (a day).
            key: the question's name in this run, at most 200 characters; default its number in the order of calls.

        Raises:
            InputExpired: nobody answered in time; InputWithdrawn: an earlier wait under this key was given up.
            InvalidInput: the schema or another argument is none; LimitExceeded: 16 questions are open already.
        """

    async def approve(
        self,
        tool_call: Mapping[str, Any],
        *,
        message: str | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Approval:
        """Ask whether a tool may be called: ``{"id": …, "name": …, "arguments": …}``. As :meth:`ask`; the default
        ``key`` is made of the call's id.
        """


class SyncRunContext(RunFacts, Protocol):
    """The same for a plain function: each call blocks the run's own thread, and nobody else."""

    def start(
        self,
        agent: str,
        input: Any = None,
        *,
        key: str | None = None,
        priority: str = "normal",
        timeout_s: float | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> SyncChildRun:
        """Start another run; see :meth:`RunContext.start`."""

    @property
    def files(self) -> SyncRunFiles:
        """The files of the run's owner."""

    @property
    def forked_from(self) -> SyncForkedRun | None:
        """The run behind one of whose entries this one begins; see :attr:`RunContext.forked_from`."""

    def emit(self, event: Event) -> None:
        """Append one AG-UI event; see :meth:`RunContext.emit`."""

    def text(self, delta: str, *, message_id: str | None = None) -> None:
        """Append ``delta`` to the answer."""

    def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        """Publish how far the run is."""

    def flush(self) -> int:
        """Return the last committed ``seq`` once everything emitted so far is committed."""

    @property
    def inbox(self) -> SyncRunInbox:
        """What people say into the live run."""

    def step(self, key: str, function: Callable[[], Any]) -> Any:
        """Return ``function()`` and store it; see :meth:`RunContext.step`."""

    def ask(
        self,
        question: str,
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Any:
        """Ask a person and return the answer; see :meth:`RunContext.ask`. Raises CancelledError when the run is to
        stop.
        """

    def approve(
        self,
        tool_call: Mapping[str, Any],
        *,
        message: str | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Approval:
        """Ask whether a tool may be called; see :meth:`RunContext.approve`."""
