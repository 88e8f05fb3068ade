"""What runs do with a film, on a scripted pool: when it is kept, that it is kept however they end, what is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.browser.ffmpeg import video_size, why_no_ffmpeg
from runwire.contracts.agent import AgentFailure
from runwire.contracts.browser import PageHandle, Video
from runwire.errors import BrowserError, BrowserLost, BrowserTimeout, BrowserUnavailable, LimitExceeded, TooLarge
from runwire.protocol.steps import actions as do
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedHandle, ScriptedPool
from tests.support.pools import turns

FAILS: dict[do.Action, Exception] = {do.VerifyText("B"): BrowserTimeout("not found")}
LOST: dict[do.Action, Exception] = {do.VerifyText("B"): BrowserLost("gone")}


def _test(video: str | None, **more: Any) -> dict[str, Any]:
    browser = {} if video is None else {"video": video}
    return {"steps": ['Verify text "B"'], "keep_logs": "never", "browser": browser, **more}


def _videos(ctx: RecordingContext) -> list[tuple[str, str]]:
    told = [event["value"] for event in ctx.events if event.get("name") == "runwire.artifact"]
    return [(one["name"], one["mime"]) for one in told if one["kind"] == "video"]


@pytest.mark.parametrize(
    ("video", "answers", "films"),
    [
        (None, FAILS, []),
        ("never", FAILS, []),
        ("on_failure", {}, ["begun", "dropped"]),
        ("on_failure", FAILS, ["begun", "kept"]),
        ("always", {}, ["begun", "kept"]),
    ],
)
async def test_a_film_is_kept_as_the_configuration_says(
    video: str | None, answers: dict[do.Action, Exception], films: list[str]
) -> None:
    pool = ScriptedPool(answers)
    ctx = RecordingContext(pool)
    await BrowserTestAgent().run(ctx, _test(video))
    assert pool.films == films
    assert _videos(ctx) == ([("video.webm", "video/webm")] if "kept" in films else [])


async def test_a_run_whose_browser_is_lost_keeps_its_film() -> None:
    pool = ScriptedPool(LOST)
    ctx = RecordingContext(pool)
    with pytest.raises(AgentFailure, match="gone") as failure:
        await BrowserTestAgent().run(ctx, _test("on_failure"))
    assert failure.value.code == "browser_lost"
    assert len(_videos(ctx)) == 1


class _Stuck(ScriptedHandle):
    async def perform(self, action: do.Action, *, timeout_s: float) -> str | None:
        await asyncio.Event().wait()
        return None


class _StuckPool(ScriptedPool):
    def handle(self) -> PageHandle:
        return _Stuck(self.answers)


async def test_a_run_whose_time_is_over_keeps_its_film() -> None:
    ctx = RecordingContext(_StuckPool())
    with pytest.raises(AgentFailure) as failure:
        await BrowserTestAgent().run(ctx, _test("on_failure", timeout_s=0.01))
    assert failure.value.code == "timeout"
    assert len(_videos(ctx)) == 1


async def test_a_cancelled_run_keeps_its_film_and_stays_cancelled() -> None:
    pool = _StuckPool()
    ctx = RecordingContext(pool)
    run = asyncio.ensure_future(BrowserTestAgent().run(ctx, _test("on_failure")))
    await turns()
    assert pool.films == ["begun"]
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert len(_videos(ctx)) == 1
    assert pool.open["lease"] == 0


async def test_what_is_missing_of_a_film_is_told_and_changes_no_verdict() -> None:
    for video, said in (
        (Video(b"WebM", "a video has at most 1 s"), "The video ends before the run: a video has at most 1 s"),
        (Video(None, "no page was shown"), "The video is not kept: no page was shown"),
    ):
        ctx = RecordingContext(ScriptedPool(video=video))
        assert (await BrowserTestAgent().run(ctx, _test("always"))).verdict == "passed"
        assert said in ctx.text_lines
        assert len(_videos(ctx)) == (video.data is not None)
    ctx = RecordingContext(ScriptedPool(no_video=BrowserError("this server films 1 runs at once, and does so now")))
    assert (await BrowserTestAgent().run(ctx, _test("always"))).verdict == "passed"
    assert "The run is not filmed: this server films 1 runs at once, and does so now" in ctx.text_lines


async def test_a_video_that_cannot_be_stored_changes_no_verdict_but_limits_of_the_run_hold() -> None:
    ctx = RecordingContext(ScriptedPool(FAILS))
    ctx.artifacts.refuse = TooLarge("an artifact has at most 1 byte")
    assert (await BrowserTestAgent().run(ctx, _test("always"))).verdict == "failed"
    assert "The video is not kept: an artifact has at most 1 byte" in ctx.text_lines
    ctx = RecordingContext(ScriptedPool(LOST))
    ctx.artifacts.refuse = LimitExceeded("a run stores at most 0 artifacts", limit="artifacts")
    with pytest.raises(AgentFailure, match="gone"):  # what came first
        await BrowserTestAgent().run(ctx, _test("always"))


async def test_a_run_that_cannot_be_filmed_is_refused_at_its_start() -> None:
    pool = ScriptedPool(no_video=BrowserUnavailable("no ffmpeg was found to film runs with; run: pip install x"))
    with pytest.raises(AgentFailure, match="run: pip install x") as failure:
        await BrowserTestAgent().run(RecordingContext(pool), _test("on_failure"))
    assert failure.value.code == "startup_failed"
    assert pool.pages == []


def test_an_encoder_that_is_named_and_is_none_is_a_clear_error() -> None:
    assert why_no_ffmpeg("/nowhere/ffmpeg") == (
        "the browser_ffmpeg '/nowhere/ffmpeg' is no executable file; correct the setting"
    )


def test_sizes_are_even_and_bounded() -> None:
    assert video_size(1280, 720) == (1280, 720)
    assert video_size(393, 851) == (392, 850)
    assert video_size(2560, 1440) == (1280, 720)
    assert video_size(4000, 3) == (1280, 16)
