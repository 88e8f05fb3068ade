"""What endpoints work with: one frozen value, put together at start-up. Floor 6."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from msgspec import UNSET
from starlette.datastructures import State
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from runwire.agents.registry import AgentRegistry
from runwire.clock import Clock
from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.artifacts import Artifact, ArtifactStore
from runwire.contracts.authenticator import Authenticator
from runwire.contracts.browser import BrowserPool
from runwire.contracts.files import FileStore
from runwire.contracts.live_view import LiveViews
from runwire.contracts.model import ChatModel
from runwire.contracts.run_store import Created, RunStore
from runwire.contracts.sentences import ReadingStore
from runwire.contracts.shares import ShareStore
from runwire.contracts.traversals import TraversalStore
from runwire.contracts.usage import UsageStore
from runwire.contracts.webhooks import WebhookStore
from runwire.engine.answers import AnswerDesk
from runwire.engine.bridge import AgentWebSocketBridge
from runwire.engine.conversations import Conversations
from runwire.engine.factory import ExecutionEngineFactory
from runwire.engine.presence import DisconnectWatch
from runwire.engine.saved_tests import SavedTests
from runwire.engine.schedules import Schedules
from runwire.engine.steering import Steering
from runwire.engine.take_over import TakeOver
from runwire.engine.user_engine import UserExecutionContext
from runwire.engine.waiting import Waiting
from runwire.errors import NotFound, RunEnded, RunwireError, ServerStopping, StartupIncomplete, ThreadBusy
from runwire.ids import new_id
from runwire.protocol.commands import RetryRun, StartRun
from runwire.runs.if_busy import IfBusy
from runwire.runs.state import RunStatus
from runwire.settings import Settings
from runwire.telemetry.tracing import RunTracer
from runwire.web.connection import Connections, SocketConnection
from runwire.web.visits import Visits
from runwire.web.vitals import Vitals

T = TypeVar("T")

STEER_TRIES = 5
"""How often a start that would steer looks again because a run has begun or ended meanwhile; a guess."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an endpoint may reach."""

    settings: Settings
    clock: Clock
    bridge: AgentWebSocketBridge
    engines: ExecutionEngineFactory
    store: RunStore
    waiting: Waiting
    registry: AgentRegistry
    conversations: Conversations
    tests: SavedTests
    artifacts: ArtifactStore
    traversals: TraversalStore
    files: FileStore
    webhooks: WebhookStore
    schedules: Schedules
    readings: ReadingStore
    usage: UsageStore
    check_webhook_url: Callable[[str], None]
    authenticator: Authenticator
    shares: ShareStore
    visits: Visits
    connections: Connections
    presence: DisconnectWatch
    answers: AnswerDesk
    steering: Steering
    browser: Callable[[], BrowserPool | None]
    model: ChatModel
    vitals: Vitals
    tracer: RunTracer | None
    views: Callable[[str], LiveViews | None]
    take_over: TakeOver
    health: Callable[[], dict[str, Any]]
    """What is wrong, by part, and the numbers that ``/readyz`` shows."""

    def check_start(self, command: StartRun) -> None:
        """Check what a later start will be given, as far as it can be known now. Raises InvalidInput."""
        spec = self.registry.get(command.agent)
        unread = spec.check(command.input)
        if unread is not None and self.model.unavailable_reason() is not None:
            raise unread
        if command.webhook is not UNSET:
            self.check_webhook_url(command.webhook.url)

    async def start_run(
        self, command: StartRun, user: User, run_id: str, headers: Mapping[str, str] | None = None
    ) -> Created:
        """Start a run for ``user``; the same for every door. ``run_id`` is the client's own or a new one, ``headers``
        may name the caller's trace.
        """
        self.refuse_while_draining()
        context = UserExecutionContext(user.id, command.thread_id or new_id(), run_id)
        engine = self.engines.create_for_user(context)
        start = partial(self._traced, command.agent, context, headers, partial(engine.start, command, user))
        created = await (start() if command.if_busy is not IfBusy.STEER else self._steer_or(start, command, user))
        if command.on_disconnect == "cancel" and not created.existed:
            self.presence.watch(created.run, self.bridge.followers_of(run_id))
        return created

    async def _steer_or(self, start: Callable[[], Awaitable[Created]], command: StartRun, user: User) -> Created:
        """Send the input into the thread's live run, or start one where there is none; whoever comes in between is
        looked at again.
        """
        if command.run_id is not UNSET and await self._exists(command.run_id, user):
            return await start()
        for _ in range(STEER_TRIES):
            live = await self.store.newest_live(command.thread_id or "", user)
            if live is None:
                try:
                    return await start()
                except ThreadBusy:
                    continue
            try:
                sent = await self.steering.send(live, command.input, user, command.run_id or None)
            except RunEnded:
                continue
            return Created(live, existed=True, steered={"message_id": sent.message_id, "status": sent.status})
        raise ThreadBusy("runs of this thread begin and end too fast to be steered; try again")

    async def _exists(self, run_id: str, user: User) -> bool:
        try:
            await self.store.get(run_id, user)
        except NotFound:
            return False
        return True

    async def _traced(
        self,
        agent: str,
        context: UserExecutionContext,
        headers: Mapping[str, str] | None,
        make: Callable[[], Awaitable[Created]],
    ) -> Created:
        """Make a run, and begin its trace where traces are wanted."""
        if self.tracer is None:
            return await make()
        known = agent if agent in self.registry else "unknown"
        trace = self.tracer.begin(context.run_id, known, context.thread_id, headers or {})
        try:
            created = await make()
        except BaseException as error:
            trace.refused(error.code if isinstance(error, RunwireError) else "internal_error")
            raise
        trace.accepted(existed=created.existed)
        return created

    def refuse_while_draining(self) -> None:
        """Raises ServerStopping if no run is to be started any more."""
        if self.connections.draining:
            raise ServerStopping("the server is stopping; ask again after its restart", retry_after_s=2.0)

    async def artifacts_of(self, run: OwnedRun) -> Sequence[Artifact]:
        """Return a run's artifacts, off the loop."""
        return await asyncio.to_thread(self.artifacts.list, run.run_id)

    async def retry_run(
        self, command: RetryRun, user: User, run_id: str, headers: Mapping[str, str] | None = None
    ) -> Created:
        """Repeat an ended run of ``user`` as the run ``run_id``; as :meth:`start_run` for every door."""
        self.refuse_while_draining()
        original = await self.store.get(command.run_id, user)
        context = UserExecutionContext(user.id, original.record.thread_id, run_id)
        engine = self.engines.create_for_user(context)
        return await self._traced(
            original.record.agent, context, headers, partial(engine.retry, original, command, user)
        )

    async def cancel_run(self, run: OwnedRun) -> RunStatus:
        """Ask a run to stop; the same for every door."""
        record = run.record
        context = UserExecutionContext(record.owner_id, record.thread_id, record.id)
        return await self.engines.create_for_user(context).cancel(run)


