"""A recorded traversal done again on a scripted pool: what is the same, what has changed, what is missing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from runwire.agents.browser_test import BrowserReplayAgent, BrowserTestAgent
from runwire.errors import BrowserTimeout, InvalidInput
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.forms import USAGE
from runwire.protocol.steps.grammar import parse_step
from runwire.protocol.steps.recorded import action_of, parse_replay
from runwire.protocol.steps.target import Target
from runwire.protocol.traversal import action_facts
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedHandle, ScriptedPool

SENTENCES = [
    'Open "/a"', "Go back", 'Click "A"', 'Double-click 2nd button "A" in "B"', 'Fill "A" with "${x}"', 'Press "Enter"',
    'Type "x" into "A"', 'Select "o" from "A"', 'Check "A"', 'Uncheck "A"', 'Hover over "A"', 'Scroll to "A"',
    "Wait for 2 seconds", 'Wait for "A"', 'Verify text "A"', 'Verify title is "A"', 'Verify URL contains "a"',
    'Verify value of "A" is "b"', 'Verify attribute href of "A" is "b"', 'Verify number of "A" is 3',
    'Verify element "A" is hidden', "Accept next dialog", 'Verify dialog "A"', "Switch to new tab",
    'Verify download name contains "a" is not empty', 'In frame "f": Click "A"', 'Set x to "y"',
    'Remember "A" as x', "Take screenshot", "Scroll down", 'Drag "A" to 2nd "B" in "C"', "Wait for the page to load",
]  # fmt: skip


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_action_can_be_read_back(sentence: str) -> None:
    action = parse_step(1, sentence).action
    stored = msgspec.json.decode(msgspec.json.encode(action_facts(action)))
    assert action_of(stored) == action


def test_the_sentences_above_are_of_every_kind() -> None:
    assert len(USAGE) > 0
    kinds = {type(parse_step(1, sentence).action) for sentence in SENTENCES}
    assert kinds == set(do.Action.__args__) - {do.Upload, do.Unread}


def recorded(test: dict[str, Any], pool: ScriptedPool | None = None) -> dict[str, Any]:
    """Return the traversal that a test leaves."""
    ctx = RecordingContext(pool or ScriptedPool())
    asyncio.run(BrowserTestAgent().run(ctx, test))
    made: dict[str, Any] = msgspec.to_builtins(ctx.traversal.saved[-1])
    return made


def replayed(given: dict[str, Any], pool: ScriptedPool | None = None) -> tuple[dict[str, Any], ScriptedPool]:
    """Return what a replay comes to, and its pool."""
    pool = pool or ScriptedPool()
    BrowserReplayAgent.validate_input(given)
    result = asyncio.run(BrowserReplayAgent().run(RecordingContext(pool), given))
    return {**result.result, "verdict": result.verdict}, pool


TEST = {"url": "http://a.test/", "steps": ['Click "A"', 'Verify text "B"', "Take screenshot"]}


def statuses(result: dict[str, Any]) -> list[str]:
    """Return the steps' statuses."""
    return [step["status"] for step in result["steps"]]


def test_the_same_page_is_the_same_again() -> None:
    result, pool = replayed({"traversal": recorded(TEST)})
    assert (statuses(result), result["verdict"]) == (["PASSED"] * 3, "passed")
    handle = pool.pages[0]
    assert isinstance(handle, ScriptedHandle)
    assert handle.log == ["http://a.test/", do.Click(Target("A")), do.VerifyText("B"), do.TakeScreenshot()]


def test_what_does_not_pass_any_more_is_told_and_the_rest_is_not_reached() -> None:
    pool = ScriptedPool({do.VerifyText("B"): BrowserTimeout('the text "B" was not found; nearest is "C"')})
    result, _ = replayed({"traversal": recorded(TEST)}, pool)
    assert (statuses(result), result["verdict"]) == (["PASSED", "FAILED", "SKIPPED"], "failed")
    assert result["steps"][1]["error"] == (
        'it passed when it was recorded; now the text "B" was not found; nearest is "C"'
    )


