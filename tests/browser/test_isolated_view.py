"""A person at the browser of a run that has a process of its own, when that process dies, hangs or uses no steps."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runwire.engine import take_over
from runwire.engine.isolation import process_views
from tests.browser.views import viewing
from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer, settings_for
from tests.support.http import ended, start
from tests.support.isolated_agents import PATHS
from tests.support.isolation import wait_for_fork_servers

pytestmark = pytest.mark.timeout(40)
START_S = 20.0


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path]) -> Iterator[EmbeddedServer]:
    """A server with agents that use their own processes badly."""
    executable = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")
    running = EmbeddedServer(
        settings_for(make_data(), agents=PATHS, browser_executable=executable, browser_allow=("127.0.0.1",))
    )
    try:
        running.start()
        wait_for_fork_servers()
        yield running
    finally:
        running.stop()


def pids(server: EmbeddedServer, run_id: str) -> list[int]:
    """Return the process that a run has told of, once it has."""
    events = [entry["data"] for entry in server.entries(run_id) if entry["type"] == "event"]
    return [event["value"] for event in events if event.get("name") == "pid"]


async def test_a_process_that_is_killed_in_a_persons_hands_ends_run_and_view(server: EmbeddedServer, site: str) -> None:
    async with server.http() as http:
        run_id = await start(http, "shows-page", f"{site}/hand.html")
        await eventually_async(lambda: bool(pids(server, run_id)), "it shows a page", START_S)
        async with viewing(server, run_id) as viewer:
            assert (await viewer.picture()).width == 1280
            await viewer.take()
            begun = time.monotonic()
            os.kill(pids(server, run_id)[0], signal.SIGKILL)
            assert (await viewer.socket.until("view_end", 8.0))["status"] == "FAILED"
            assert time.monotonic() - begun < 2.0
        end = await ended(server, run_id)
    assert "killed by SIGKILL" in end["error"]["message"]
    assert_log_is_whole(server.entries(run_id))
    events: list[dict[str, Any]] = [entry["data"] for entry in server.entries(run_id) if entry["type"] == "event"]
    assert [event["value"]["reason"] for event in events if event.get("name") == "runwire.control"] == ["taken"]
    assert len(server.services.take_over) == 0


async def test_a_process_stuck_in_c_code_is_told_of_and_can_be_ended(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_over, "CLAIM_S", 0.2)
    monkeypatch.setattr(process_views, "ANSWER_S", 0.2)
    async with server.http() as http:
        run_id = await start(http, "stuck-in-c", 60)
        await eventually_async(lambda: bool(pids(server, run_id)), "it hangs")
        async with viewing(server, run_id) as viewer:
            begun = time.monotonic()
            refused = await viewer.socket.refused("view.control", view=1, action="take")
            assert (refused["code"], "does not answer" in refused["message"]) == ("conflict", True)
            assert time.monotonic() - begun < 2.0
            os.kill(pids(server, run_id)[0], signal.SIGKILL)
            assert (await viewer.socket.until("view_end", 8.0))["status"] == "FAILED"
