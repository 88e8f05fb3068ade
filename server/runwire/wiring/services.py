"""What the doors may reach. Floor 7; called once for each process."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from runwire.agents.factory import AgentInstanceFactory
from runwire.auth.identity import StoredIdentity
from runwire.browser.support import BrowserSupport
from runwire.clock import Clock
from runwire.contracts.model import ChatModel
from runwire.engine.bridge import AgentWebSocketBridge
from runwire.engine.saved_tests import SavedTests
from runwire.persistence import database
from runwire.persistence.saved import SqlSavedStore
from runwire.persistence.sentences import SqlReadingStore
from runwire.persistence.shares import SqlShareStore
from runwire.persistence.test_runs import SqlTestRunStore
from runwire.protocol.webhooks import check_url
from runwire.settings import Settings
from runwire.telemetry.loop_lag import LoopLag
from runwire.web.connection import Connections
from runwire.web.services import Services
from runwire.web.visits import Visits
from runwire.web.vitals import Vitals
from runwire.wiring.execution import Execution, webhook_rules
from runwire.wiring.storage import Storage


def build_services(
    settings: Settings,
    clock: Clock,
    storage: Storage,
    bridge: AgentWebSocketBridge,
    agents: AgentInstanceFactory,
    browsers: BrowserSupport,
    model: ChatModel,
    execution: Execution,
) -> Services:
    """Return what the doors may reach."""
    connections = Connections()
    health = partial(_health, settings, storage, execution)
    saved = SqlSavedStore(storage.writer, storage.readers)
    shares = SqlShareStore(storage.writer, storage.readers, clock)
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
        tests=SavedTests(saved, test_runs, execution.engines, by_model=model.unavailable_reason() is None),
        artifacts=storage.artifacts,
        traversals=storage.traversals,
        files=storage.files,
        webhooks=storage.webhooks,
        schedules=execution.schedules,
        readings=SqlReadingStore(storage.writer, storage.readers),
        usage=storage.usage,
        check_webhook_url=partial(check_url, allowed=webhook_rules(settings)),
        authenticator=StoredIdentity(storage.users, shares, clock, share_links=settings.share_links),
        shares=shares,
        visits=Visits(clock, connections),
        connections=connections,
        presence=execution.presence,
        answers=execution.answers,
        steering=execution.steering,
        browser=browsers.pool,
        model=model,
        views=execution.views,
        take_over=execution.take_over,
        health=health,
        tracer=execution.attempts.tracer,
        vitals=Vitals(
            writer=storage.writer.counts,
            attempts=execution.attempts,
            connections=connections,
            loop_lag=LoopLag(asyncio.get_running_loop()),
            health=health,
            browsers=execution.browser_statistics,
            last_seqs=storage.writer.last_seqs,
        ),
    )


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
