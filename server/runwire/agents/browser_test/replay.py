"""Does recorded steps again and compares what comes out. Floor 4; the run's own thread and loop."""

from __future__ import annotations

import time
from dataclasses import replace

from runwire.agents.browser_test.performer import PageFacts
from runwire.agents.browser_test.report import MAX_ERROR, StepReport, StepStatus
from runwire.agents.browser_test.session import TestSession
from runwire.agents.browser_test.traversal import MAX_PAGE_FACT, masked
from runwire.contracts.agent import RunContext
from runwire.contracts.browser import PageHandle
from runwire.errors import BrowserError, BrowserLost, InvalidInput
from runwire.protocol.steps.recorded import RecordedStep, Replay


class ReplaySession(TestSession):
    """One replay on one page. PASSED means as recorded, FAILED changed, SKIPPED not reached because of a change."""

    def __init__(self, ctx: RunContext, what: Replay, sample_origin: str | None) -> None:
        super().__init__(ctx, what.test, sample_origin)
        self._steps = what.steps

    async def _all_steps(self, page: PageHandle) -> None:
        """Do the steps again in their order. After one that passed and does not any more, its row is left."""
        row, left = 0, False
        for number, one in enumerate(self._steps, start=1):
            if one.recorded.row != row:
                row, left = one.recorded.row, False
                self._performer.variables = dict(one.variables)
            report = StepReport(number, self._total, one.step.text, StepStatus.PASSED)
            await self._ctx.progress(number - 1, self._total, report.text)
            await self._begin(report)
            if left:
                await self._end(one.step, replace(report, status=StepStatus.SKIPPED))
            else:
                left = await self._again(page, one, report)

    async def _again(self, page: PageHandle, one: RecordedStep, report: StepReport) -> bool:
        """Do a step again, tell what has changed, and return whether its row cannot go on."""
        started = time.monotonic()
        error: BrowserError | InvalidInput | None = None
        try:
            await self._kept(report, await self._performer.perform(page, one.step))
        except (BrowserError, InvalidInput) as raised:
            error = raised
        report = replace(report, duration_ms=round((time.monotonic() - started) * 1000))
        where = None
        if not isinstance(error, BrowserLost):
            report = replace(report, artifact_id=await self._picture(page, report))
            where = await self._performer.where(page)
        changes = [*self._outcome_changes(one, error), *self._page_changes(one, error, where)]
        if changes:
            report = replace(report, status=StepStatus.FAILED, error="; ".join(changes)[:MAX_ERROR])
        await self._end(one.step, report, where)
        if isinstance(error, BrowserLost):
            raise error
        return error is not None and one.recorded.status == "PASSED"

    def _outcome_changes(self, one: RecordedStep, error: BrowserError | InvalidInput | None) -> list[str]:
        if error is not None and one.recorded.status == "PASSED":
            return [f"it passed when it was recorded; now {error.message}"]
        if error is None and one.recorded.status == "FAILED":
            return [f"it failed when it was recorded ({one.recorded.error or 'no reason kept'}); now it passes"]
        return []

    def _page_changes(
        self, one: RecordedStep, error: BrowserError | InvalidInput | None, where: PageFacts | None
    ) -> list[str]:
        """Return how the page differs from the recorded one; queries of addresses hold what changes each time."""
        if where is None or error is not None:
            return []
        variables, changes = self._performer.variables, []
        for what, recorded, now in (
            ("the address was", one.recorded.page_url, masked(where.url, variables)),
            ("the title was", one.recorded.page_title, masked(where.title, variables)),
        ):
            if recorded is not None and _comparable(recorded) != _comparable(now[:MAX_PAGE_FACT]):
                changes.append(f'{what} "{recorded[:200]}", now it is "{now[:200]}"')
        return changes


def _comparable(text: str) -> str:
    """Return an address without its query and fragment; any other text as it is."""
    if text.startswith(("/", "http://", "https://")):
        return text.partition("#")[0].partition("?")[0]
    return text
