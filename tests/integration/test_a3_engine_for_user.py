"""Mission A3: an engine comes with its emitter, ready at once."""

from __future__ import annotations

import pytest

from runwire.engine.emitter import UserWebSocketEmitter
from runwire.engine.user_engine import UserExecutionContext, UserExecutionEngine
from runwire.errors import ExecutionEngineFactoryError
from tests.support.embedded import EmbeddedServer

CONTEXT = UserExecutionContext("ann", "thread1", "run00001")


def test_a3_the_engine_has_its_emitter_from_the_beginning(server: EmbeddedServer) -> None:
    engine = server.services.engines.create_for_user(CONTEXT)
    assert isinstance(engine, UserExecutionEngine)
    emitter = engine.emitter
    assert isinstance(emitter, UserWebSocketEmitter)
    assert (emitter.user_id, emitter.thread_id, emitter.run_id) == ("ann", "thread1", "run00001")
    assert emitter.bridge is server.state.agent_websocket_bridge


@pytest.mark.parametrize("name", ["user_id", "thread_id", "run_id"])
def test_a3_an_incomplete_context_is_refused_when_it_is_made(name: str) -> None:
    facts = {"user_id": "ann", "thread_id": "thread1", "run_id": "run00001", name: ""}
    with pytest.raises(ExecutionEngineFactoryError, match=name):
        UserExecutionContext(**facts)


def test_a3_an_emitter_cannot_be_pointed_at_another_run(server: EmbeddedServer) -> None:
    emitter = server.services.engines.create_for_user(CONTEXT).emitter
    with pytest.raises(AttributeError):
        emitter.run_id = "run00002"  # type: ignore[misc]  # that is the point
