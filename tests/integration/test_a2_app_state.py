"""Mission A2: start-up puts everything into ``app.state``; one getter reads it, and serving without it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import State

from runwire.errors import StartupIncomplete
from runwire.web.services import check_complete, get_agent_websocket_bridge, get_execution_engine_factory
from runwire.wiring import server as wiring
from tests.support.embedded import EmbeddedServer, settings_for


def test_a2_start_up_sets_bridge_and_factory(server: EmbeddedServer) -> None:
    assert get_agent_websocket_bridge(server.state) is server.state.agent_websocket_bridge
    assert get_execution_engine_factory(server.state) is server.state.execution_engine_factory
    assert server.services.bridge is server.state.agent_websocket_bridge


@pytest.mark.parametrize("missing", ["agent_websocket_bridge", "execution_engine_factory", "services"])
def test_a2_a_missing_part_is_named_and_refused(server: EmbeddedServer, missing: str) -> None:
    parts: dict[str, Any] = dict(server.state._state)
    del parts[missing]
    with pytest.raises(StartupIncomplete, match=f"{missing} is missing: the start-up step"):
        check_complete(State(parts))


def test_a2_two_bridges_are_refused(server: EmbeddedServer) -> None:
    parts: dict[str, Any] = dict(server.state._state)
    parts["agent_websocket_bridge"] = type(parts["agent_websocket_bridge"])(object(), object())
    with pytest.raises(StartupIncomplete, match="two bridges"):
        check_complete(State(parts))


def test_a2_an_incomplete_start_up_never_serves(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seam is start-up's own check: with one part taken away, the server must not listen."""

    def take_away(state: State) -> None:
        del state.execution_engine_factory
        check_complete(state)

    monkeypatch.setattr(wiring, "check_complete", take_away)
    refused = EmbeddedServer(settings_for(data))
    with pytest.raises((StartupIncomplete, SystemExit)):
        refused.start()
    assert refused.origin == ""
    assert not (data / "address").exists()
