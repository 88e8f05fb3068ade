"""What a browser run leaves behind however it ends: downloads, logs, a trace; on a scripted pool."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from runwire.agents.browser_task import BrowserAgent
from runwire.agents.browser_test import BrowserTestAgent
from runwire.agents.evidence import Evidence
from runwire.contracts.agent import AgentFailure
from runwire.contracts.browser import BrowserConfig, Download, PageHandle
from runwire.errors import BrowserLost, LimitExceeded, ModelRefused
from runwire.protocol.steps.actions import Action, Click
from runwire.protocol.steps.target import Target
from runwire.runs.state import Verdict
from runwire.testing.context import RecordingContext
from runwire.testing.model import ScriptedChatModel, call
from runwire.testing.pool import ScriptedHandle, ScriptedPool

DONE = call("finish", success=True, summary="Done.")
TASK = {"task": "Download the report.", "url": "/shop"}


def kept(ctx: RecordingContext) -> list[tuple[str, str]]:
    """Return kind and name of what was kept and announced, pictures left out."""
    told = [event["value"] for event in ctx.events if event.get("name") == "runwire.artifact"]
    return [(value["kind"], value["name"]) for value in told if value["kind"] != "screenshot"]


@dataclass(eq=False)
class HangingPool(ScriptedPool):
    """Its pages never answer an action; ``asked`` is set once one was asked."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def handle(self) -> PageHandle:
        return _Hanging(self.answers, asked=self.asked)


@dataclass(eq=False)
class _Hanging(ScriptedHandle):
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def perform(self, action: Action, *, timeout_s: float) -> str | None:
        self.asked.set()
        await asyncio.Event().wait()
        return None


async def test_the_model_is_told_what_was_downloaded_and_the_result_holds_it() -> None:
    pool = ScriptedPool(downloads=[Download("report.csv", b"1,2"), Download("a'\n> b.iso", None, "it broke off")])
    model = ScriptedChatModel([DONE])
    ctx = RecordingContext(pool, model=model)
    result = await BrowserAgent().run(ctx, TASK)
    shown = model.requests[0].messages[-1].text
    assert "\nDownloads: 'report.csv' (kept, 3 bytes), \"a'\\n> b.iso\" (not kept: it broke off)\n" in shown
    (artifact,) = [number for number, data in ctx.artifacts.saved.items() if data == b"1,2"]
    assert result.result["downloads"] == [{"name": "report.csv", "size_bytes": 3, "artifact_id": artifact}]


async def test_the_model_is_told_what_is_under_way() -> None:
    pool = ScriptedPool(downloading=("big.zip",))
    model = ScriptedChatModel([DONE])
    await BrowserAgent().run(RecordingContext(pool, model=model), TASK)
    assert "\nDownloads: 'big.zip' (under way)\n" in model.requests[0].messages[-1].text


async def test_a_task_that_its_model_breaks_off_keeps_logs_trace_and_downloads() -> None:
    pool = ScriptedPool(trace=b"PK", under_way=[Download("late.csv", b"3")])
    ctx = RecordingContext(pool, model=ScriptedChatModel([ModelRefused("no")]))
    with pytest.raises(AgentFailure):
        await BrowserAgent().run(ctx, TASK)
    assert kept(ctx) == [("download", "late.csv"), ("log", "console.jsonl"), ("log", "network.jsonl")]
    assert b"PK" in ctx.artifacts.saved.values()


@pytest.mark.parametrize(
    ("success", "keep_logs", "logs"), [(True, "on_failure", 0), (True, "always", 2), (False, "never", 0)]
)
async def test_a_task_says_whether_logs_are_kept(success: bool, keep_logs: str, logs: int) -> None:
    model = ScriptedChatModel([call("finish", success=success, summary="Done.")])
    ctx = RecordingContext(ScriptedPool(), model=model)
    await BrowserAgent().run(ctx, {**TASK, "keep_logs": keep_logs})
    assert len(kept(ctx)) == logs


async def test_a_test_whose_time_has_passed_keeps_them_too() -> None:
    ctx = RecordingContext(HangingPool(trace=b"PK"))
    with pytest.raises(AgentFailure) as failed:
        await BrowserTestAgent().run(ctx, {"steps": ['Click "A"'], "timeout_s": 0.05})
    assert failed.value.code == "timeout"
    assert kept(ctx) == [("log", "console.jsonl"), ("log", "network.jsonl")]
    assert b"PK" in ctx.artifacts.saved.values()


async def test_a_test_that_lost_its_browser_keeps_what_was_heard_of_it() -> None:
    lost: dict[Action, Exception] = {Click(Target("A")): BrowserLost("it has died")}
    ctx = RecordingContext(ScriptedPool(lost))
    with pytest.raises(AgentFailure) as failed:
        await BrowserTestAgent().run(ctx, {"steps": ['Click "A"']})
    assert failed.value.code == "browser_lost"
    assert kept(ctx) == [("log", "console.jsonl"), ("log", "network.jsonl")]


FULL = LimitExceeded("a run stores at most 0 artifacts", limit="artifacts")
NOT_KEPT = "When the run failed: not all is kept: a run stores at most 0 artifacts"


async def test_a_run_that_stores_no_more_still_ends_by_what_came_first() -> None:
    lost: dict[Action, Exception] = {Click(Target("A")): BrowserLost("it has died")}
    ctx = RecordingContext(ScriptedPool(lost))
    ctx.artifacts.refuse = FULL
    with pytest.raises(AgentFailure, match="it has died") as failed:
        await BrowserTestAgent().run(ctx, {"steps": ['Click "A"']})
    assert (failed.value.code, failed.value.retryable, NOT_KEPT in ctx.text_lines) == ("browser_lost", True, True)
    assert isinstance(failed.value.result, dict)

    ctx, pool = RecordingContext(), ScriptedPool()
    ctx.artifacts.refuse = FULL
    first = AgentFailure("captcha", code="x", result={"steps": 3})
    with pytest.raises(AgentFailure) as failed:
        async with pool.lease("run", BrowserConfig()) as lease, Evidence(ctx, lease).gathered(lambda: Verdict.PASSED):
            raise first
    assert (failed.value, NOT_KEPT in ctx.text_lines) == (first, True)


async def test_a_test_whose_time_has_passed_ends_by_that_also_if_it_stores_no_more() -> None:
    ctx = RecordingContext(HangingPool())
    ctx.artifacts.refuse = FULL
    with pytest.raises(AgentFailure) as failed:
        await BrowserTestAgent().run(ctx, {"steps": ['Click "A"'], "timeout_s": 0.05})
    assert failed.value.code == "timeout"
    assert "When the time had passed: not all is kept: a run stores at most 0 artifacts" in ctx.text_lines


async def test_the_limit_of_a_run_that_has_not_failed_holds() -> None:
    ctx = RecordingContext(ScriptedPool())
    ctx.artifacts.refuse = FULL
    with pytest.raises(LimitExceeded):
        await BrowserTestAgent().run(ctx, {"steps": ['Press "Enter"'], "keep_logs": "always"})


async def test_a_cancelled_test_gives_its_browser_back_at_once() -> None:
    pool = HangingPool(trace=b"PK")
    ctx = RecordingContext(pool)
    running = asyncio.create_task(BrowserTestAgent().run(ctx, {"steps": ['Click "A"']}))
    async with asyncio.timeout(5):
        await pool.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (kept(ctx), ctx.artifacts.saved, +pool.open) == ([], {}, {})
