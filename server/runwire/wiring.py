"""Puts the house together: the only file that names concrete drivers. Floor 7; called once for each process.

:func:`running_core` is the start-up, in its order, and in reverse the end. ``serve`` puts the web on top of it,
``run --embedded`` a terminal: one pipeline for both. It is long because it is the one list of all there is.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import structlog

from runwire.agents.factory import AgentInstanceFactory
from runwire.agents.registry import AgentRegistry, load_agents
from runwire.auth.identity import StoredIdentity
from runwire.browser.support import BrowserSupport
from runwire.clock import Clock, SystemClock
from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.event_log import Published
from runwire.engine.answers import AnswerDesk
from runwire.engine.attempts import AttemptWatch
from runwire.engine.bridge import AgentWebSocketBridge
from runwire.engine.cancellation import StopReason
from runwire.engine.context import RunServices
from runwire.engine.conversations import Conversations
from runwire.engine.dispatcher import ThreadDispatcher
from runwire.engine.doorbells import Doorbells
from runwire.engine.drain import Drain
from runwire.engine.factory import ExecutionEngineFactory
from runwire.engine.family import FamilyServices
from runwire.engine.isolation.process_run import ProcessParts
from runwire.engine.lease_keeper import LeaseKeeper
from runwire.engine.presence import DisconnectWatch
from runwire.engine.questions import QuestionServices
from runwire.engine.recovery import Reaper
from runwire.engine.run_ends import RunEnds
from runwire.engine.saved_tests import SavedTests
from runwire.engine.schedules import Schedules
from runwire.engine.steering import Steering
from runwire.engine.take_over import TakeOver
from runwire.engine.thread_ceiling import ThreadCeiling
from runwire.engine.user_engine import EngineParts, child_context
from runwire.engine.waiting import Waiting, build_waiting
from runwire.engine.webhook_sender import WebhookSender
from runwire.engine.webhooks import WebhookDelivery
from runwire.errors import StartupIncomplete
from runwire.ids import new_id
from runwire.isolated import process_isolation
from runwire.persistence import data_folder, database
from runwire.persistence.artifacts import DiskArtifactStore
from runwire.persistence.claims import Claimer
from runwire.persistence.conversations import SqlConversationStore
from runwire.persistence.event_log import SqlEventLog
from runwire.persistence.files import DiskFileStore, FileLimits
from runwire.persistence.inbox import SqlInbox
from runwire.persistence.lease import SqlLeaseStore
from runwire.persistence.messages import SqlMessageStore, SqlStepStore
from runwire.persistence.purge import Purge
from runwire.persistence.queue_store import SqlQueueStore
from runwire.persistence.reader import ReaderPool
from runwire.persistence.run_store import SqlRunStore
from runwire.persistence.saved import SqlSavedStore
from runwire.persistence.schedules import SqlScheduleStore
from runwire.persistence.test_runs import SqlTestRunStore
from runwire.persistence.traversals import DiskTraversalStore
from runwire.persistence.usage import BudgetGate, SqlUsageStore
from runwire.persistence.user_store import SqlUserStore, create_token, knows_token
from runwire.persistence.webhooks import SqlWebhookStore
from runwire.persistence.writer import LogWriter
from runwire.protocol.addresses import Allowed, allowed_by
from runwire.protocol.codec import encode_event
from runwire.protocol.webhooks import check_url
from runwire.runs.limits import FamilyLimits, QueueLimits, RunningLimits, limits_of_server
from runwire.runs.state import RunStatus
from runwire.runs.usage import MICROS, Budget, Period
from runwire.settings import Settings
from runwire.telemetry.logs import startup_step
from runwire.telemetry.loop_lag import LoopLag
from runwire.telemetry.tracing import open_tracer
from runwire.threads import LoopCaller
from runwire.web.app import build_app
from runwire.web.body_limit import BodyBounds
from runwire.web.chat_ui import samples_folder
from runwire.web.connection import Connections
from runwire.web.server import DrainingServer, Serving, make_server
from runwire.web.services import Services, check_complete
from runwire.web.uploads import MULTIPART_OVERHEAD_BYTES
from runwire.web.vitals import Vitals

log = structlog.get_logger(__name__)

SWITCH_INTERVAL_S = 0.0005
"""The interpreter's thread switch interval: with four CPU-bound agent threads the loop's p99 falls from 197 to 38 ms.
"""

LOCAL_ADMIN = User("admin", admin=True)
"""Whom the first-start token and the printed login link belong to."""

WRITER_CLOSE_S = 5.0
STOP_SLACK_S = 5.0
"""How much longer than the grace of a cancel a deletion by force waits for the end of its runs."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Everything that keeps something."""

    engine: database.Engine
    claimer: Claimer
    writer: LogWriter
    readers: ReaderPool
    event_log: SqlEventLog
    store: SqlRunStore
    queue: SqlQueueStore
    users: SqlUserStore
    leases: SqlLeaseStore
    inbox: SqlInbox
    messages: SqlMessageStore
    steps: SqlStepStore
    artifacts: DiskArtifactStore
    traversals: DiskTraversalStore
    conversations: SqlConversationStore
    files: DiskFileStore
    webhooks: SqlWebhookStore
    schedules: SqlScheduleStore
    usage: SqlUsageStore


