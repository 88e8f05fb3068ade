"""What a test does with a trace, on a scripted pool: it is kept in silence, and what cannot be kept is told."""

from __future__ import annotations

from runwire.agents.browser_test import BrowserTestAgent
from runwire.errors import BrowserTimeout, TooLarge
from runwire.protocol.steps import actions as do
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedPool

FAILS: dict[do.Action, Exception] = {do.VerifyText("B"): BrowserTimeout("not found")}
TEST = {"steps": ['Verify text "B"'], "keep_logs": "never"}


async def test_a_trace_is_kept_and_announced_to_nobody() -> None:
    ctx = RecordingContext(ScriptedPool(FAILS, trace=b"PK"))
    await BrowserTestAgent().run(ctx, TEST)
    assert b"PK" in ctx.artifacts.saved.values()
    assert [event["value"]["kind"] for event in ctx.events if event.get("name") == "runwire.artifact"] == ["screenshot"]


async def test_a_trace_that_is_too_large_changes_no_verdict() -> None:
    ctx = RecordingContext(ScriptedPool(FAILS, trace=b"PK"))
    ctx.artifacts.refuse = TooLarge("an artifact has at most 1 byte")
    result = await BrowserTestAgent().run(ctx, TEST)
    assert result.verdict == "failed"
    assert "The trace is not kept: an artifact has at most 1 byte" in ctx.text_lines
