"""A browser run's steps as the API shows them, made of what the run has left behind. Floor 2; pure.

The traversal is written before a step's end is told, so whoever has heard of a step finds it here; a server killed at
step k leaves k steps. What a traversal does not hold is told by the run's result, and what neither holds has not
ended: it is pending while the run lives, and not finished afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from runwire.errors import InvalidInput
from runwire.protocol.traversal import Traversal
from runwire.runs.state import TERMINAL, RunStatus, Verdict

StepState = Literal["PASSED", "FAILED", "SKIPPED", "PENDING", "NOT_FINISHED"]


class RunStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step; what is not known of it is null."""

    index: int
    row: int | None = None
    text: str
    action: dict[str, Any] | None = None
    status: Annotated[StepState, Meta(description="PENDING: the run lives; NOT_FINISHED: it ended before the step did")]
    started_ms: int | None = None
    duration_ms: int | None = None
    error: str | None = None
    artifact_id: str | None = None
    screenshot: Annotated[str | None, Meta(description="where the screenshot is")] = None
    page_url: str | None = None
    page_title: str | None = None
    reading: Annotated[
        dict[str, Any] | None, Meta(description="what a model made of a sentence that the step language does not know")
    ] = None


class RunSteps(msgspec.Struct, frozen=True, kw_only=True):
    """A browser run's steps: ``GET /v1/runs/{run_id}/steps``."""

    run_id: str
    name: str
    status: RunStatus
    attempt: int
    verdict: Verdict | None
    source: Annotated[
        Literal["traversal", "result", "none"], Meta(description="what the steps that have ended were read from")
    ]
    total: int
    passed: int
    failed: int
    browser: dict[str, Any]
    steps: tuple[RunStep, ...]


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What a terminal state holds, as far as reports need it."""

    result: Any = None
    verdict: Verdict | None = None
    error: dict[str, Any] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run as its row holds it: ``input`` and ``terminal`` (None before the end) are encoded JSON."""

    run_id: str
    status: RunStatus
    attempt: int
    input: bytes
    terminal: bytes | None


def ending_of(terminal: bytes | None) -> Ending:
    """Return what a terminal state says; of a run that lives, nothing."""
    return Ending() if terminal is None else msgspec.json.decode(terminal, type=Ending)


def steps_of(run: RunFacts, traversal: bytes | None) -> RunSteps:
    """Return the steps of a browser run; reads at most a few hundred KiB: call it off the loop."""
    ending = ending_of(run.terminal)
    planned = _planned(run.input)
    source, name, done = _done(run, ending, traversal)
    total, browser = max(len(planned.texts), len(done)), planned.browser
    if isinstance(ending.result, dict) and isinstance(ending.result.get("total"), int):
        total = max(total, ending.result["total"])
    rest: StepState = "NOT_FINISHED" if run.status in TERMINAL else "PENDING"
    missing = [
        RunStep(index=index, row=planned.row_of(index), text=planned.text_of(index), status=rest)
        for index in range(len(done) + 1, total + 1)
    ]
    return RunSteps(
        run_id=run.run_id,
        name=planned.name or name or "Browser test",
        status=run.status,
        attempt=run.attempt,
        verdict=ending.verdict,
        source=source,
        total=total,
        passed=sum(step.status == "PASSED" for step in done),
        failed=sum(step.status == "FAILED" for step in done),
        browser=browser,
        steps=(*done, *missing),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a run was to do: the sentences of each row after the other."""

    name: str
    texts: tuple[str, ...]
    steps_a_row: int
    browser: dict[str, Any]

    def text_of(self, index: int) -> str:
        return self.texts[index - 1] if index <= len(self.texts) else ""

    def row_of(self, index: int) -> int | None:
        return (index - 1) // self.steps_a_row + 1 if self.steps_a_row else None


def _planned(encoded: bytes) -> _Plan:
    from runwire.protocol.steps.testfile import parse_loosely  # with the language's tables: only who asks needs them

    try:
        test = parse_loosely(msgspec.json.decode(encoded))
    except InvalidInput:  # of another agent, or of a version whose language was another: what was done still counts
        return _Plan("", (), 0, {})
    texts = tuple(step.text for _ in test.rows for step in test.steps)
    return _Plan(test.name, texts, len(test.steps), test.browser.told)


def _done(
    run: RunFacts, ending: Ending, traversal: bytes | None
) -> tuple[Literal["traversal", "result", "none"], str, list[RunStep]]:
    """Return what the steps that have ended were read from, what that calls the test, and the steps."""
    record = None if traversal is None else _readable(traversal)
    if record is not None and record.attempt == run.attempt:  # an earlier attempt's steps say nothing of this one
        steps = [msgspec.convert(msgspec.structs.asdict(step), RunStep) for step in record.steps]
        return "traversal", record.name, [_with_screenshot(run.run_id, step) for step in steps]
    told = ending.result.get("steps") if isinstance(ending.result, dict) else None
    if isinstance(told, list):
        try:
            steps = msgspec.convert(told, list[RunStep])
        except msgspec.ValidationError:  # another agent's result has steps of its own
            return "none", "", []
        return "result", str(ending.result.get("name", "")), [_with_screenshot(run.run_id, step) for step in steps]
    return "none", "", []


def _readable(traversal: bytes) -> Traversal | None:
    """Return the traversal, or None if the disk has damaged it: the result may still tell."""
    try:
        return msgspec.json.decode(traversal, type=Traversal)
    except msgspec.DecodeError:
        return None


def _with_screenshot(run_id: str, step: RunStep) -> RunStep:
    if step.artifact_id is None:
        return step
    return msgspec.structs.replace(step, screenshot=f"/v1/runs/{run_id}/artifacts/{step.artifact_id}")