@dataclass(frozen=True, slots=True)
class Execution:
    """Everything that executes."""

    engines: ExecutionEngineFactory
    attempts: AttemptWatch
    dispatcher: ThreadDispatcher
    presence: DisconnectWatch
    waiting: Waiting
    answers: AnswerDesk
    steering: Steering
    reaper: Reaper
    drain: Drain
    keeper: LeaseKeeper
    conversations: Conversations
    webhooks: WebhookDelivery
    take_over: TakeOver
    schedules: Schedules


@dataclass(frozen=True, slots=True)
class Core:
    """A running house without doors, and what the doors need of it."""

    services: Services
    drain: Drain


@dataclass(slots=True)
class Address:
    """Where the server listens, once it does; the sample sites are reached there."""

    origin: str | None = None


def load_registry(settings: Settings) -> AgentRegistry:
    """Return the installed agents and those named by the settings. Raises ConfigurationError."""
    return load_agents(settings.agents, settings.isolation)


@asynccontextmanager
async def running_core(settings: Settings, address: Address) -> AsyncIterator[Core]:
    """Start the house: settings → database → event log → bridge → factories; the caller adds ``app.state``.

    Raises:
        DataFolderInUse, DatabaseOutOfDate, StorageUnavailable, ConfigurationError: it cannot start; the message says
        what to do.
    """
    loop, clock, data = asyncio.get_running_loop(), SystemClock(), settings.data_path
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with ExitStack() as stack:
        with startup_step("data folder", path=str(data)):
            stack.enter_context(data_folder.owned_data_folder(data))
        with startup_step("database"):
            engine = database.open_engine(database.database_file(data))
            database.check_schema(engine)
            incarnation = database.open_incarnation(engine)
        with startup_step("agents"):
            registry = load_registry(settings)
            agent_limits = registry.running_limits(settings.agent_max_running)
            limits = RunningLimits(settings.max_running, settings.running_per_user, agent_limits)
        with startup_step("event log"):
            storage = open_storage(settings, clock, engine, incarnation, limits)
        with startup_step("websocket bridge"):
            bridge = AgentWebSocketBridge(storage.event_log, loop)
        with startup_step("agent instance factory"):
            agents = AgentInstanceFactory(registry)
            agents.configure(websocket_bridge=bridge)
        with startup_step("execution engine factory"):
            browsers = BrowserSupport(settings, lambda: address.origin)
            stack.callback(browsers.close)
            processes = stack.enter_context(process_isolation(settings, agents.registry, lambda: address.origin))
            execution = build_execution(settings, clock, storage, bridge, agents, browsers, limits, processes)
        services = build_services(settings, clock, storage, bridge, agents, browsers, execution)
        storage.readers.start()
        try:
            with startup_step("recovery"):
                storage.writer.start(bridge)
                await execution.reaper.settle_all()
                for run in await storage.store.watched():
                    execution.presence.watch(run, bridge.followers_of(run.run_id))
            execution.keeper.start()
            execution.conversations.start()
            execution.webhooks.start()
            execution.schedules.start(services.start_run)
            services.vitals.loop_lag.start()
            yield Core(services, execution.drain)
        finally:
            services.vitals.loop_lag.stop()
            execution.waiting.close()
            execution.keeper.close()
            await execution.schedules.close()
            await execution.webhooks.close()
            await execution.conversations.close()
            execution.dispatcher.retire_idle()
            if storage.writer.close(WRITER_CLOSE_S):
                database.mark_clean(engine)
            storage.readers.close()
            if (tracer := execution.attempts.tracer) is not None:
                await tracer.close()


