"""Mission C3: step results live, the verdict and progress; the socket, the database and the API agree."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.sockets import Frame, following, log_of

pytestmark = pytest.mark.timeout(60)
ENDS_S = 20.0
TEST = {
    "name": "Two steps and a mistake",
    "url": "/samples/shop/index.html",
    "steps": ['Verify title contains "Sample shop"', "Wait for 2 seconds", 'Verify text "free of charge"', "Go back"],
    "step_timeout_s": 2,
}


@pytest.fixture
def browsing(make_server: MakeServer) -> EmbeddedServer:
    """A server with browsers."""
    return make_server(browser_executable=os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""))


def _finished(frames: list[Frame]) -> list[dict[str, Any]]:
    return [
        entry["data"]["metadata"]["runwire"]
        for entry in log_of(frames)
        if entry["type"] == "event" and entry["data"]["type"] == "STEP_FINISHED"
    ]


def _said(entries: list[dict[str, Any]]) -> str:
    return "".join(e["data"]["delta"] for e in entries if e["data"].get("type") == "TEXT_MESSAGE_CONTENT")


async def test_c3_steps_are_told_as_they_end_and_everybody_tells_the_same(browsing: EmbeddedServer) -> None:
    async with browsing.http() as http:
        run_id = await start(http, "browser-test", TEST)
        async with following(browsing, run_id, follow=1) as socket:
            async with asyncio.timeout(ENDS_S):
                while not _finished(socket.frames):
                    await socket.next(ENDS_S)
            during = (await http.get(f"/v1/runs/{run_id}/steps")).json()
            assert browsing.status(run_id) == "RUNNING", "the first step is told while the second goes on"
            assert during["steps"][0]["status"] == "PASSED"
            assert {step["status"] for step in during["steps"][1:]} == {"PENDING"}
            ending = await socket.to_the_end(ENDS_S)
        assert ending.code == 1000
        record = (await http.get(f"/v1/runs/{run_id}")).json()
        steps = (await http.get(f"/v1/runs/{run_id}/steps")).json()["steps"]
    frames = socket.frames
    assert log_of(frames) == browsing.entries(run_id), "the socket's log is the database's"
    assert [step["status"] for step in _finished(frames)] == ["PASSED", "PASSED", "FAILED", "SKIPPED"]
    assert [step["status"] for step in steps] == [step["status"] for step in _finished(frames)]
    lines = _said(log_of(frames)).splitlines()
    assert lines[0] == 'Step 1/4 PASSED Verify title contains "Sample shop"'
    assert lines[-1] == "2/4 passed"
    assert (record["status"], record["verdict"], record["result"]["passed"]) == ("SUCCEEDED", "failed", 2)


async def test_c3_progress_counts_every_step(browsing: EmbeddedServer) -> None:
    test = {"url": "/samples/shop/index.html", "steps": ['Click link "Blue mug"', 'Verify URL contains "product.html"']}
    async with browsing.http() as http:
        run_id = await start(http, "browser-test", test)
        await ended(browsing, run_id, ENDS_S)
    events = [entry["data"] for entry in browsing.entries(run_id)]
    told = [event["content"] for event in events if event.get("activityType") == "runwire.progress"]
    assert [(one["done"], one["total"]) for one in told] == [(0, 2), (1, 2), (2, 2)]
