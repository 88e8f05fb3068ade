"""Carries a task out on one page: the model chooses, the session checks, asks people, performs and records. Floor 4;
the run's own thread and loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runwire.agents.browser_task.conversation import MAX_OUTCOME, Conversation, People
from runwire.agents.browser_task.danger import Site, dangers, origin_of
from runwire.agents.browser_task.prompt import opening, shown
from runwire.agents.browser_task.report import TaskReport, checked
from runwire.agents.browser_task.shape import BrowserTask
from runwire.agents.browser_task.tools import Finish, Planned, arguments_of, choice_of, chosen, planned, tools
from runwire.agents.browser_test.report import MAX_ERROR, StepReport, StepStatus
from runwire.agents.browser_test.session import TestSession
from runwire.agents.browser_test.traversal import masked
from runwire.contracts.agent import AgentFailure, Approval, RunContext
from runwire.contracts.browser import PageHandle, Snapshot
from runwire.contracts.model import Message, ModelAnswer, ToolCall
from runwire.errors import BrowserError, BrowserLost, InvalidInput, LimitExceeded, ModelError
from runwire.ids import new_id
from runwire.protocol.steps.actions import Action, Navigate, Step
from runwire.protocol.steps.sentence import sentence_of
from runwire.protocol.steps.testfile import BrowserTest, with_file

PICTURE_BYTES = 3 * 1024 * 1024
"""Largest picture that the model is shown."""


class TaskSession(TestSession):
    """One task on one page."""

    def __init__(self, ctx: RunContext, task: BrowserTask, test: BrowserTest, sample_origin: str | None) -> None:
        super().__init__(ctx, test, sample_origin)
        self._task = task
        self._total = task.max_steps
        self._mark = f"<<{new_id()}>>"
        self._talk = Conversation(ctx, opening(task, self._mark), tools(task.result_schema))
        self._people = People(ctx, task.approvals, task.approval_timeout_s)
        self._site = Site(hosts=tuple(host.lower() for host in test.browser.allow))
        self._safe_url = test.url or ""
        self._finish: Finish | None = None

    @property
    def report(self) -> TaskReport:
        """What has happened so far."""
        return TaskReport(
            self._test.name, len(self._reports), tuple(self._reports), self._downloaded, finish=self._finish
        )

    async def _all_steps(self, page: PageHandle) -> None:
        self._performer.variables = dict(self._test.variables)
        try:
            await self._work(page)
        except (ModelError, LimitExceeded) as error:
            limit = error.details.get("limit")
            raise AgentFailure(
                error.message, code=error.code, retryable=error.retryable, result=self.report.as_json(), limit=limit
            ) from error
        self._total = len(self._reports)

    async def _work(self, page: PageHandle) -> None:
        opened = await self._perform(page, Navigate(self._test.url or ""))
        if opened.status is StepStatus.FAILED:
            self._finish = Finish(success=False, summary=f"The start could not be opened: {opened.error}"[:MAX_ERROR])
            return
        self._site = self._site.with_origins([await page.url()])
        while self._finish is None:
            if len(self._reports) >= self._task.max_steps:
                raise LimitExceeded(
                    f"the task was not finished within its {self._task.max_steps} steps", limit="max_steps"
                )
            if await self._on_allowed_site(page):
                await self._turn(page)

    async def _turn(self, page: PageHandle) -> None:
        """Let the model choose once, and do it."""
        done, answer = await self._talk.choose(await self._look(page), lambda answer: self._understood(page, answer))
        if isinstance(done, Finish):
            self._finish = done
        else:
            self._talk.remember(answer, await self._take(page, done, answer.calls[0]))

    # What the model sees and says

    async def _look(self, page: PageHandle) -> Message:
        """Return the page as the model is shown it. What cannot be read is said to be so: the model may wait."""
        try:
            seen = await page.snapshot()
            seen = replace(seen, text=masked(seen.text, self._performer.variables))
        except BrowserLost:
            raise
        except BrowserError as error:
            seen = Snapshot(await page.url(), "", f"(the page cannot be read now: {error.message[:MAX_OUTCOME]})")
        if self._evidence is not None:  # what has ended since the last step is not under way any more
            await self._evidence.downloads.keep(f"After step {len(self._reports)}")
        left = self._task.max_steps - len(self._reports)
        return shown(seen, await self._picture_of(page), left, self._mark, self._downloaded)

    async def _picture_of(self, page: PageHandle) -> bytes | None:
        try:
            picture = await page.screenshot()
        except BrowserLost:
            raise
        except BrowserError:  # the snapshot says enough
            return None
        return picture if len(picture) <= PICTURE_BYTES else None

    async def _understood(self, page: PageHandle, answer: ModelAnswer) -> Planned | Finish:
        """Return what the answer means on the page as it is now.

        Raises:
            InvalidInput, BrowserError: it means nothing; the message is for the model.
        """
        if not answer.calls:
            raise InvalidInput("answer with one call of a tool")
        choice = choice_of(answer.calls[0])
        if isinstance(choice, Finish):
            return checked(choice, self._task.result_schema)
        return await self._planned(page, choice)

    async def _planned(self, page: PageHandle, choice: object) -> Planned:
        reference = getattr(choice, "element", None)
        element = None if reference is None else await page.element(reference)
        plan = planned(choice, element)  # type: ignore[arg-type]  # a Finish has been taken out before
        return replace(plan, action=with_file(len(self._reports) + 1, plan.action, self._task.files))

    # Doing it

    async def _take(self, page: PageHandle, plan: Planned, call: ToolCall) -> str:
        """Do what was chosen, if it is harmless or allowed; return what the model is told of it."""
        reasons = list(dangers(plan, self._site, await page.url()))
        if reasons:
            tool = {"id": f"step-{len(self._reports) + 1}", "name": call.name, "arguments": arguments_of(plan.choice)}
            why = "; ".join(reasons)
            decided = await self._ask(tool, f"May the model do this: {sentence_of(plan.action)}? {why}")
            if not decided.approved:
                await self._skip(plan.action, f"refused: {why}")
                return f"refused by a person ({decided.comment or 'no reason given'}); do not try it again"
            try:
                plan = await self._as_allowed(page, plan, call, decided)
            except InvalidInput as error:
                await self._skip(plan.action, error.message)
                return f"not done: {error.message}"
        report = await self._perform(page, plan.action)
        return report.status.value if report.error is None else f"{report.status.value}: {report.error}"

    async def _as_allowed(self, page: PageHandle, plan: Planned, call: ToolCall, decided: Approval) -> Planned:
        """Return what was allowed: as the person has changed it, and only if the element is still what they saw."""
        choice = plan.choice
        if decided.edited_arguments is not None:
            choice = chosen(call.name, decided.edited_arguments)
        try:
            now = await self._planned(page, choice)
        except BrowserLost:
            raise
        except BrowserError as error:
            raise InvalidInput(f"the page has changed meanwhile: {error.message}") from error
        if decided.edited_arguments is None and now != plan:
            raise InvalidInput("the page has changed while a person was asked; look at it again")
        led_to = [getattr(now.choice, "url", None), None if now.element is None else now.element.href]
        self._site = self._site.with_origins(led_to)
        return now

    async def _on_allowed_site(self, page: PageHandle) -> bool:
        """Return whether the page is where the task may be; elsewhere a person decides, and a no leads back."""
        url = await page.url()
        if self._site.holds(url):
            self._safe_url = url
            return True
        origin = origin_of(url)
        tool = {"id": f"site-{len(self._reports)}", "name": "leave_site", "arguments": {"origin": origin}}
        decided = await self._ask(tool, f"The page has left the site for {origin}. May the model go on there?")
        if decided.approved:
            self._site = self._site.with_origins([url])
            return True
        await self._perform(page, Navigate(self._safe_url))
        self._talk.note("The page had left the site, which was refused; this is the way back.")
        return False

    async def _ask(self, tool: Mapping[str, object], message: str) -> Approval:
        return await self._people.decide(tool, message, self.limit, lambda: self.report.as_json())

    async def _perform(self, page: PageHandle, action: Action) -> StepReport:
        step, report = await self._begun(action)
        return await self._carry_out(page, step, report)

    async def _skip(self, action: Action, why: str) -> None:
        step, report = await self._begun(action)
        await self._end(step, replace(report, status=StepStatus.SKIPPED, error=why[:MAX_ERROR]))

    async def _begun(self, action: Action) -> tuple[Step, StepReport]:
        index = len(self._reports) + 1
        step = Step(index, sentence_of(action), action)
        report = StepReport(index, self._task.max_steps, step.text, StepStatus.PASSED)
        await self._ctx.progress(index - 1, self._task.max_steps, report.text)
        await self._begin(report)
        return step, report
