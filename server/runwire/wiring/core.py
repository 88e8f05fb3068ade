"""The start-up, in its order, and in reverse the end. Floor 7; called once for each process.

``serve`` puts the web on top of it, ``run --embedded`` a terminal: one pipeline for both.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from runwire.agents.factory import AgentInstanceFactory
from runwire.agents.registry import AgentRegistry, load_agents
from runwire.browser.support import BrowserSupport
from runwire.clock import SystemClock
from runwire.engine.bridge import AgentWebSocketBridge
from runwire.engine.drain import Drain
from runwire.isolated import process_isolation
from runwire.llm.support import ModelSupport
from runwire.persistence import data_folder, database
from runwire.runs.limits import RunningLimits
from runwire.settings import Settings
from runwire.telemetry.logs import startup_step
from runwire.web.services import Services
from runwire.wiring.execution import build_execution
from runwire.wiring.services import build_services
from runwire.wiring.storage import open_storage

SWITCH_INTERVAL_S = 0.0005
"""The interpreter's thread switch interval: with four CPU-bound agent threads the loop's p99 falls from 197 to 38 ms.
"""

WRITER_CLOSE_S = 5.0

_M_ARENA_MAX = -8  # malloc.h


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
    _allocate_from_one_arena()
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
            limits = RunningLimits(
                settings.max_running,
                settings.running_per_user,
                agent_limits,
                settings.browser_runs,
                registry.browser_agents,
            )
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
            model = ModelSupport(settings)
            processes = stack.enter_context(process_isolation(settings, registry, browsers, lambda: address.origin))
            execution = build_execution(settings, clock, storage, bridge, agents, browsers, model, limits, processes)
        services = build_services(settings, clock, storage, bridge, agents, browsers, model, execution)
        storage.readers.start()
        try:
            with startup_step("recovery"):
                storage.writer.start(bridge)
                await execution.reaper.settle_all()
                for run in await storage.store.watched():
                    execution.presence.watch(run, bridge.followers_of(run.run_id))
            execution.keeper.start()
            execution.conversations.start()
            execution.housekeeping.start()
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
            await execution.housekeeping.close()
            await execution.conversations.close()
            execution.dispatcher.retire_idle()
            if storage.writer.close(WRITER_CLOSE_S):
                database.mark_clean(engine)
            storage.readers.close()
            if (tracer := execution.attempts.tracer) is not None:
                await tracer.close()


def _allocate_from_one_arena() -> None:
    """Let all threads share one arena of the C library, so that what a burst has freed serves the next one.

    With an arena for each thread memory crept up for as long as bursts of different threads differed; with one it
    stands still. Threads that take turns at the interpreter's lock hardly meet at the allocator's.
    """
    with suppress(OSError, AttributeError):  # another C library: nothing to set
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
