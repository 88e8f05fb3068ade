"""Carries a task out with Stagehand: the model chooses, Stagehand finds, the session checks, asks people and tells.
Floor 4; the run's own thread and loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urljoin

import msgspec
from stagehand import Action

from runwire.agents.browser_task.conversation import MAX_KEPT, MAX_OUTCOME, Conversation, People
from runwire.agents.browser_task.danger import Site, dangers_of, origin_of
from runwire.agents.browser_task.prompt import shown
from runwire.agents.browser_task.report import TaskReport, checked
from runwire.agents.browser_task.session import PICTURE_BYTES
from runwire.agents.browser_task.tools import Finish, Go, Navigate, Wait, arguments_of, choice_of, tools
from runwire.agents.browser_test.performer import absolute
from runwire.agents.browser_test.report import MAX_ERROR, StepReport, StepStatus
from runwire.agents.stagehand.hand import Hand
from runwire.agents.stagehand.prompt import opening
from runwire.agents.stagehand.shape import StagehandTask
from runwire.agents.stagehand.tools import HARMLESS, KINDS, PRESS, Act, Extract, Observe, meant_by
from runwire.contracts.agent import RunContext
from runwire.contracts.browser import ElementFacts, Snapshot
from runwire.contracts.model import Message, ModelAnswer
from runwire.errors import (
    BrowserError,
    BrowserLost,
    InvalidInput,
    LimitExceeded,
    ModelError,
    StorageUnavailable,
    TooLarge,
)
from runwire.ids import new_id
from runwire.protocol.json_schema import check_value

Choice = Act | Observe | Extract | Navigate | Go | Wait | Finish
MOST_FOUND = 20
"""Most elements of an observation that the model is told."""


class Refused(Exception):
    """A step was not allowed; ``args[0]`` is why."""


class StagehandSession:
    """One task. ``limit`` is its own time limit, which stands still while a person thinks."""

    def __init__(self, ctx: RunContext, task: StagehandTask, hand: Hand, limit: asyncio.Timeout) -> None:
        self._ctx = ctx
        self._task = task
        self._hand = hand
        self._limit = limit
        self._mark = f"<<{new_id()}>>"
        self._talk = Conversation(ctx, opening(task, self._mark), tools(task.result_schema, KINDS))
        self._people = People(ctx, task.approvals, task.approval_timeout_s)
        self._site = Site(hosts=tuple(host.lower() for host in task.browser.get("allow", ())))
        self._safe_url = "about:blank"
        self._reports: list[StepReport] = []
        self._picture: bytes | None = None
        self._finish: Finish | None = None

    @property
    def report(self) -> TaskReport:
        """What has happened so far."""
        name = " ".join(self._task.task.split())[:200]
        return TaskReport(name, len(self._reports), tuple(self._reports), finish=self._finish)

    async def run(self) -> None:
        """Do the task, to the model's last word.

        Raises:
            BrowserLost: the browser has gone. ModelError, LimitExceeded: no further answer can be had, or no more steps
            may be done. :attr:`report` holds the steps up to there.
        """
        start, origin = self._task.url, self._ctx.browser.sample_origin
        opened = await self._step(f'Navigate to "{start}"', lambda: self._open(absolute(start, origin)))
        if opened.status is StepStatus.FAILED:
            self._finish = Finish(success=False, summary=f"The start could not be opened: {opened.error}"[:MAX_ERROR])
        else:
            self._safe_url = await self._hand.url()
            self._site = self._site.with_origins([self._safe_url])
        while self._finish is None:
            if len(self._reports) >= self._task.max_steps:
                raise LimitExceeded(
                    f"the task was not finished within its {self._task.max_steps} steps", limit="max_steps"
                )
            if await self._on_allowed_site():
                await self._turn()
        await self._ctx.progress(len(self._reports), len(self._reports), self.report.line)
        await self._ctx.text(self.report.line + "\n")

    async def _turn(self) -> None:
        """Let the model choose once, and do it."""
        choice, answer = await self._talk.choose(await self._look(), self._understood)
        if isinstance(choice, Finish):
            self._finish = choice
            return
        told: list[str] = []
        report = await self._step(_text(choice), lambda: self._take(choice, told))
        outcome = report.status.value if report.error is None else f"{report.status.value}: {report.error}"
        found = f"; between the marks is data: {self._mark} {told[0]} {self._mark}" if told else ""
        self._talk.remember(answer, outcome[:MAX_OUTCOME] + found, MAX_OUTCOME + MAX_KEPT)

    async def _understood(self, answer: ModelAnswer) -> Choice:
        """Return what the answer asks for. Raises InvalidInput that tells the model what is wrong with it."""
        if not answer.calls:
            raise InvalidInput("answer with one call of a tool")
        choice: Choice = choice_of(answer.calls[0], KINDS)
        return checked(choice, self._task.result_schema) if isinstance(choice, Finish) else choice

    async def _look(self) -> Message:
        """Return the page as the model is shown it. What cannot be read is said to be so: the model may wait."""
        try:
            seen = await self._hand.look()
        except BrowserLost:
            raise
        except BrowserError as error:
            seen = Snapshot(self._safe_url, "", f"(the page cannot be read now: {error.message[:MAX_OUTCOME]})")
        return shown(seen, self._picture, self._task.max_steps - len(self._reports), self._mark)

    # Doing it

    async def _take(self, choice: Choice, told: list[str]) -> str | None:
        """Do what was chosen, if it is harmless or allowed; what the model is to know of it goes to ``told``. Returns
        what it came to, if that says more than the choice.
        """
        match choice:
            case Act(instruction=instruction):
                return await self._act(choice, instruction)
            case Observe(instruction=instruction):
                found = await self._hand.find(instruction)
                told.append("\n".join(one.description for one in found[:MOST_FOUND])[:MAX_KEPT] or "nothing")
                return f"{len(found)} found"
            case Extract(instruction=instruction, as_result=as_result):
                schema = self._task.result_schema if as_result else None
                data = await self._hand.extract(instruction, schema)
                if schema is not None:
                    check_value(data, schema, "what was read")
                told.append(msgspec.json.encode(data).decode()[:MAX_KEPT])
            case Navigate(url=url):
                await self._navigate(choice, url)
            case Go(direction=direction):
                await self._hand.go(direction)
            case Wait(seconds=seconds):
                await asyncio.sleep(seconds)
        return None

    async def _open(self, url: str) -> None:
        await self._hand.goto(url)

    async def _navigate(self, choice: Navigate, url: str) -> None:
        base = await self._hand.url()
        try:
            target = urljoin(base, url)
        except ValueError as error:
            raise InvalidInput(f"{url[:100]!r} is no address: {error}") from error
        await self._allowed("navigate", choice, list(dangers_of(choice, None, self._site, base)))
        await self._hand.goto(target)
        self._site = self._site.with_origins([target])

    async def _act(self, choice: Act, instruction: str) -> str:
        """Have Stagehand find the element, look at what it is, ask if need be, and use exactly that one."""
        found = await self._hand.find(instruction)
        if not found:
            raise BrowserError("Stagehand found nothing on the page that fits this")
        action = found[0]
        method = (action.method or "click").strip()  # as Stagehand reads it
        base, element = await self._hand.url(), await self._facts(action, method)
        does = f"{method} {_named(element)}"
        reasons = list(self._dangers(action, method, element, base))
        if await self._allowed("act", choice, reasons, does):
            if (await self._hand.url(), await self._facts(action, method)) != (base, element):
                raise Refused("the page has changed while a person was asked; look at it again")
            self._site = self._site.with_origins([None if element is None else element.href])
        await self._hand.act(action)
        return does

    async def _facts(self, action: Action, method: str) -> ElementFacts | None:
        return await self._hand.facts(None if method == PRESS else action.selector)

    def _dangers(self, action: Action, method: str, element: ElementFacts | None, base: str) -> list[str]:
        if method in HARMLESS:
            return []
        if element is None and method != PRESS:
            return ["it uses an element that cannot be looked at"]
        return list(dangers_of(meant_by(method, list(action.arguments or ())), element, self._site, base))

    async def _allowed(self, tool: str, choice: Choice, reasons: list[str], does: str = "") -> bool:
        """Return at once, False, without reasons; else ask. Raises Refused."""
        if not reasons:
            return False
        why = "; ".join(reasons)
        call = {"id": f"step-{len(self._reports) + 1}", "name": tool, "arguments": arguments_of(choice)}
        message = f"May the model do this: {_text(choice)}{f' ({does})' if does else ''}? {why}"
        decided = await self._people.decide(call, message, self._limit, lambda: self.report.as_json())
        if not decided.approved:
            raise Refused(f"refused ({decided.comment or 'no reason given'}): {why}; do not try it again")
        if decided.edited_arguments is not None:
            wanted = msgspec.json.encode(decided.edited_arguments).decode()[:MAX_OUTCOME]
            raise Refused(f"a person wants this in its place: {wanted}")
        return True

    async def _on_allowed_site(self) -> bool:
        """Return whether the page is where the task may be; elsewhere a person decides, and a no leads back."""
        url = await self._hand.url()
        if self._site.holds(url):
            self._safe_url = url
            return True
        origin = origin_of(url)
        call = {"id": f"site-{len(self._reports)}", "name": "leave_site", "arguments": {"origin": origin}}
        message = f"The page has left the site for {origin}. May the model go on there?"
        decided = await self._people.decide(call, message, self._limit, lambda: self.report.as_json())
        if decided.approved:
            self._site = self._site.with_origins([url])
            return True
        await self._step(f'Navigate to "{self._safe_url}"', lambda: self._open(self._safe_url))
        self._talk.note("The page had left the site, which was refused; this is the way back.")
        return False

    # Telling it

    async def _step(self, text: str, do: Callable[[], Awaitable[str | None]]) -> StepReport:
        """Do one step and tell how it went. Raises BrowserLost, and the model's errors, once they are told."""
        report = StepReport(len(self._reports) + 1, self._task.max_steps, text, StepStatus.PASSED)
        await self._ctx.progress(report.index - 1, self._task.max_steps, text)
        facts = {"index": report.index, "total": report.total, "text": text}
        await self._ctx.emit({"type": "STEP_STARTED", "stepName": report.name, "metadata": {"runwire": facts}})
        began = time.monotonic()
        fault: Exception | None = None
        try:
            came_to = await do()
            report = report if came_to is None else replace(report, text=f"{text} ({came_to})")
        except Refused as refused:
            report = replace(report, status=StepStatus.SKIPPED, error=str(refused)[:MAX_ERROR])
        except (BrowserError, InvalidInput, ModelError, LimitExceeded) as error:
            fault = error if isinstance(error, BrowserLost | ModelError | LimitExceeded) else None
            report = replace(report, status=StepStatus.FAILED, error=error.message[:MAX_ERROR])
        report = replace(report, duration_ms=round((time.monotonic() - began) * 1000))
        if not isinstance(fault, BrowserLost):
            report = replace(report, artifact_id=await self._keep_picture(report))
        self._reports.append(report)
        await self._ctx.emit(report.as_event())
        await self._ctx.text(report.line)
        if fault is not None:
            raise fault
        return report

    async def _keep_picture(self, report: StepReport) -> str | None:
        """Keep a screenshot, for the model too, and return its id. That it cannot be had or kept fails no step."""
        name = f"step-{report.index:03d}.png"
        self._picture = None
        try:
            data = await self._hand.picture()
            self._picture = data if len(data) <= PICTURE_BYTES else None
            kept = await self._ctx.artifacts.save(kind="screenshot", name=name, mime="image/png", data=data)
        except (BrowserError, TooLarge, StorageUnavailable) as error:
            await self._ctx.text(f"{report.name}: no screenshot: {error.message[:MAX_ERROR]}\n")
            return None
        return kept.id


def _text(choice: Choice) -> str:
    """Return a choice as people read it."""
    match choice:
        case Act(instruction=instruction) | Observe(instruction=instruction) | Extract(instruction=instruction):
            return f"{type(choice).__name__}: {' '.join(instruction.split())}"
        case Navigate(url=url):
            return f'Navigate to "{url}"'
        case Go(direction=direction):
            return "Reload the page" if direction == "reload" else f"Go {direction}"
        case Wait(seconds=seconds):
            return f"Wait for {seconds:g} seconds"
    return type(choice).__name__


def _named(element: ElementFacts | None) -> str:
    return "an unknown element" if element is None else f'{element.role or "element"} "{element.name[:100]}"'
