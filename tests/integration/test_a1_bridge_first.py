"""Mission A1: one bridge, made first; nothing that needs it can be made without it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import structlog

from runwire.agents.factory import AgentInstanceFactory
from runwire.agents.registry import AgentRegistry
from runwire.engine.factory import ExecutionEngineFactory
from runwire.errors import ExecutionEngineFactoryError
from tests.conftest import MakeServer
from tests.support.embedded import EmbeddedServer

IN_ORDER = [
    "data folder",
    "database",
    "agents",
    "event log",
    "websocket bridge",
    "agent instance factory",
    "execution engine factory",
    "recovery",
]


def test_a1_engine_factory_without_a_bridge_names_what_to_do(server: EmbeddedServer) -> None:
    parts = server.services.engines._parts
    with pytest.raises(ExecutionEngineFactoryError, match="create it at start-up and pass it to the constructor"):
        ExecutionEngineFactory(None, parts, event_bytes=1, events_per_run=1)


def test_a1_agent_factory_refuses_no_bridge() -> None:
    factory = AgentInstanceFactory(AgentRegistry())
    with pytest.raises(ValueError, match="AgentWebSocketBridge that start-up made"):
        factory.configure(websocket_bridge=None)
    assert not factory.configured


def test_a1_both_factories_hold_the_same_bridge(server: EmbeddedServer) -> None:
    services = server.services
    assert services.engines.bridge is services.bridge
    assert services.engines._parts.agents._bridge is services.bridge


def test_a1_each_step_of_the_start_up_logs_success_and_duration_in_its_order(make_server: MakeServer) -> None:
    quiet = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    try:
        with structlog.testing.capture_logs() as lines:
            make_server()
    finally:
        structlog.configure(wrapper_class=quiet)
    steps: list[dict[str, Any]] = [dict(line) for line in lines if line["event"] == "startup.done"]
    assert [step["step"] for step in steps] == IN_ORDER
    assert all(step["ms"] >= 0 for step in steps)
