"""One user's engine for one run: starts it, cancels it, and makes what a runner needs to execute it. Floor 5.

Threads: the coroutines run on the server's loop; :meth:`assignment` is called on the writer's thread and only puts
values together; the closures in it run on the run's own thread.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.run_store import Created, RunStore
from runwire.engine.attempt_end import AttemptEnd
from runwire.engine.cancellation import StopReason, StopToken
from runwire.engine.context import BlockingRunContext, LiveRunContext, RunServices
from runwire.engine.emitter import UserWebSocketEmitter
from runwire.engine.family import AttemptFamily, FamilyServices
from runwire.engine.forks import check_retry
from runwire.engine.isolation.process_run import KILL_S, ProcessParts, isolated_instance
from runwire.engine.questions import AttemptQuestions, QuestionServices
from runwire.engine.run_model import RunModel
from runwire.engine.runner import Assignment
from runwire.errors import ExecutionEngineFactoryError, InvalidInput, UnknownSentence
from runwire.ids import new_epoch_part, new_id
from runwire.protocol.codec import decode_body, encode_value
from runwire.protocol.commands import RetryRun, StartRun
from runwire.protocol.references import file_ids_in
from runwire.protocol.transcript import first_words
from runwire.protocol.webhooks import StartWebhook
from runwire.runs.limits import RunLimits
from runwire.runs.record import ClaimedRun, NewRun, Outcome, StartReceiver
from runwire.runs.state import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwire.agents.factory import AgentInstanceFactory
    from runwire.agents.registry import AgentSpec
    from runwire.engine.thread_ceiling import ThreadCeiling

LONG_INPUT_BYTES = 16_384
"""An input from this size on is checked beside the server's loop: a schema may cost a second for each MiB."""


@dataclass(frozen=True, slots=True)
class UserExecutionContext:
    """Who executes what: fixed for the engine's life. Empty names are refused when it is made."""

    user_id: str
    thread_id: str
    run_id: str

    def __post_init__(self) -> None:
        for name in ("user_id", "thread_id", "run_id"):
            if not getattr(self, name):
                raise ExecutionEngineFactoryError(f"UserExecutionContext needs a {name}")