def test_a_failure_that_was_recorded_is_the_same_and_one_that_is_gone_is_a_change() -> None:
    broken = ScriptedPool({do.VerifyText("B"): BrowserTimeout("no B")})
    traversal = recorded(TEST, broken)
    same, _ = replayed({"traversal": traversal}, broken)
    assert (statuses(same), same["verdict"]) == (["PASSED", "PASSED"], "passed"), "the skipped step is left out"
    mended, _ = replayed({"traversal": traversal})
    assert statuses(mended) == ["PASSED", "FAILED"]
    assert mended["steps"][1]["error"] == "it failed when it was recorded (no B); now it passes"


def test_another_title_or_address_is_a_change_that_ends_nothing() -> None:
    traversal = recorded(TEST)
    traversal["steps"][0]["page_title"] = "Old title"
    traversal["steps"][1]["page_url"] = "http://a.test/old?session=1"
    traversal["steps"][2]["page_url"] += "?session=2"
    result, _ = replayed({"traversal": traversal})
    assert statuses(result) == ["FAILED", "FAILED", "PASSED"]
    assert result["steps"][0]["error"] == 'the title was "Old title", now it is "Scripted page"'
    assert "now it is" in result["steps"][1]["error"]


def test_variables_and_rows_are_given_again() -> None:
    test = {
        "url": "http://a.test/",
        "steps": ['Fill "P" with "${password}"', 'Click "${x}"'],
        "variables": {"password": "s3cret"},
        "data": [{"x": "1"}, {"x": "2"}],
    }
    traversal = recorded(test)
    assert "s3cret" not in str(traversal)
    with pytest.raises(InvalidInput, match=r"data: the traversal has a row 2"):
        parse_replay({"traversal": traversal, "variables": {"password": "p", "x": "1"}})
    with pytest.raises(InvalidInput, match=r"step 1: unknown variable \$\{password\}"):
        parse_replay({"traversal": traversal, "data": test["data"]})
    result, pool = replayed({"traversal": traversal, "variables": test["variables"], "data": test["data"]})
    handle = pool.pages[0]
    assert isinstance(handle, ScriptedHandle)
    assert handle.log.count("http://a.test/") == 2
    assert do.Click(Target("2")) in handle.log
    assert result["verdict"] == "passed"


def test_a_replay_can_be_replayed() -> None:
    ctx = RecordingContext(ScriptedPool())
    asyncio.run(BrowserReplayAgent().run(ctx, {"traversal": recorded(TEST)}))
    result, _ = replayed({"traversal": msgspec.to_builtins(ctx.traversal.saved[-1])})
    assert result["verdict"] == "passed"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"steps": []}, "none of its steps was carried out"),
        ({"version": 2}, "traversal: "),
        ({"steps": [{"kind": "x"}]}, "traversal: "),
    ],
)
def test_what_is_no_traversal_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        parse_replay({"traversal": {**recorded(TEST), **change}})


@pytest.mark.parametrize("action", [{"kind": "explode"}, {"kind": "click"}, {"kind": "click", "target": "A"}])
def test_an_action_that_is_none_is_refused_with_its_step(action: dict[str, Any]) -> None:
    traversal = recorded(TEST)
    traversal["steps"][1]["action"] = action
    with pytest.raises(InvalidInput, match=r"^step 2: "):
        parse_replay({"traversal": traversal})


def test_an_uploaded_file_is_given_again() -> None:
    test = {"url": "http://a.test/", "steps": ['Upload "a.txt" to "File"'], "files": {"a.txt": "content"}}
    traversal = recorded(test)
    with pytest.raises(InvalidInput, match=r'step 1: no file "a\.txt"'):
        parse_replay({"traversal": traversal})
    assert parse_replay({"traversal": traversal, "files": test["files"]}).steps[0].step.action == do.Upload(
        Target("File"), "a.txt", "content"
    )