def open_storage(
    settings: Settings,
    clock: Clock,
    engine: database.Engine,
    incarnation: str,
    running: RunningLimits | None = None,
) -> Storage:
    """Return the storage on an open, up-to-date database; its threads are not started yet. ``running`` overrides the
    settings' limits, for agents that have limits of their own.
    """
    worker_id = new_id()
    claimer = Claimer(running or RunningLimits(settings.max_running, settings.running_per_user), worker_id, clock)
    with engine.connect() as connection:
        claimer.restore(connection)
    writer = LogWriter(engine, clock, claimer)
    read_engine = database.open_engine(database.database_file(settings.data_path), read_only=True)
    readers = ReaderPool(read_engine)
    limits = QueueLimits(settings.queued_per_user, settings.queued_runs)
    budgets = BudgetGate(budget_of(settings), Period(settings.budget_period))
    with engine.connect() as connection:
        budgets.restore(connection)
    family = FamilyLimits(settings.children_per_run, settings.child_depth)
    store = SqlRunStore(writer, readers, claimer, limits, family, incarnation, budgets)
    artifacts_folder = data_folder.artifacts_folder(settings.data_path)
    traversals = DiskTraversalStore(settings.data_path, read_engine)
    file_limits = FileLimits(settings.file_bytes, settings.user_files, settings.user_file_bytes)
    purge = Purge(artifacts_folder, traversals.remove)
    return Storage(
        engine=engine,
        claimer=claimer,
        writer=writer,
        readers=readers,
        event_log=SqlEventLog(writer, readers),
        store=store,
        queue=SqlQueueStore(writer, readers, claimer),
        users=SqlUserStore(writer, readers, clock),
        leases=SqlLeaseStore(writer, read_engine, worker_id),
        inbox=SqlInbox(writer, readers),
        messages=SqlMessageStore(writer, most=settings.inbox_messages, most_bytes=settings.inbox_bytes),
        steps=SqlStepStore(writer),
        artifacts=DiskArtifactStore(
            artifacts_folder,
            writer,
            read_engine,
            clock,
            one_bytes=settings.artifact_bytes,
        ),
        traversals=traversals,
        conversations=SqlConversationStore(writer, readers, store.record_of, purge),
        usage=SqlUsageStore(writer, readers, clock, budgets),
        schedules=SqlScheduleStore(writer, readers, clock, settings.user_schedules),
        webhooks=SqlWebhookStore(writer, readers, clock, store.record_of),
        files=DiskFileStore(data_folder.files_folder(settings.data_path), writer, read_engine, clock, file_limits),
    )


