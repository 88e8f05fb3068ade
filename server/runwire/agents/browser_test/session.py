"""Carries a test's steps out on one page and tells what happens. Floor 4; the run's own thread and loop."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from runwire.agents.browser_test.performer import PageFacts, Performer
from runwire.agents.browser_test.reading import ReadStep, SentenceReader
from runwire.agents.browser_test.report import MAX_ERROR, StepReport, StepStatus, TestReport
from runwire.agents.browser_test.traversal import TraversalRecord
from runwire.agents.downloads import KeptDownload
from runwire.agents.evidence import Evidence
from runwire.contracts.agent import AgentFailure, RunContext
from runwire.contracts.browser import BrowserLease, PageHandle
from runwire.errors import (
    BrowserError,
    BrowserLost,
    InvalidInput,
    LimitExceeded,
    ModelError,
    StorageUnavailable,
    TooLarge,
)
from runwire.protocol.steps.actions import Step, Unread
from runwire.protocol.steps.testfile import BrowserTest

SCREENSHOT_S = 5.0
"""Bound on one screenshot; a page that paints without end can hold it up."""


class TestSession:
    """One test on one page. ``sample_origin`` is what relative addresses resolve against."""

    __test__ = False  # pytest takes a class of this name for tests

    def __init__(self, ctx: RunContext, test: BrowserTest, sample_origin: str | None) -> None:
        self._ctx = ctx
        self._test = test
        self._performer = Performer(test.url, test.step_timeout_s, sample_origin)
        self._total = len(test.steps) * len(test.rows)
        self._reports: list[StepReport] = []
        self._traversal = TraversalRecord(ctx, test)
        self._evidence: Evidence | None = None
        self._reader = SentenceReader(ctx, test)
        self.started = False
        self.limit: asyncio.Timeout | None = None
        """The session's own time limit, which stands still while it waits for a person."""

    @property
    def report(self) -> TestReport:
        """What has happened so far."""
        return TestReport(self._test.name, self._total, tuple(self._reports), self._downloaded)

    @property
    def _downloaded(self) -> tuple[KeptDownload, ...]:
        return () if self._evidence is None else tuple(self._evidence.downloads.ended)

    async def run(self, lease: BrowserLease) -> None:
        """Carry the steps out in order, once for each row of data; the steps are counted through.

        After a failure the rest of the row is skipped, unless the test says ``continue``; the next row starts anew.

        Raises:
            BrowserLost: the browser has died or frozen; :attr:`report` holds the steps up to there.
        """
        self.started = True
        self._evidence = evidence = Evidence(self._ctx, lease, self._test.keep_logs)
        async with lease.page() as page, evidence.gathered(lambda: self.report.verdict, self.limit):
            await evidence.downloads.start()
            await self._all_steps(page)
        await self._traversal.save(self.report.verdict)
        await self._ctx.progress(self._total, self._total, self.report.line)
        await self._ctx.text(self.report.line + "\n")

    async def _all_steps(self, page: PageHandle) -> None:
        """Carry the steps out; the page is the whole test's."""
        for number, row in enumerate(self._test.rows):
            self._performer.variables = dict(row)
            await self._run_row(page, number)

    async def _run_row(self, page: PageHandle, number: int) -> None:
        stopped = False
        for step in self._test.steps:
            report = self._blank(step, number)
            await self._ctx.progress(report.index - 1, self._total, report.text)
            await self._begin(report)
            if stopped:
                await self._end(step, replace(report, status=StepStatus.SKIPPED))
                continue
            report = await self._carry_out(page, step, report)
            stopped = report.status is StepStatus.FAILED and self._test.on_failure == "stop"

    def _blank(self, step: Step, row: int) -> StepReport:
        """Return the report of a step that has not begun; with several rows its text names the row."""
        rows = len(self._test.rows)
        text = f"[row {row + 1}/{rows}] {step.text}" if rows > 1 else step.text
        return StepReport(row * len(self._test.steps) + step.index, self._total, text, StepStatus.PASSED)

    async def _carry_out(self, page: PageHandle, step: Step, report: StepReport) -> StepReport:
        started = time.monotonic()
        lost: BrowserLost | None = None
        try:
            read = await self._read(page, step) if isinstance(step.action, Unread) else None
            if read is not None:
                step, report = read.step, replace(report, reading=read.as_json())
            await self._kept(report, await self._try(page, step))
            if read is not None:
                await self._reader.keep(read)
        except (BrowserError, InvalidInput) as error:
            lost = error if isinstance(error, BrowserLost) else None
            report = replace(report, status=StepStatus.FAILED, error=error.message[:MAX_ERROR])
        report = replace(report, duration_ms=round((time.monotonic() - started) * 1000))
        where = None
        if lost is None:
            report = replace(report, artifact_id=await self._picture(page, report))
            where = await self._performer.where(page)
        await self._end(step, report, where)
        if lost is not None:
            raise lost
        return report

    async def _read(self, page: PageHandle, step: Step) -> ReadStep:
        """Return what a sentence means that the grammar does not know: as in an earlier run, or as a model says.

        Raises:
            InvalidInput: nothing; BrowserError: the page cannot be looked at. AgentFailure: no model can be asked.
        """
        known = await self._reader.recall(step)
        if known is not None:
            return known
        if step.index == 1:
            await self._performer.open_start(page)
        try:
            return await self._reader.ask(page, step, self._performer.variables)
        except (ModelError, LimitExceeded) as error:  # the test was not carried through: that is no verdict
            raise AgentFailure(
                error.message,
                code=error.code,
                retryable=error.retryable,
                result=self.report.as_json(),
                limit=error.details.get("limit"),
            ) from error

    async def _try(self, page: PageHandle, step: Step) -> str | None:
        """Do the step, again up to ``retries`` times if it fails; return the id of the download that it verified.
        Raises the last try's BrowserError.
        """
        for _ in range(self._test.retries):
            try:
                return await self._performer.perform(page, step)
            except BrowserLost:
                raise
            except BrowserError as error:
                await self._ctx.text(f"{step.text}: trying again: {error.message[:MAX_ERROR]}\n")
        return await self._performer.perform(page, step)

    async def _kept(self, report: StepReport, download: str | None) -> None:
        """Make sure that a download which a step has verified is kept. Raises BrowserError."""
        if download is not None and self._evidence is not None:
            await self._evidence.downloads.require(report.name, download)

    async def _picture(self, page: PageHandle, report: StepReport) -> str | None:
        """Keep a screenshot and return its id. A picture that cannot be had or kept fails no step: it is told."""
        try:
            data = await page.screenshot(timeout_s=SCREENSHOT_S)
            name = f"step-{report.index:03d}.png"
            kept = await self._ctx.artifacts.save(kind="screenshot", name=name, mime="image/png", data=data)
        except (BrowserError, TooLarge, StorageUnavailable) as error:
            await self._ctx.text(f"{report.name}: no screenshot: {error.message[:MAX_ERROR]}\n")
            return None
        return kept.id

    async def _begin(self, report: StepReport) -> None:
        facts = {"index": report.index, "total": report.total, "text": report.text}
        await self._ctx.emit({"type": "STEP_STARTED", "stepName": report.name, "metadata": {"runwire": facts}})

    async def _end(self, step: Step, report: StepReport, where: PageFacts | None = None) -> None:
        """Keep what became of a step, then tell it: whoever hears of a step finds it in the traversal."""
        self._reports.append(report)
        await self._traversal.add(step, report, self._performer.variables, where)
        await self._ctx.emit(report.as_event())
        await self._ctx.text(report.line)
        if self._evidence is not None and report.status is not StepStatus.SKIPPED:
            await self._evidence.downloads.keep(report.name)
