"""Everything that executes runs, joined to the bridge. Floor 7; called once, on the loop that it will work with."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from runwire.agents.factory import AgentInstanceFactory
from runwire.browser.statistics import PoolStatistics
from runwire.browser.support import BrowserSupport
from runwire.clock import Clock
from runwire.contracts.actors import OwnedRun
from runwire.contracts.event_log import Published
from runwire.contracts.live_view import LiveViews
from runwire.contracts.model import ChatModel
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
from runwire.engine.housekeeping import Housekeeping
from runwire.engine.isolation.process_run import ProcessParts
from runwire.engine.lease_keeper import LeaseKeeper
from runwire.engine.presence import DisconnectWatch
from runwire.engine.questions import QuestionServices
from runwire.engine.recovery import Reaper
from runwire.engine.run_ends import RunEnds
from runwire.engine.schedules import Schedules
from runwire.engine.steering import Steering
from runwire.engine.take_over import TakeOver
from runwire.engine.thread_ceiling import ThreadCeiling
from runwire.engine.user_engine import EngineParts, child_context
from runwire.engine.waiting import Waiting, build_waiting
from runwire.engine.webhook_sender import WebhookSender
from runwire.engine.webhooks import WebhookDelivery
from runwire.protocol.addresses import Allowed, allowed_by
from runwire.protocol.codec import encode_event
from runwire.protocol.webhooks import check_url
from runwire.runs.limits import RunningLimits, limits_of_server
from runwire.runs.state import RunStatus
from runwire.settings import Settings
from runwire.telemetry.tracing import open_tracer
from runwire.threads import LoopCaller
from runwire.wiring.storage import Storage

STOP_SLACK_S = 5.0
"""How much longer than the grace of a cancel a deletion by force waits for the end of its runs."""


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
    housekeeping: Housekeeping
    webhooks: WebhookDelivery
    take_over: TakeOver
    views: Callable[[str], LiveViews | None]
    """Where the browsers of an agent's runs can be seen; None where the server has none."""
    browser_statistics: Callable[[], PoolStatistics]
    """What all browsers have come to, those of isolated runs included; blocks for 2 s at most. Raises TimeoutError."""
    schedules: Schedules


def build_execution(
    settings: Settings,
    clock: Clock,
    storage: Storage,
    bridge: AgentWebSocketBridge,
    agents: AgentInstanceFactory,
    browsers: BrowserSupport,
    model: ChatModel,
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
        services=RunServices(
            storage.artifacts, storage.traversals, storage.files, browsers.pool, model, storage.sentences
        ),
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
        dispatcher,
        tell,
        allowed=settings.browser_control,
        lease_s=settings.control_lease_s,
        total_s=settings.control_total_s,
    )

    def views(agent: str) -> LiveViews | None:
        if processes is not None and agents.registry.isolation(agent) == "process":
            return processes.views
        return browsers.views()

    def browser_statistics() -> PoolStatistics:
        own = browsers.statistics()
        return own if processes is None else processes.browsers.with_own(own)

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
    bridge.connect(dispatcher.dispatch, dispatcher.watch)
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
        housekeeping=Housekeeping(storage.expiry.remove_portion),
        webhooks=webhooks,
        take_over=take_over,
        views=views,
        browser_statistics=browser_statistics,
        schedules=Schedules(storage.schedules, store, clock, cancel=cancel),
    )


def webhook_rules(settings: Settings) -> Allowed:
    """Return where webhooks may go. Raises ConfigurationError."""
    return allowed_by("webhook_allow", settings.webhook_allow)


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