def make_connection(websocket: WebSocket, services: Services) -> SocketConnection:
    """Return the connection behind an upgrade request, not yet accepted."""
    return SocketConnection(
        websocket,
        authenticator=services.authenticator,
        settings=services.settings,
        clock=services.clock,
        connections=services.connections,
    )


def get_agent_websocket_bridge(state: State) -> AgentWebSocketBridge:
    """Return the bridge that start-up made. Raises StartupIncomplete."""
    return _required(state, "agent_websocket_bridge", AgentWebSocketBridge)


def get_execution_engine_factory(state: State) -> ExecutionEngineFactory:
    """Return the engine factory that start-up made. Raises StartupIncomplete."""
    return _required(state, "execution_engine_factory", ExecutionEngineFactory)


def get_services(connection: HTTPConnection[Any]) -> Services:
    """Return the services of the app that serves this connection. Raises StartupIncomplete."""
    return _required(connection.app.state, "services", Services)


def _required(state: State, name: str, kind: type[T]) -> T:
    value = getattr(state, name, None)
    if not isinstance(value, kind):
        raise StartupIncomplete(f"app.state.{name} is missing: the start-up step that makes it has not run")
    return value


def check_complete(state: State) -> None:
    """Refuse to serve unless every start-up step has left what it makes. Raises StartupIncomplete that names
    the step.
    """
    bridge = get_agent_websocket_bridge(state)
    engines = get_execution_engine_factory(state)
    services = _required(state, "services", Services)
    if engines.bridge is not bridge or services.bridge is not bridge or services.engines is not engines:
        raise StartupIncomplete("start-up made two bridges or factories: every part must hold the same one")
