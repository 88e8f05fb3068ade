"""The ``browser-test`` agent on a scripted pool: what it does, says and returns."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.contracts.agent import AgentFailure
from runwire.contracts.browser import PageHandle
from runwire.errors import BrowserLost, BrowserTimeout, InvalidInput, StorageUnavailable
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.target import Target
from runwire.runs.state import Verdict
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedHandle, ScriptedPool

THREE = ['Click "A"', 'Verify text "B"', "Take screenshot"]
NOT_FOUND: dict[do.Action, Exception] = {
    do.VerifyText("B"): BrowserTimeout('the text "B" was not found; nearest is link "C"')
}


def test_step_of_two_passes() -> None:
    ctx = run({"steps": THREE[:2]})
    assert ctx.text_lines == ['Step 1/2 PASSED Click "A"', 'Step 2/2 PASSED Verify text "B"', "2/2 passed"]
    assert [event["stepName"] for event in ctx.events if event["type"] == "STEP_FINISHED"] == ["Step 1", "Step 2"]
    assert ctx.steps_done[0] == (0, 2, 'Click "A"')
    assert ctx.steps_done[-1] == (2, 2, "2/2 passed")


def test_step_events_carry_the_facts_of_the_protocol() -> None:
    pool = ScriptedPool(NOT_FOUND)
    ctx = run({"steps": THREE}, pool)
    finished = [event["metadata"]["runwire"] for event in ctx.events if event["type"] == "STEP_FINISHED"]
    assert [step["status"] for step in finished] == ["PASSED", "FAILED", "SKIPPED"]
    assert set(finished[0]) == {"index", "total", "text", "status", "duration_ms", "error", "artifact_id"}
    assert finished[1]["error"] == 'the text "B" was not found; nearest is link "C"'
    assert finished[1]["artifact_id"] == "artifact2"
    assert finished[2]["artifact_id"] is None


def test_every_step_has_its_picture_announced_before_its_end() -> None:
    ctx = run({"steps": THREE[:1]})
    assert [event["type"] for event in ctx.events] == ["STEP_STARTED", "CUSTOM", "STEP_FINISHED"]


def test_result_holds_verdict_and_steps() -> None:
    result = asyncio.run(
        BrowserTestAgent().run(RecordingContext(ScriptedPool(NOT_FOUND)), {"name": "T", "steps": THREE})
    )
    assert result.verdict is Verdict.FAILED
    assert (result.result["name"], result.result["passed"], result.result["total"]) == ("T", 1, 3)
    assert len(result.result["steps"]) == 3


def test_continue_goes_on_after_a_failure() -> None:
    ctx = run({"steps": THREE, "on_failure": "continue"}, ScriptedPool(NOT_FOUND))
    assert ctx.text_lines[-1] == "2/3 passed"


def test_relative_addresses_resolve_against_the_test_and_the_sample_site() -> None:
    pool = ScriptedPool()
    run({"url": "/samples/shop/index.html", "steps": ["Go back", 'Open "cart.html"', "Open http://a.test/b"]}, pool)
    assert log_of(pool) == [
        "http://samples.test/samples/shop/index.html",
        do.Travel("back"),
        do.Navigate("http://samples.test/samples/shop/cart.html"),
        do.Navigate("http://a.test/b"),
    ]


def test_data_rows_are_carried_out_one_after_the_other() -> None:
    pool = ScriptedPool({do.Click(Target("Mug")): BrowserTimeout("no mug")})
    test = {"url": "http://a.test/", "steps": ['Click "${x}"', "Go back"], "data": [{"x": "Mug"}, {"x": "Pot"}]}
    ctx = run(test, pool)
    assert ctx.text_lines == [
        'Step 1/4 FAILED [row 1/2] Click "${x}": no mug',
        "Step 2/4 SKIPPED [row 1/2] Go back",
        'Step 3/4 PASSED [row 2/2] Click "${x}"',
        "Step 4/4 PASSED [row 2/2] Go back",
        "2/4 passed",
    ]
    assert log_of(pool).count("http://a.test/") == 2


def test_what_was_remembered_can_be_used() -> None:
    pool = ScriptedPool()
    steps = ['Remember "Total" as sum', 'Set both to "${sum}!"', 'Verify text "${both}"']
    assert run({"steps": steps}, pool).text_lines[-1] == "3/3 passed"
    assert log_of(pool)[-1] == do.VerifyText("remembered!")


def test_failing_step_is_tried_again_as_often_as_the_test_says() -> None:
    pool = ScriptedPool(NOT_FOUND)
    ctx = run({"steps": ['Verify text "B"'], "retries": 2}, pool)
    assert len(log_of(pool)) == 3
    assert ctx.text_lines[-1] == "0/1 passed"
    assert sum("trying again" in line for line in ctx.text_lines) == 2


def test_first_navigation_replaces_the_start_address() -> None:
    pool = ScriptedPool()
    run({"url": "http://a.test/x/", "steps": ["Open y.html"]}, pool)
    assert log_of(pool) == [do.Navigate("http://a.test/x/y.html")]


@pytest.mark.parametrize("where", [{"steps": ['Navigate to "http://[x"']}, {"url": "http://[x", "steps": THREE[:1]}])
def test_half_an_address_fails_the_step(where: dict[str, Any]) -> None:
    ctx = run(where)
    assert ctx.text_lines[-1] == "0/1 passed"
    assert "'http://[x' is no address" in ctx.text_lines[0]


def test_relative_address_without_sample_site_fails_the_step() -> None:
    ctx = run({"steps": ["Open /x"]}, ScriptedPool(sample_origin=None))
    assert "relative address" in ctx.text_lines[0]


def test_lost_picture_fails_no_step() -> None:
    ctx = RecordingContext(ScriptedPool())
    ctx.artifacts.refuse = StorageUnavailable("the disk is full")
    result = asyncio.run(BrowserTestAgent().run(ctx, {"steps": THREE[:1]}))
    assert result.verdict is Verdict.PASSED
    assert ctx.text_lines[0] == "Step 1: no screenshot: the disk is full"


def test_no_browser_is_startup_failed_with_the_reason() -> None:
    for pool in (ScriptedPool(unavailable="no Chromium was found; run: x"), None):
        with pytest.raises(AgentFailure) as caught:
            asyncio.run(BrowserTestAgent().run(RecordingContext(pool), {"steps": THREE}))
        assert caught.value.code == "startup_failed"
        assert caught.value.message


def test_lost_browser_keeps_the_steps_that_were_done() -> None:
    pool = ScriptedPool({do.VerifyText("B"): BrowserLost("gone")})
    ctx = RecordingContext(pool)
    with pytest.raises(AgentFailure) as caught:
        asyncio.run(BrowserTestAgent().run(ctx, {"steps": THREE}))
    assert (caught.value.code, caught.value.retryable) == ("browser_lost", True)
    assert [step["status"] for step in caught.value.result["steps"]] == ["PASSED", "FAILED"]
    assert pool.open.total() == 0


class HangingPool(ScriptedPool):
    """A pool whose pages never come to an end with anything."""

    def handle(self) -> PageHandle:
        return HangingHandle(self.answers)


class HangingHandle(ScriptedHandle):
    async def perform(self, action: do.Action, *, timeout_s: float) -> str | None:
        await asyncio.Event().wait()
        return None


def test_own_limit_of_a_test_ends_it() -> None:
    pool = HangingPool()
    with pytest.raises(AgentFailure, match=r"limit of 0\.05 s has passed") as caught:
        asyncio.run(BrowserTestAgent().run(RecordingContext(pool), {"steps": THREE, "timeout_s": 0.05}))
    assert caught.value.code == "timeout"
    assert pool.open.total() == 0


async def test_cancellation_passes_through_and_closes_everything() -> None:
    pool = HangingPool()
    running = asyncio.create_task(BrowserTestAgent().run(RecordingContext(pool), {"steps": THREE}))
    for _ in range(20):
        await asyncio.sleep(0)
    assert pool.open["page"] == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert pool.open.total() == 0


def test_senseless_test_is_refused_before_anything_starts() -> None:
    with pytest.raises(InvalidInput, match="step 1: no target given"):
        BrowserTestAgent.validate_input({"steps": ["Click"]})
    BrowserTestAgent.validate_input("steps: [Go back]")


async def test_pause_is_not_held_against_the_step_limit() -> None:
    limits: list[float] = []

    class Watching(ScriptedHandle):
        async def perform(self, action: do.Action, *, timeout_s: float) -> str | None:
            limits.append(timeout_s)
            return None

    class WatchingPool(ScriptedPool):
        def handle(self) -> PageHandle:
            return Watching(self.answers)

    steps = ["Wait for 20 seconds", 'Click "A"']
    await BrowserTestAgent().run(RecordingContext(WatchingPool()), {"steps": steps, "step_timeout_s": 3})
    assert limits == [21.0, 3.0]


def log_of(pool: ScriptedPool) -> list[str | do.Action]:
    """Return what the first page was told."""
    page = pool.pages[0]
    assert isinstance(page, ScriptedHandle)
    return page.log


def run(test: Any, pool: ScriptedPool | None = None) -> RecordingContext:
    """Carry a test out on a scripted pool and return what was said."""
    ctx = RecordingContext(pool or ScriptedPool())
    asyncio.run(BrowserTestAgent().run(ctx, test))
    return ctx