def build_execution(
    settings: Settings,
    clock: Clock,
    storage: Storage,
    bridge: AgentWebSocketBridge,
    agents: AgentInstanceFactory,
    browsers: BrowserSupport,
    limits: RunningLimits,
    processes: ProcessParts | None,
) -> Execution:
    """Return what executes runs, connected to the bridge; on the loop that it will work with."""
    loop, store, bells, ends = asyncio.get_running_loop(), storage.store, Doorbells(), RunEnds()
    ceiling = ThreadCeiling(
        settings.stuck_threads_most,
        stuck=lambda: dispatcher.stuck_threads,
        needs_thread=lambda agent: agents.registry.isolation(agent) == "thread",
    )
    parts = EngineParts(
        store=store,
        agents=agents,
        services=RunServices(storage.artifacts, storage.traversals, storage.files, browsers.pool),
        questions=QuestionServices(
            storage.inbox, storage.messages, storage.steps, bells, clock, settings.input_timeout_s
        ),
        family=FamilyServices(
            server=LoopCaller(loop),
            store=store,
            event_log=storage.event_log,
            ends=ends,
            start=lambda parent, command: engines.create_for_user(child_context(parent, command)).start_child(
                command, parent
            ),
            idle=lambda: dispatcher.idle,
        ),
        run_timeout_s=settings.run_timeout_s,
        cleanup_timeout_s=settings.cleanup_timeout_s,
        limits=limits_of_server(settings),
        max_attempts=settings.max_attempts,
        check_webhook_url=partial(check_url, allowed=webhook_rules(settings)),
        request_stop=lambda run_id, reason: dispatcher.request_stop(run_id, reason),
        ceiling=ceiling,
        processes=processes,
    )
    engines = ExecutionEngineFactory(
        bridge, parts, event_bytes=settings.event_bytes, events_per_run=settings.events_per_run
    )
    attempts = AttemptWatch(engines.assignment_for, open_tracer(settings.otel_endpoint, os.environ))
    dispatcher = ThreadDispatcher(
        loop,
        store,
        attempts.assignment_for,
        cancel_grace_s=settings.cancel_grace_s,
        idle_threads=settings.max_running,
    )

    async def cancel(run: OwnedRun) -> object:
        status = await store.request_cancel(run)
        dispatcher.request_stop(run.run_id, StopReason.CANCEL)
        return status

    def look_at_threads() -> None:
        dispatcher.settle_dead_threads()
        waiting.look_for_threads()

    conversations = Conversations(
        storage.conversations, store, bridge, cancel, stop_timeout_s=settings.cancel_grace_s + STOP_SLACK_S
    )
    webhooks = WebhookDelivery(
        storage.webhooks,
        WebhookSender(webhook_rules(settings), settings.webhook_timeout_s),
        clock,
        attempts=settings.webhook_attempts,
        first_retry_s=settings.webhook_retry_s,
    )

    def tell(run_id: str, event: dict[str, object]) -> None:
        if (fence := dispatcher.fence_of(run_id)) is not None:
            bridge.appender(run_id, fence).append(encode_event(event, limit_bytes=settings.event_bytes))

    take_over = TakeOver(
        loop,
        browsers.views,
        dispatcher,
        tell,
        allowed=settings.browser_control,
        lease_s=settings.control_lease_s,
        total_s=settings.control_total_s,
    )
    presence = DisconnectWatch(loop, cancel, settings.disconnect_cancel_s)
    waiting = build_waiting(
        bridge,
        storage.queue,
        clock,
        limits,
        needs_browser=agents.registry.needs_browser,
        full_reason=browsers.full_reason,
        ceiling=ceiling,
        request_stop=dispatcher.request_stop,
    )
    storage.claimer.connect(waiting.admission)
    reaper = Reaper(store, agents.registry.recoverable)
    bridge.connect(dispatcher.dispatch)
    bridge.observe(dispatcher.on_published)
    bridge.observe(ends.on_published)
    bridge.observe(presence.on_published)
    bridge.observe(take_over.on_published)
    bridge.observe(lambda published: browsers.reclaim(published.run_id) if published.ended else None)
    bridge.observe(conversations.on_published)
    bridge.observe(webhooks.on_published)
    bridge.observe(partial(_on_turn, storage.artifacts.forget, attempts))
    bridge.observe_presence(presence.on_presence)
    return Execution(
        engines=engines,
        attempts=attempts,
        dispatcher=dispatcher,
        presence=presence,
        waiting=waiting,
        answers=AnswerDesk(storage.inbox, bells),
        steering=Steering(storage.messages, bells, agents.registry),
        reaper=reaper,
        drain=Drain(
            pause=store.pause,
            dispatcher=dispatcher,
            store=store,
            recoverable=agents.registry.recoverable,
        ),
        keeper=LeaseKeeper(
            storage.leases,
            clock,
            holds_runs=lambda: bool(dispatcher.active_runs),
            on_tick=lambda: _on_loop(loop, look_at_threads),
            on_dead=lambda dead: _on_loop(loop, reaper.reap, dead),
        ),
        conversations=conversations,
        webhooks=webhooks,
        take_over=take_over,
        schedules=Schedules(storage.schedules, store, clock, cancel=cancel),
    )


def budget_of(settings: Settings) -> Budget:
    """Return the budget of users without one of their own."""
    return Budget(settings.budget_tokens or None, round(settings.budget_cost_usd * MICROS) or None)


def webhook_rules(settings: Settings) -> Allowed:
    """Return where webhooks may go. Raises ConfigurationError."""
    return allowed_by("webhook_allow", settings.webhook_allow)


def build_services(
    settings: Settings,
    clock: Clock,
    storage: Storage,
    bridge: AgentWebSocketBridge,
    agents: AgentInstanceFactory,
    browsers: BrowserSupport,
    execution: Execution,
) -> Services:
    """Return what the doors may reach."""
    connections = Connections()
    health = partial(_health, settings, storage, execution)
    saved = SqlSavedStore(storage.writer, storage.readers)
    test_runs = SqlTestRunStore(storage.writer, storage.readers, storage.store)
    return Services(
        settings=settings,
        clock=clock,
        bridge=bridge,
        engines=execution.engines,
        store=storage.store,
        waiting=execution.waiting,
        registry=agents.registry,
        conversations=execution.conversations,
        tests=SavedTests(saved, test_runs, execution.engines),
        artifacts=storage.artifacts,
        traversals=storage.traversals,
        files=storage.files,
        webhooks=storage.webhooks,
        schedules=execution.schedules,
        usage=storage.usage,
        check_webhook_url=partial(check_url, allowed=webhook_rules(settings)),
        authenticator=StoredIdentity(storage.users, clock),
        connections=connections,
        presence=execution.presence,
        answers=execution.answers,
        steering=execution.steering,
        browser=browsers.pool,
        views=browsers.views,
        take_over=execution.take_over,
        health=health,
        tracer=execution.attempts.tracer,
        vitals=Vitals(
            writer=storage.writer.counts,
            attempts=execution.attempts,
            connections=connections,
            loop_lag=LoopLag(asyncio.get_running_loop()),
            health=health,
            browsers=browsers.statistics,
            last_seqs=storage.writer.last_seqs,
        ),
    )


