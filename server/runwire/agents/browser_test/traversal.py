"""Keeps a test's traversal: a record of each step, saved after each. Floor 4; the run's own thread and loop."""

from __future__ import annotations

from collections.abc import Mapping

from runwire.agents.browser_test.performer import PageFacts
from runwire.agents.browser_test.report import MAX_ERROR, StepReport, StepStatus
from runwire.clock import Clock, SystemClock
from runwire.contracts.agent import RunContext
from runwire.errors import StorageUnavailable
from runwire.protocol.steps.actions import Step
from runwire.protocol.steps.testfile import BrowserTest
from runwire.protocol.traversal import Traversal, TraversalStep, action_facts
from runwire.runs.state import Verdict

MAX_PAGE_FACT = 500
"""Most characters of an address or title."""

EACH_UP_TO = 1_000
"""Steps up to which the file is written after each; beyond, after every hundredth: the whole of it is written anew."""

MASKED_LENGTH = 4
"""Least characters of a variable's value that is looked for in errors: shorter ones stand in any text."""


class TraversalRecord:
    """What a test has done so far. A disk that refuses fails no step: it is told once, in the run's answer."""

    def __init__(self, ctx: RunContext, test: BrowserTest, clock: Clock | None = None) -> None:
        self._ctx = ctx
        self._test = test
        self._clock = clock or SystemClock()
        self._started_ms = self._clock.now_ms()
        self._folder = test.name if test.task is None else test.task.id
        self._in_row = len(test.steps)  # 0: the steps are found on the way
        self._steps: list[TraversalStep] = []
        self._told = False

    async def add(
        self, step: Step, report: StepReport, variables: Mapping[str, str], where: PageFacts | None = None
    ) -> None:
        """Note a step that has just ended, and where the page was then. Skipped ones are written with whatever is
        written next.
        """
        now_ms = self._clock.now_ms()
        self._steps.append(
            TraversalStep(
                index=report.index,
                row=(report.index - 1) // self._in_row + 1 if self._in_row else 1,
                text=step.text,
                action=action_facts(step.action),
                status=report.status.value,
                started_ms=now_ms - report.duration_ms,
                duration_ms=report.duration_ms,
                error=None if report.error is None else masked(report.error, variables)[:MAX_ERROR],
                artifact_id=report.artifact_id,
                reading=report.reading,
                page_url=None if where is None else masked(where.url, variables)[:MAX_PAGE_FACT],
                page_title=None if where is None else masked(where.title, variables)[:MAX_PAGE_FACT],
            )
        )
        count = len(self._steps)
        if report.status is not StepStatus.SKIPPED and (count <= EACH_UP_TO or count % 100 == 0):
            await self.save()

    async def save(self, verdict: Verdict | None = None) -> None:
        """Write the file anew; ``verdict`` is the whole test's once it has been carried through."""
        traversal = Traversal(
            run_id=self._ctx.run_id,
            attempt=self._ctx.attempt,
            name=self._test.name,
            url=self._test.url,
            browser=self._test.browser.told,
            started_ms=self._started_ms,
            updated_ms=self._clock.now_ms(),
            total=self._in_row * len(self._test.rows) or max(len(self._steps), 1),
            passed=sum(step.status == StepStatus.PASSED for step in self._steps),
            ended=verdict is not None,
            verdict=None if verdict is None else verdict.value,
            steps=tuple(self._steps),
        )
        try:
            await self._ctx.traversal.save(self._folder, traversal)
        except StorageUnavailable as error:
            if not self._told:
                self._told = True
                await self._ctx.text(f"The traversal is not kept: {error.message}\n")


def masked(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with the variables' values, the longest first, as ``${name}``."""
    for name, value in sorted(variables.items(), key=lambda item: -len(item[1])):
        if len(value) >= MASKED_LENGTH:
            text = text.replace(value, f"${{{name}}}")
    return text
