"""The ``browser-test`` agent on the sample shop, in real Chromium."""

from __future__ import annotations

from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.browser.host import BrowserHost
from runwire.contracts.agent import AgentResult
from runwire.runs.state import Verdict
from runwire.testing.context import RecordingContext
from tests.browser.conftest import EXAMPLES

pytestmark = pytest.mark.timeout(30)


async def carry_out(host: BrowserHost, test: Any) -> tuple[AgentResult, RecordingContext]:
    ctx = RecordingContext(host)
    return await BrowserTestAgent().run(ctx, test), ctx


def example(name: str) -> str:
    return (EXAMPLES / "tests" / name).read_text(encoding="utf-8")


async def test_passing_example_passes_every_step(host: BrowserHost) -> None:
    result, ctx = await carry_out(host, example("shop-passing.yaml"))
    assert [step["error"] for step in result.result["steps"] if step["error"]] == []
    assert result.verdict is Verdict.PASSED
    assert ctx.text_lines[-1] == "16/16 passed"
    assert len(ctx.artifacts.saved) == 16
    assert all(data.startswith(b"\x89PNG") for data in ctx.artifacts.saved.values())


async def test_frames_dialogs_windows_files_and_variables(host: BrowserHost) -> None:
    test = {
        "url": "/frames.html",
        "files": {"note.txt": "hello"},
        "steps": [
            'In frame "payment": Fill "Card" with "4242"',
            'In frame "payment": Click "Pay"',
            'In frame "payment": Verify text "4242"',
            'Click "Delete"',
            'Verify text "kept"',
            'Accept the next dialog with "yes"',
            'Click "Delete"',
            'Verify dialog "Really delete?"',
            'Verify text "deleted: yes"',
            'Upload "note.txt" to "File"',
            'Verify text "note.txt = hello"',
            'Remember test id "number" as order',
            'Verify text "Order ${order}"',
            'Click "Open window"',
            "Switch to new tab",
            'Verify title is "States"',
            "Switch to first tab",
            'Verify title is "Frames"',
        ],
        "step_timeout_s": 3,
    }
    result, _ = await carry_out(host, test)
    assert [step["error"] for step in result.result["steps"] if step["error"]] == []
    assert result.verdict is Verdict.PASSED


async def test_failing_example_says_what_was_looked_for(host: BrowserHost) -> None:
    result, ctx = await carry_out(host, example("shop-failing.yaml"))
    assert result.verdict is Verdict.FAILED
    assert (result.result["passed"], result.result["total"]) == (6, 7)
    error = result.result["steps"][-1]["error"]
    assert 'the text "Thank you, Ada!" was not found within 3 s' in error
    assert "checkout.html" in error
    assert ctx.text_lines[-1] == "6/7 passed"