def _on_turn(forget: Callable[[str], None], attempts: AttemptWatch, published: Published) -> None:
    """Tell of a run's end, or its return to the queue, those who watch runs or remember something of them."""
    if published.ended:
        forget(published.run_id)
        attempts.on_ended(published)
    elif published.status is RunStatus.QUEUED:
        attempts.on_queued(published)


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    """Call a function on the loop from another thread; dropped once the loop is closed and the process ends."""
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        return


def _health(settings: Settings, storage: Storage, execution: Execution) -> dict[str, Any]:
    problems = []
    if storage.writer.failure is not None:
        problems.append(f"the database cannot be written: {storage.writer.failure}")
    if not storage.writer.alive:
        problems.append("the thread that writes has ended: restart the server, and report its log")
    if (stuck := execution.waiting.ceiling.problem()) is not None:
        problems.append(stuck)
    queue = storage.queue.state
    return {
        "problems": problems,
        "running": queue.running,
        "queued": queue.queued,
        "waiting": queue.waiting,
        "paused": {"queue": queue.pauses.everything, "agents": sorted(queue.pauses.agents)},
        "stuck_threads": execution.dispatcher.stuck_threads,
        "wal_bytes": database.wal_bytes(database.database_file(settings.data_path)),
    }


def first_token(settings: Settings) -> str:
    """Return the data folder's own token, made at the first start (mode 0600); call it before the server owns the
    database. A database that was put in another's place does not know its token and gets a new one.
    """
    path, file = data_folder.token_file(settings.data_path), database.database_file(settings.data_path)
    engine = database.open_engine(file)
    database.check_schema(engine)
    if path.is_file():
        token = path.read_text(encoding="utf-8").strip()
        with database.open_engine(file, read_only=True).connect() as connection:
            if knows_token(connection, token):
                return token
    with engine.begin() as connection:
        token = create_token(connection, LOCAL_ADMIN, "first start", SystemClock().now_ms())
    data_folder.write_private(path, token + "\n")
    return token


def build_server(settings: Settings, announce: Callable[[str, str], None]) -> DrainingServer:
    """Return the whole server, not yet listening. ``announce(origin, login_address)`` is called once it does."""
    address, serving = Address(), Serving()
    upload = BodyBounds(settings.file_bytes + MULTIPART_OVERHEAD_BYTES, settings.upload_timeout_s)
    body = BodyBounds(settings.body_bytes, settings.handshake_timeout_s, upload)
    app, doors = build_app(body, samples_folder(settings), metrics_open=settings.metrics_open)
    state = app.state

    @asynccontextmanager
    async def house() -> AsyncIterator[None]:
        async with running_core(settings, address) as core:
            state.agent_websocket_bridge = core.services.bridge
            state.execution_engine_factory = core.services.engines
            state.services = core.services
            check_complete(state)
            serving.connections = core.services.connections
            serving.drain = core.drain.run
            serving.listening = partial(_listening, settings, address, core, announce)
            try:
                yield
            finally:
                data_folder.address_file(settings.data_path).unlink(missing_ok=True)

    return make_server(doors, settings, serving, house())


def _listening(
    settings: Settings, address: Address, core: Core, announce: Callable[[str, str], None], origin: str
) -> None:
    address.origin = origin
    data_folder.write_private(data_folder.address_file(settings.data_path), origin + "\n")
    code = core.services.authenticator.issue_login_code(LOCAL_ADMIN)
    announce(origin, f"{origin}/login#code={code}")


@asynccontextmanager
async def embedded_server(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    """Run a server of this process's own on a free loopback port; gives its address and a token.

    Not a second way to execute: what runs here is what ``serve`` runs, without its signals.
    """
    token = first_token(settings)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    local = msgspec.structs.replace(settings, host="127.0.0.1", port=0, drain_sigterm_s=0.001)
    server = build_server(local, lambda origin, _login: ready.set_result(origin))
    serving = asyncio.ensure_future(server.serve_embedded())
    try:
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await serving  # raises what kept it from starting
            raise StartupIncomplete("the embedded server ended before it listened")
        yield ready.result(), token
    finally:
        server.stop()
        await serving
