"""The traversal of a browser test on a scripted pool: a step more with each save, and no secret in it. Rows D2, D5."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.agents.browser_test.traversal import EACH_UP_TO, masked
from runwire.contracts.agent import AgentFailure
from runwire.errors import BrowserLost, BrowserTimeout, StorageUnavailable
from runwire.persistence.traversals import folder_name
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.grammar import parse_step
from runwire.protocol.traversal import Traversal, action_facts
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedPool

THREE = ['Click "A"', 'Verify text "B"', "Take screenshot"]


def saved_by(test: dict[str, Any], answers: dict[do.Action, Exception] | None = None) -> list[Traversal]:
    """Carry a test out and return what was saved, in order."""
    ctx = RecordingContext(ScriptedPool(answers or {}))
    asyncio.run(BrowserTestAgent().run(ctx, test))
    return ctx.traversal.saved


def test_d2_each_step_is_saved_and_the_end() -> None:
    saved = saved_by({"name": "T", "url": "http://a.test/", "steps": THREE})
    assert [(len(one.steps), one.ended) for one in saved] == [(1, False), (2, False), (3, False), (3, True)]
    last = saved[-1]
    assert (last.name, last.url, last.total, last.passed, last.verdict) == ("T", "http://a.test/", 3, 3, "passed")
    assert [step.artifact_id for step in last.steps] == ["artifact1", "artifact2", "artifact3"]
    assert all(last.started_ms <= step.started_ms <= last.updated_ms for step in last.steps)


def test_a_step_is_saved_before_it_is_told() -> None:
    ctx = RecordingContext(ScriptedPool())
    held: list[int] = []
    emit = ctx.emit

    async def watching(event: Any) -> None:
        if event["type"] == "STEP_FINISHED":
            held.append(len(ctx.traversal.saved[-1].steps))
        await emit(event)

    ctx.emit = watching  # type: ignore[method-assign]  # a look at the order of two doors of the same context
    asyncio.run(BrowserTestAgent().run(ctx, {"steps": THREE}))
    assert held == [1, 2, 3]


def test_failed_and_skipped_steps_stand_in_it() -> None:
    last = saved_by({"steps": THREE}, {do.VerifyText("B"): BrowserTimeout("no B")})[-1]
    assert [(step.status, step.error) for step in last.steps] == [
        ("PASSED", None),
        ("FAILED", "no B"),
        ("SKIPPED", None),
    ]
    assert (last.passed, last.verdict) == (1, "failed")


def test_rows_of_data_are_counted() -> None:
    last = saved_by({"steps": ['Click "${x}"', "Go back"], "data": [{"x": "Mug"}, {"x": "Pot"}]})[-1]
    assert [(step.index, step.row, step.text) for step in last.steps] == [
        (1, 1, 'Click "${x}"'),
        (2, 1, "Go back"),
        (3, 2, 'Click "${x}"'),
        (4, 2, "Go back"),
    ]


def test_values_of_variables_are_placeholders() -> None:
    test = {
        "steps": ['Fill "Password" with "${password}"', 'Upload "key.txt" to "Key"'],
        "variables": {"password": "hunter2"},
        "files": {"key.txt": "top secret"},
        "on_failure": "continue",
    }
    fill = parse_step(1, 'Fill "Password" with "hunter2"').action
    last = saved_by(test, {fill: BrowserTimeout('the field refused "hunter2"')})[-1]
    assert last.steps[0].error == 'the field refused "${password}"'
    assert last.steps[0].action == {
        "kind": "fill",
        "target": {"text": "Password", "kind": "any"},
        "value": "${password}",
    }
    encoded = msgspec.json.encode(last)
    assert b"hunter2" not in encoded
    assert b"top secret" not in encoded


def test_the_longest_value_is_masked_first_and_short_ones_stay() -> None:
    assert masked("a hunter2000", {"a": "hunter2", "b": "hunter2000", "c": "a"}) == "a ${b}"


def test_an_action_in_a_frame_keeps_both_kinds() -> None:
    action = parse_step(1, 'In frame "pay": Verify text "4242"').action
    inner = {"kind": "verify_text", "text": "4242", "absent": False}
    assert action_facts(action) == {"kind": "in_frame", "frame": "pay", "action": inner}


def test_lost_browser_leaves_the_steps_up_to_there() -> None:
    ctx = RecordingContext(ScriptedPool({do.VerifyText("B"): BrowserLost("gone")}))
    with pytest.raises(AgentFailure):
        asyncio.run(BrowserTestAgent().run(ctx, {"steps": THREE}))
    last = ctx.traversal.saved[-1]
    assert ([step.status for step in last.steps], last.ended, last.verdict) == (["PASSED", "FAILED"], False, None)


def test_a_disk_that_refuses_fails_no_step_and_is_told_once() -> None:
    ctx = RecordingContext(ScriptedPool())
    ctx.traversal.refuse = StorageUnavailable("the disk is full")
    result = asyncio.run(BrowserTestAgent().run(ctx, {"steps": THREE}))
    assert result.verdict == "passed"
    assert sum("the disk is full" in line for line in ctx.text_lines) == 1


def test_a_very_long_test_is_not_written_anew_after_each_step() -> None:
    rows = [{"x": str(number)} for number in range(100)]
    saved = saved_by({"steps": ["Go back"] * 12, "data": rows})
    assert [len(one.steps) for one in saved] == [*range(1, EACH_UP_TO + 1), 1_100, 1_200, 1_200]


@pytest.mark.parametrize(
    ("task", "folder"),
    [
        ("Buy two blue mugs", "buy-two-blue-mugs"),
        ("checkout_v2", "checkout_v2"),
        ("../../etc/passwd", "etc-passwd"),
        ("Größe & Maß", "groe-ma"),
        ("日本", "test"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_task_becomes_a_folder_of_its_own(task: str, folder: str) -> None:
    assert folder_name(task) == folder
