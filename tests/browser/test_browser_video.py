"""Videos of browser runs, by real Chromium and real ffmpeg: what they show, how long, however the run ends."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.contracts.agent import AgentFailure
from runwire.testing.context import RecordingContext
from tests.browser.films import colours
from tests.browser.leftovers import Laboratory, family, laboratory
from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.http import ended, problem_of, start

pytestmark = pytest.mark.timeout(60)
EXECUTABLE = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")
RED_BLUE_GREEN: dict[str, Any] = {
    "url": "/colours.html",
    "steps": [
        "Wait for 0.7 seconds",
        "Navigate to /colours.html#00d",
        "Wait for 0.7 seconds",
        'Click "Open"',
        "Switch to new tab",
        "Wait for 0.7 seconds",
        'Verify text "never there"',
    ],
    "step_timeout_s": 0.5,
    "keep_logs": "never",
    "browser": {"video": "on_failure"},
}
ENDLESS: dict[str, Any] = {**RED_BLUE_GREEN, "steps": ['Verify text "never there"'], "step_timeout_s": 50}
TITLE: dict[str, Any] = {
    "url": "/samples/shop/index.html",
    "steps": ['Verify title contains "Sample shop"'],
    "keep_logs": "never",
    "browser": {"video": "always"},
}


def _video(ctx: RecordingContext) -> bytes:
    """Return the one video that was kept."""
    told = [event["value"] for event in ctx.events if event.get("name") == "runwire.artifact"]
    (made,) = [one["id"] for one in told if one["kind"] == "video"]
    return ctx.artifacts.saved[made]


async def _filming(lab: Laboratory) -> int:
    """Wait for the encoder and return it."""
    await eventually_async(lambda: bool(family(os.getpid(), "encoder")), "the run is filmed", 10.0)
    (encoder,) = family(os.getpid(), "encoder")
    return encoder


async def test_a_video_follows_the_run_in_real_time_and_nothing_is_left_however_it_ends(site: str) -> None:
    with laboratory(site, executable=EXECUTABLE) as lab:
        await lab.warm()
        await BrowserTestAgent().run(RecordingContext(lab.host), {**TITLE, "browser": {}})
        lab.before = await lab.held()  # with the folder that a browser gets for what its runs download

        failed = RecordingContext(lab.host)
        began = time.monotonic()
        assert (await BrowserTestAgent().run(failed, RED_BLUE_GREEN)).verdict == "failed"
        took_s = time.monotonic() - began
        seen = [(name, seconds) for name, seconds in colours(_video(failed)) if name != "white"]
        assert [name for name, _ in seen] == ["red", "blue", "green"], seen
        assert all(seconds >= 0.4 for _, seconds in seen), seen
        assert took_s - 3.0 <= sum(seconds for _, seconds in seen) <= took_s
        await lab.at_rest()

        cancelled = RecordingContext(lab.host)
        run = asyncio.ensure_future(BrowserTestAgent().run(cancelled, ENDLESS))
        await _filming(lab)
        await asyncio.sleep(0.5)  # the time that is filmed
        asked = time.monotonic()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert time.monotonic() - asked < 2.0  # what is never exceeded; a second is the goal
        assert colours(_video(cancelled))[-1][0] == "red"
        await lab.at_rest()

        lost = RecordingContext(lab.host)
        run = asyncio.ensure_future(BrowserTestAgent().run(lost, ENDLESS))
        await _filming(lab)
        await asyncio.sleep(0.5)  # as above
        os.kill(lab.browser, signal.SIGKILL)
        with pytest.raises(AgentFailure) as failure:
            await run
        assert failure.value.code == "browser_lost"
        assert colours(_video(lost))[-1][0] == "red"

        blind = RecordingContext(lab.host)
        run = asyncio.ensure_future(BrowserTestAgent().run(blind, {**ENDLESS, "timeout_s": 2}))
        os.kill(await _filming(lab), signal.SIGKILL)
        with pytest.raises(AgentFailure) as failure:
            await run
        assert failure.value.code == "timeout"
        assert any("the encoder ended with status -9" in line for line in blind.text_lines)


@pytest.mark.parametrize("isolation", ["thread", "process"])
async def test_a_video_is_an_artifact_that_its_owner_alone_can_play_also_of_a_cancelled_run(
    make_server: MakeServer, isolation: str
) -> None:
    server = make_server(isolation=isolation, browser_executable=EXECUTABLE)
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        run_id = await start(ann, "browser-test", TITLE)
        assert (await ended(server, run_id, 30.0))["verdict"] == "passed"
        listed = (await ann.get(f"/v1/runs/{run_id}/artifacts")).json()["data"]
        (video,) = [one for one in listed if one["kind"] == "video"]
        assert (video["name"], video["mime"]) == ("video.webm", "video/webm")
        played = await ann.get(video["url"])
        assert played.headers["content-type"] == "video/webm"
        assert played.headers["content-disposition"].startswith("inline;")
        assert colours(played.content)
        part = await ann.get(video["url"], headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, played.content[4:8])
        problem_of(await bob.get(video["url"]), 404, "not_found")

        run_id = await start(ann, "browser-test", {**ENDLESS, "url": "/samples/shop/index.html"})
        await eventually_async(lambda: bool(family(os.getpid(), "encoder")), "the run is filmed", 20.0)
        await asyncio.sleep(1.0)  # the time that is filmed
        await ann.post(f"/v1/runs/{run_id}/cancel")
        assert (await ended(server, run_id, 10.0))["status"] == "CANCELLED"
        listed = (await ann.get(f"/v1/runs/{run_id}/artifacts")).json()["data"]
        (video,) = [one for one in listed if one["kind"] == "video"]
        assert colours((await ann.get(video["url"])).content)


async def test_a_server_without_an_encoder_refuses_a_run_that_asks_for_a_video(make_server: MakeServer) -> None:
    server = make_server(isolation="thread", browser_executable=EXECUTABLE, browser_ffmpeg="/nowhere/ffmpeg")
    async with server.http() as http:
        end = await ended(server, await start(http, "browser-test", TITLE), 20.0)
    assert (end["status"], end["error"]["code"]) == ("FAILED", "startup_failed")
    assert "the browser_ffmpeg '/nowhere/ffmpeg' is no executable file" in end["error"]["message"]