def child_context(parent: ClaimedRun, command: StartRun) -> UserExecutionContext:
    """Return who executes what for a run that ``parent`` starts: the same owner, in the same conversation."""
    return UserExecutionContext(parent.owner_id, parent.thread_id, command.run_id or new_id())


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What every engine of a server shares: nothing in it belongs to a user. ``processes`` is None where no agent is
    isolated.
    """

    store: RunStore
    agents: AgentInstanceFactory
    services: RunServices
    questions: QuestionServices
    family: FamilyServices
    run_timeout_s: float
    cleanup_timeout_s: float
    limits: RunLimits
    max_attempts: int
    request_stop: Callable[[str, StopReason], bool]
    check_webhook_url: Callable[[str], None]
    ceiling: ThreadCeiling
    processes: ProcessParts | None = None


class UserExecutionEngine:
    """Executes one run of one user. Made by ``ExecutionEngineFactory.create_for_user``; shares nothing with another."""

    def __init__(self, context: UserExecutionContext, emitter: UserWebSocketEmitter, parts: EngineParts) -> None:
        self.context = context
        self.emitter = emitter
        self._parts = parts

    async def start(self, command: StartRun, actor: User) -> Created:
        """Check the command and store the run; it is executed when its turn comes.

        Raises:
            InvalidInput: unknown agent, or input that the agent refuses.
            OverCapacity: the agent needs a thread, and too many are stuck.
            RunIdTaken, NotFound, OverCapacity, ThreadBusy: see ``RunStore.create``.
        """
        encoded = encode_value(command.input)
        prepare = partial(self.prepare, command, actor, encoded)
        new = await asyncio.to_thread(prepare) if len(encoded) >= LONG_INPUT_BYTES else prepare()
        created = await self._parts.store.create(new, actor)
        for run_id in created.stopping:  # the wish is stored already
            self._parts.request_stop(run_id, StopReason.CANCEL)
        return created

    async def start_child(self, command: StartRun, parent: ClaimedRun) -> Created:
        """The same for a run that another one starts, on behalf of its owner. Raises as :meth:`start`, and what
        ``seats.admit_child`` raises.
        """
        owner = User(parent.owner_id)
        prepared = await asyncio.to_thread(self.prepare, command, owner)
        new = replace(prepared, thread_from_client=True, parent_id=parent.run_id, parent_fence=parent.fence)
        return await self._parts.store.create(new, owner)

    def prepare(self, command: StartRun, actor: User, encoded: bytes | None = None) -> NewRun:
        """Check the command and return the run to be stored; any thread. ``encoded`` is its input, if that has been
        encoded before.

        Raises:
            InvalidInput: unknown agent, or input that the agent refuses.
        """
        spec = self._parts.agents.registry.get(command.agent)
        self._parts.ceiling.check(command.agent)
        if encoded is None:
            encoded = encode_value(command.input)
        unread = self._unread(spec, command.input)
        timeout_s = spec.timeout_s or self._parts.run_timeout_s
        if command.timeout_s is not UNSET:
            timeout_s = min(command.timeout_s, timeout_s)
        return NewRun(
            run_id=self.context.run_id,
            id_from_client=command.run_id is not UNSET,
            owner_id=actor.id,
            thread_id=self.context.thread_id,
            thread_from_client=command.thread_id is not UNSET,
            agent=command.agent,
            input=encoded,
            body_hash=command.body_hash(encoded),
            priority=command.priority,
            timeout_s=timeout_s,
            on_disconnect=command.on_disconnect,
            epoch=new_epoch_part(),
            first_words=first_words(command.input),
            agent_version=spec.version,
            max_attempts=(spec.retry and spec.retry.max_attempts) or self._parts.max_attempts,
            limits=command.limits or None,
            file_ids=file_ids_in(command.input, encoded),
            webhook=self._receiver(command.webhook),
            if_busy=command.if_busy,
            unread=unread,
        )

    def _unread(self, spec: AgentSpec, value: Any) -> UnknownSentence | None:
        """Check an input; return what of it must have been read by a model before, because none can be asked now."""
        unread = spec.check(value)
        return None if self._parts.services.model.unavailable_reason() is None else unread

    def _receiver(self, webhook: StartWebhook | UnsetType) -> StartReceiver | None:
        if webhook is UNSET:
            return None
        self._parts.check_webhook_url(webhook.url)
        return StartReceiver(webhook.url, webhook.secret_name)

    async def retry(self, original: OwnedRun, command: RetryRun, actor: User) -> Created:
        """Store a run that repeats an ended one in its thread, with its input and limits; a fork if the command names a
        ``from_seq``.

        Raises:
            Conflict: the run has not ended; its agent cannot fork, or the entries to fork behind are pruned.
            InvalidInput: the agent is gone or refuses the input by now; the run has no such entry.
        """
        record = original.record
        spec = self._parts.agents.registry.get(record.agent)
        check_retry(record, spec, command.from_seq)
        value = decode_body(record.input)
        unread = await asyncio.to_thread(self._unread, spec, value)
        new = NewRun(
            run_id=self.context.run_id,
            id_from_client=command.new_run_id is not UNSET,
            owner_id=actor.id,
            thread_id=record.thread_id,
            thread_from_client=True,
            agent=record.agent,
            input=record.input,
            body_hash=command.body_hash(),
            priority=record.priority,
            timeout_s=record.timeout_s,
            on_disconnect="continue",
            epoch=new_epoch_part(),
            agent_version=spec.version,
            max_attempts=(spec.retry and spec.retry.max_attempts) or self._parts.max_attempts,
            limits=record.limits,
            retry_of=record.id,
            from_seq=command.from_seq,
            file_ids=file_ids_in(value, record.input),
            unread=unread,
        )
        return await self._parts.store.create(new, actor)

    async def cancel(self, run: OwnedRun) -> RunStatus:
        """Store the wish to cancel and deliver it; returns the status at that moment. CANCELLED comes when the work has
        stopped.
        """
        if run.run_id != self.context.run_id:
            raise InvalidInput("this engine belongs to another run")
        status = await self._parts.store.request_cancel(run)
        self._parts.request_stop(run.run_id, StopReason.CANCEL)
        return status

    def assignment(self, claimed: ClaimedRun) -> Assignment:
        """Return what a runner needs to execute the claimed attempt."""
        stop = StopToken()
        emitter, parts = self.emitter, self._parts
        registry = parts.agents.registry
        spec = registry.find(claimed.agent)
        limits = parts.limits.within(spec.limits if spec is not None else None).within(claimed.limits)
        appender = emitter.open(claimed.fence, limits)
        processes = parts.processes if registry.isolation(claimed.agent) == "process" else None
        release = spec is not None and spec.release_while_waiting
        questions = AttemptQuestions(parts.questions, claimed, emitter, stop, release=release)
        model = RunModel(parts.services.model, limits)
        services = replace(parts.services, model=model)
        end = AttemptEnd(parts.store, spec, claimed, stop, emitter, appender, model)

        def finish(outcome: Outcome) -> None:
            questions.close()
            end(outcome)

        family = AttemptFamily(claimed, parts.family, stop)
        return Assignment(
            claimed=claimed,
            stop=stop,
            make=(
                (lambda: parts.agents.create(claimed.agent, emitter))
                if processes is None
                else partial(isolated_instance, processes, claimed, limits, stop, emitter)
            ),
            live_context=lambda loop: LiveRunContext(claimed, emitter, stop, questions, family, services, loop, limits),
            blocking_context=lambda: BlockingRunContext(claimed, emitter, stop, questions, family, services),
            finish=finish,
            cleanup_timeout_s=parts.cleanup_timeout_s,
            limits=limits,
            give_up_s=None if processes is None else 2 * processes.rung_s + KILL_S,
        )
