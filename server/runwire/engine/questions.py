"""How an attempt asks people: ``ctx.ask`` and ``ctx.approve``, for agents with a loop and without. Floor 5; the run's
own thread.

What is asked and answered is stored; this module only waits for it. A bell rings when something has been stored for the
run, and the question is then settled by one transaction, so an answer and the end of its time never both win.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Protocol

from runwire.clock import Clock
from runwire.contracts.agent import Approval, InputExpired, InputWithdrawn
from runwire.contracts.inbox import Held, InboxStore, InputRequest, Question
from runwire.contracts.steering import MessageStore, StepStore
from runwire.engine.attempt_inbox import BlockingSource, BlockingStoredMessages, LiveSource, StoredMessages
from runwire.engine.cancellation import StopToken
from runwire.engine.doorbells import Doorbells
from runwire.engine.emitter import UserWebSocketEmitter
from runwire.engine.waits import LOOK_S, BlockingWaits, answered
from runwire.errors import FenceLost, InvalidInput, NotFound
from runwire.ids import new_id
from runwire.protocol.codec import EVENT_BYTES, decode_body, encode_value
from runwire.protocol.interrupts import APPROVAL_SCHEMA, checked_tool_call, interrupt
from runwire.protocol.json_schema import check_schema
from runwire.runs.record import ClaimedRun
from runwire.runs.request_state import RequestStatus
from runwire.threads import Doorbell

ENVELOPE_BYTES = 2_048
"""What an event needs around a question or an answer, at most."""

KEY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class QuestionServices:
    """What the server lends to every attempt that may ask. ``timeout_s``: how long a question waits by default."""

    store: InboxStore
    messages: MessageStore
    steps: StepStore
    bells: Doorbells
    clock: Clock
    timeout_s: float


class Questions(Protocol):
    """What a context deals with people and its memory through; arguments as in ``contracts.agent.RunContext``. Returns
    decoded answers.
    """

    async def ask(
        self, message: str, schema: Mapping[str, Any] | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put a question."""

    async def approve(
        self, tool_call: Mapping[str, Any], message: str | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put the question whether a tool may be called."""

    def ask_blocking(
        self, message: str, schema: Mapping[str, Any] | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """The same for a thread without a loop."""

    def approve_blocking(
        self, tool_call: Mapping[str, Any], message: str | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """The same for a thread without a loop."""

    def messages(self) -> LiveSource:
        """Listen from now on; return where messages come from."""

    def messages_blocking(self) -> BlockingSource:
        """The same for a thread without a loop."""

    async def recall(self, key: str) -> bytes | None:
        """Return a step's stored result, encoded; None if there is none."""

    async def remember(self, key: str, result: bytes) -> None:
        """Store a step's result."""

    def recall_blocking(self, key: str) -> bytes | None:
        """The same for a thread without a loop."""

    def remember_blocking(self, key: str, result: bytes) -> None:
        """The same for a thread without a loop."""


class AttemptQuestions:
    """One attempt's questions: their names, their bounds, the bell. Costs nothing until the first is asked."""

    def __init__(
        self,
        services: QuestionServices,
        claimed: ClaimedRun,
        emitter: UserWebSocketEmitter,
        stop: StopToken,
        *,
        release: bool,
    ) -> None:
        """``release``: the run gives its slot back while it waits."""
        self.services = services
        self.stop = stop
        self.held = Held(claimed.run_id, claimed.fence, release)
        self._emitter = emitter
        self._asked = 0
        self._bell: Doorbell | None = None

    @property
    def bell(self) -> Doorbell:
        """The attempt's bell, hung with the first use."""
        if self._bell is None:
            self._bell = self.services.bells.hang(self.held.run_id)
        return self._bell

    def messages(self) -> StoredMessages:
        """Listen from now on; return where messages come from."""
        bell = self.bell
        self.services.bells.listen(self.held.run_id)
        take = partial(self.services.messages.take, self.held)
        return StoredMessages(bell, take, self._emitter.spend, self.stop)

    def messages_blocking(self) -> BlockingStoredMessages:
        """The same for a thread without a loop."""
        return BlockingStoredMessages(self.messages())

    async def recall(self, key: str) -> bytes | None:
        """Return a step's stored result."""
        return await answered(partial(self.services.steps.recall, self.held, key))

    async def remember(self, key: str, result: bytes) -> None:
        """Store a step's result. Raises LimitExceeded."""
        await answered(partial(self.services.steps.remember, self.held, key, result))

    def recall_blocking(self, key: str) -> bytes | None:
        """Return a step's stored result; blocks the thread."""
        waits = BlockingWaits(self.bell, self.stop)
        with waits.armed():
            return waits.answered(partial(self.services.steps.recall, self.held, key))

    def remember_blocking(self, key: str, result: bytes) -> None:
        """Store a step's result; blocks the thread. Raises LimitExceeded."""
        waits = BlockingWaits(self.bell, self.stop)
        with waits.armed():
            waits.answered(partial(self.services.steps.remember, self.held, key, result))

    def close(self) -> None:
        """Take the bell down; called once the attempt has ended, any thread."""
        if self._bell is not None:
            self.services.bells.take_down(self.held.run_id, self._bell)

    def question(
        self,
        message: str,
        schema: Mapping[str, Any] | None,
        timeout_s: float | None,
        key: str | None,
        *,
        reason: str = "input_required",
        tool_call: Mapping[str, Any] | None = None,
    ) -> Question:
        """Return what is to be asked, checked. Raises InvalidInput, LimitExceeded."""
        self._asked += 1
        name = key if key is not None else f"ask-{self._asked}"
        if not 0 < len(name) <= KEY_LENGTH:
            raise InvalidInput(f"key: a text of 1 to {KEY_LENGTH} characters")
        wait_s = self.services.timeout_s if timeout_s is None else timeout_s
        if not 0 < wait_s <= 31_536_000:
            raise InvalidInput("timeout_s: seconds, more than 0 and at most a year")
        if schema is not None and schema is not APPROVAL_SCHEMA:
            check_schema(schema)
        request_id = new_id()
        expires_ms = self.services.clock.now_ms() + round(wait_s * 1000)
        encoded = encode_value(interrupt(request_id, reason, message, expires_ms, schema=schema, tool_call=tool_call))
        if len(encoded) > EVENT_BYTES - ENVELOPE_BYTES:
            raise InvalidInput(f"the question has {len(encoded)} bytes; save an artifact and ask about its url")
        self._emitter.spend(2)
        return Question(request_id, name, encoded, expires_ms)

    def approval(self, tool_call: Any, message: str | None, timeout_s: float | None, key: str | None) -> Question:
        """Return the question whether a tool may be called. Raises InvalidInput."""
        call = checked_tool_call(tool_call)
        return self.question(
            message or f"May {call.get('name') or 'this tool'} be called?",
            APPROVAL_SCHEMA,
            timeout_s,
            key if key is not None else f"approve-{call['id']}"[:KEY_LENGTH],
            reason="tool_call",
            tool_call=call,
        )

    async def ask(
        self, message: str, schema: Mapping[str, Any] | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put a question; on the runner's loop."""
        return await LiveQuestions(self).put(self.question(message, schema, timeout_s, key))

    async def approve(
        self, tool_call: Mapping[str, Any], message: str | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put the question whether a tool may be called; on the runner's loop."""
        return await LiveQuestions(self).put(self.approval(tool_call, message, timeout_s, key))

    def ask_blocking(
        self, message: str, schema: Mapping[str, Any] | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put a question and block the thread."""
        return BlockingQuestions(self).put(self.question(message, schema, timeout_s, key))

    def approve_blocking(
        self, tool_call: Mapping[str, Any], message: str | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put the question whether a tool may be called and block the thread."""
        return BlockingQuestions(self).put(self.approval(tool_call, message, timeout_s, key))


class LiveQuestions:
    """Asks for an agent on the runner's loop."""

    def __init__(self, attempt: AttemptQuestions) -> None:
        self._attempt = attempt

    async def put(self, question: Question) -> Any:
        """Put the question and return the decoded answer. Raises InputExpired, InputWithdrawn."""
        attempt = self._attempt
        bell, seen = attempt.bell, attempt.bell.rings
        store, held = attempt.services.store, attempt.held
        settle = partial(store.settle, held, question.key)
        try:
            request = _known(await answered(partial(store.ask, held, question)))
            deadline = monotonic() + request.remaining_s
            while request.status is RequestStatus.OPEN:
                otherwise = None
                try:
                    async with asyncio.timeout(deadline - monotonic()):
                        seen = await bell.wait(seen)
                except TimeoutError:
                    otherwise = RequestStatus.EXPIRED
                request = _known(await answered(partial(settle, otherwise)))
        except asyncio.CancelledError:
            if attempt.stop.reason is None:  # the agent stopped waiting by itself, and goes on
                with contextlib.suppress(FenceLost, NotFound):  # then nothing is left to withdraw
                    await answered(partial(settle, RequestStatus.WITHDRAWN))
            raise
        return _payload(request)


class BlockingQuestions:
    """Asks for a plain function: blocks the run's own thread, and nobody else."""

    def __init__(self, attempt: AttemptQuestions) -> None:
        self._attempt = attempt

    def put(self, question: Question) -> Any:
        """Put the question and return the decoded answer.

        Raises InputExpired, InputWithdrawn; CancelledError when the run is to stop.
        """
        attempt = self._attempt
        bell, seen = attempt.bell, attempt.bell.rings
        store, held = attempt.services.store, attempt.held
        waits = BlockingWaits(bell, attempt.stop)
        with waits.armed():
            request = _known(waits.answered(partial(store.ask, held, question)))
            deadline = monotonic() + request.remaining_s
            while request.status is RequestStatus.OPEN:
                seen = bell.wait_blocking(seen, min(LOOK_S, max(0.0, deadline - monotonic())))
                waits.leave_if_stopped()
                otherwise = RequestStatus.EXPIRED if monotonic() >= deadline else None
                request = _known(waits.answered(partial(store.settle, held, question.key, otherwise)))
        return _payload(request)


def _known(request: InputRequest | None) -> InputRequest:
    assert request is not None, "the store delivers a request or an error"
    return request


def _payload(request: InputRequest) -> Any:
    if request.status is RequestStatus.EXPIRED:
        raise InputExpired(f"nobody answered {request.key!r} in time")
    if request.status is RequestStatus.WITHDRAWN:
        raise InputWithdrawn(f"the question {request.key!r} was withdrawn by an earlier wait for it; use another key")
    return decode_body(request.payload or b"null")


def approval_of(payload: Any) -> Approval:
    """Return an answered request for approval as the agent sees it."""
    return Approval(payload["approved"], payload.get("editedArgs"), payload.get("comment"))
