"""The run view made of a traversal, whole or cut off at any step. Row D5."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runwire.protocol.run_steps import RunFacts, RunSteps, steps_of
from runwire.protocol.traversal import Traversal, TraversalStep
from runwire.runs.state import RunStatus

TEXTS = ['Click "A"', 'Click "B"', 'Click "C"']
INPUT = msgspec.json.encode({"name": "T", "steps": TEXTS, "browser": {"locale": "de-DE"}})


def step(index: int, status: Any = "PASSED") -> TraversalStep:
    return TraversalStep(
        index=index,
        row=1,
        text=TEXTS[(index - 1) % 3],
        action={"kind": "click"},
        status=status,
        started_ms=index,
        duration_ms=5,
        error="no" if status == "FAILED" else None,
        artifact_id=f"a{index}",
    )


def traversal(done: int, attempt: int = 1) -> bytes:
    steps = tuple(step(index) for index in range(1, done + 1))
    return msgspec.json.encode(
        Traversal(
            run_id="r",
            attempt=attempt,
            name="T",
            url=None,
            started_ms=1,
            updated_ms=2,
            total=3,
            passed=done,
            ended=done == 3,
            verdict="passed" if done == 3 else None,
            steps=steps,
        )
    )


def view(status: RunStatus, body: bytes | None, *, attempt: int = 1, ending: dict[str, Any] | None = None) -> RunSteps:
    terminal = None if ending is None else msgspec.json.encode({"status": status, "attempt": attempt, **ending})
    return steps_of(RunFacts("r", status, attempt, INPUT, terminal), body)


@pytest.mark.parametrize("done", [0, 1, 2, 3])
@pytest.mark.parametrize(("status", "rest"), [(RunStatus.RUNNING, "PENDING"), (RunStatus.FAILED, "NOT_FINISHED")])
def test_d5_cut_off_at_any_step_it_tells_what_ended_and_what_did_not(done: int, status: RunStatus, rest: str) -> None:
    found = view(status, traversal(done))
    assert [one.status for one in found.steps] == ["PASSED"] * done + [rest] * (3 - done)
    assert [one.text for one in found.steps] == TEXTS
    assert [one.index for one in found.steps] == [1, 2, 3]
    assert (found.total, found.passed, found.source, found.browser) == (3, done, "traversal", {"locale": "de-DE"})


def test_d5_steps_carry_action_timing_and_screenshot() -> None:
    first = view(RunStatus.SUCCEEDED, traversal(3), ending={"verdict": "passed"}).steps[0]
    assert (first.action, first.started_ms, first.duration_ms) == ({"kind": "click"}, 1, 5)
    assert first.screenshot == "/v1/runs/r/artifacts/a1"


def test_d5_an_earlier_attempts_steps_say_nothing_of_this_one() -> None:
    found = view(RunStatus.QUEUED, traversal(2, attempt=1), attempt=2)
    assert ([one.status for one in found.steps], found.source) == (["PENDING"] * 3, "none")


@pytest.mark.parametrize("body", [None, b"", b'{"version":1', b"[]"])
def test_d5_without_a_traversal_the_result_tells(body: bytes | None) -> None:
    told = [{"index": 1, "total": 3, "text": TEXTS[0], "status": "FAILED", "duration_ms": 7, "error": "no"}]
    found = view(RunStatus.SUCCEEDED, body, ending={"verdict": "failed", "result": {"total": 3, "steps": told}})
    assert [one.status for one in found.steps] == ["FAILED", "NOT_FINISHED", "NOT_FINISHED"]
    assert (found.source, found.failed, found.verdict) == ("result", 1, "failed")


def test_d5_rows_are_counted_through() -> None:
    test = {"steps": ['Click "${x}"', "Go back"], "data": [{"x": "1"}, {"x": "2"}]}
    found = steps_of(RunFacts("r", RunStatus.QUEUED, 1, msgspec.json.encode(test), None), None)
    assert [(one.index, one.row) for one in found.steps] == [(1, 1), (2, 1), (3, 2), (4, 2)]


def test_d5_another_agents_run_has_no_steps() -> None:
    result = {"steps": [{"what": "else"}], "total": "many"}
    terminal = msgspec.json.encode({"status": "SUCCEEDED", "attempt": 1, "result": result})
    found = steps_of(RunFacts("r", RunStatus.SUCCEEDED, 1, b'"hello"', terminal), None)
    assert (found.steps, found.total, found.source) == ((), 0, "none")
