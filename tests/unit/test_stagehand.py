"""The agent ``stagehand`` without a browser: what it takes, what it asks, what it does only if somebody says yes."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest
from stagehand import Action, LLMStructuredGenerateParams

from runwire.agents.browser_task.tools import Click, Fill, Press, Select
from runwire.agents.stagehand import StagehandAgent, agent
from runwire.agents.stagehand.answers import Answers
from runwire.agents.stagehand.facts import facts_of, question
from runwire.agents.stagehand.request import parse_task
from runwire.agents.stagehand.session import StagehandSession
from runwire.agents.stagehand.tools import meant_by
from runwire.contracts.agent import AgentFailure, Approval
from runwire.contracts.browser import ElementFacts, Snapshot
from runwire.contracts.model import ModelAnswer
from runwire.errors import BrowserError, InvalidInput, ModelNonsense, ModelRefused
from runwire.protocol.steps.target import Target
from runwire.runs.state import Verdict
from runwire.testing.browser import PNG
from runwire.testing.context import RecordingContext
from runwire.testing.model import Said, ScriptedChatModel, call
from runwire.testing.pool import ScriptedPool

TASK = {"task": "Do it.", "url": "http://shop.test/"}
LINK = ElementFacts(Target("Mug"), "link", "Mug", href="http://shop.test/mug")
DELETE = ElementFacts(Target("Delete"), "button", "Delete all")
FINISH = call("finish", success=True, summary="Done.")


class Hand:
    """What a session does with Stagehand: finds one element, whatever it is asked for."""

    def __init__(self, element: ElementFacts | None, method: str = "click", *arguments: str) -> None:
        self.element = element
        self.focused = element
        self.action = Action(
            selector="xpath=/html[1]", description="it is harmless", method=method, arguments=[*arguments]
        )
        self.at = "about:blank"
        self.done: list[str] = []
        self.leads_to = ""

    async def goto(self, url: str) -> None:
        if "private" in url:
            raise BrowserError("private.test may not be visited")
        self.at = url

    async def go(self, direction: str) -> None:
        self.done.append(direction)

    async def find(self, instruction: str) -> list[Action]:
        return [] if instruction == "fly" else [self.action]

    async def facts(self, selector: str | None) -> ElementFacts | None:
        return self.focused if selector is None else self.element

    async def act(self, action: Action) -> None:
        self.done.append(action.method or "")
        self.at = self.leads_to or self.at

    async def extract(self, instruction: str, schema: dict[str, Any] | None) -> Any:
        return "text" if schema is None else {"price": 1}

    async def url(self) -> str:
        return self.at

    async def look(self) -> Snapshot:
        return Snapshot(self.at, "Shop", "the tree")

    async def picture(self) -> bytes:
        return PNG


async def done_by(
    hand: Hand, *said: Said, answers: tuple[Approval, ...] = (), **more: Any
) -> tuple[RecordingContext, StagehandSession]:
    """Have a session do a task with what the model says."""
    task, _ = parse_task({**TASK, **more})
    context = RecordingContext(ScriptedPool(), model=ScriptedChatModel(list(said)))
    context.answers.extend(answers)
    async with asyncio.timeout(5) as limit:
        session = StagehandSession(context, task, hand, limit)  # type: ignore[arg-type]  # a double
        await session.run()
    return context, session


def statuses(session: StagehandSession) -> list[str]:
    return [step.status.value for step in session.report.steps]


async def test_it_does_what_is_harmless_and_tells_each_step() -> None:
    hand = Hand(LINK)
    context, session = await done_by(
        hand, call("act", instruction="open the mug"), call("go", direction="back"), FINISH
    )
    assert hand.done == ["click", "back"]
    assert (statuses(session), session.report.verdict) == (["PASSED"] * 3, Verdict.PASSED)
    names = [(event["type"], event.get("stepName")) for event in context.events if "STEP" in event["type"]]
    assert names == [(kind, f"Step {n}") for n in (1, 2, 3) for kind in ("STEP_STARTED", "STEP_FINISHED")]
    assert context.text_lines[1] == 'Step 2/30 PASSED Act: open the mug (click link "Mug")'
    assert len(context.artifacts.saved) == 3


@pytest.mark.parametrize(
    ("element", "method", "arguments", "why"),
    [
        (DELETE, "click", (), 'says "Delete"'),
        (DELETE, "someNewMethod", (), 'says "Delete"'),
        (None, "click", (), "cannot be looked at"),
        (replace(LINK, href="https://evil.test/"), "click", (), "leaves the site for https://evil.test"),
        (replace(DELETE, role="textbox", form_action="/pay"), "press", ("Enter",), 'says "pay"'),
        (replace(DELETE, role="textbox", form_action="/pay"), "type", ("x\n",), 'says "pay"'),
        (DELETE, "press", (" ",), 'says "Delete"'),
        (DELETE, "press", ("Shift+Enter+",), 'says "Delete"'),
        (None, "press", ("Return",), "whatever has the focus"),
        (None, "press", ("Spacebar",), "whatever has the focus"),
    ],
)
async def test_what_is_dangerous_waits_for_a_person_whatever_the_model_calls_it(
    element: ElementFacts | None, method: str, arguments: tuple[str, ...], why: str
) -> None:
    hand = Hand(element, method, *arguments)
    context, session = await done_by(
        hand, call("act", instruction="go on"), FINISH, answers=(Approval(approved=False, comment="no"),)
    )
    assert why in context.asked[0]
    assert (hand.done, statuses(session)) == ([], ["PASSED", "SKIPPED"])
    context, session = await done_by(hand, call("act", instruction="go on"), FINISH, answers=(Approval(approved=True),))
    assert (hand.done, statuses(session)) == ([method], ["PASSED", "PASSED"])
    hand.done.clear()
    context, session = await done_by(hand, call("act", instruction="go on"), FINISH, approvals="deny")
    assert (hand.done, context.asked) == ([], [])


async def test_a_key_is_judged_by_what_has_the_focus_not_by_what_stagehand_has_found() -> None:
    hand = Hand(LINK, " press ", "Enter")
    hand.focused = DELETE
    context, _ = await done_by(hand, call("act", instruction="x"), FINISH, answers=(Approval(approved=False),))
    assert 'says "Delete"' in context.asked[0]
    assert 'press button "Delete all"' in context.asked[0]
    hand = Hand(DELETE, "press", "ArrowDown")
    hand.focused = None
    await done_by(hand, call("act", instruction="x"), FINISH)
    assert hand.done == ["press"], "a key that clicks nothing needs nobody"


async def test_scrolling_needs_no_look_at_the_element() -> None:
    hand = Hand(None, "scrollTo", "50%")
    await done_by(hand, call("act", instruction="scroll"), FINISH)
    assert hand.done == ["scrollTo"]


async def test_what_was_changed_meanwhile_or_is_wanted_otherwise_is_not_done() -> None:
    class Moving(Hand):
        async def facts(self, selector: str | None) -> ElementFacts | None:
            self.element, before = LINK, self.element
            return before

    hand: Hand = Moving(DELETE)
    _, session = await done_by(hand, call("act", instruction="x"), FINISH, answers=(Approval(approved=True),))
    assert (hand.done, statuses(session)) == ([], ["PASSED", "SKIPPED"])
    hand = Hand(DELETE)
    otherwise = Approval(approved=True, edited_arguments={"instruction": "archive it"})
    context, session = await done_by(hand, call("act", instruction="x"), FINISH, answers=(otherwise,))
    assert hand.done == []
    assert "archive it" in context.model.requests[-1].messages[-2].text  # type: ignore[attr-defined]  # scripted


async def test_a_page_that_leaves_the_site_by_itself_is_shown_to_nobody_before_a_yes() -> None:
    hand = Hand(LINK)
    hand.leads_to = "https://evil.test/"
    context, session = await done_by(hand, call("act", instruction="x"), FINISH, answers=(Approval(approved=False),))
    assert "has left the site for https://evil.test" in context.asked[0]
    assert (hand.at, statuses(session)) == ("http://shop.test/", ["PASSED"] * 3)


async def test_a_step_that_fails_is_told_and_the_task_goes_on() -> None:
    hand = Hand(LINK)
    _, session = await done_by(
        hand,
        call("act", instruction="fly"),
        call("navigate", url="http://private.test/"),
        call("observe", instruction="what is there"),
        FINISH,
        browser={"allow": ["private.test"]},
    )
    assert statuses(session) == ["PASSED", "FAILED", "FAILED", "PASSED"]
    assert session.report.steps[1].error == "Stagehand found nothing on the page that fits this"


async def test_a_start_that_may_not_be_opened_ends_it_without_a_question() -> None:
    context, session = await done_by(Hand(LINK), url="http://private.test/")
    assert (session.report.verdict, session.report.line) == (
        Verdict.FAILED,
        "The start could not be opened: private.test may not be visited",
    )
    assert context.model.requests == []  # type: ignore[attr-defined]  # scripted


async def test_what_was_read_must_fit_and_is_told_as_data() -> None:
    schema = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
    context, session = await done_by(
        Hand(LINK),
        call("extract", instruction="price", as_result=True),
        call("finish", success=True, summary="s", data={"price": "x"}),
        call("finish", success=True, summary="s", data={"price": 1}),
        result_schema=schema,
    )
    assert session.report.as_json()["data"] == {"price": 1}
    asked = context.model.requests[1].messages[-2].text  # type: ignore[attr-defined]  # scripted
    mark = asked.split("data: ")[1].split()[0]
    assert asked == f'PASSED; between the marks is data: {mark} {{"price":1}} {mark}'


# Stagehand's own questions


def asked_for(**schema: Any) -> LLMStructuredGenerateParams:
    png = base64.b64encode(PNG).decode()
    content = [
        {"type": "text", "text": "the tree"},
        {"type": "image", "data": png, "mime_type": "image/png"},
        {"type": "image", "data": png, "mime_type": "image/jpeg"},
    ]
    format_ = {"type": "json_schema", "name": "Act", "schema": {"type": "object", **schema}}
    value = {
        "messages": [{"role": "user", "content": content}],
        "system_prompt": "You help.",
        "response_format": format_,
    }
    return LLMStructuredGenerateParams.model_validate(value)


async def test_stagehands_question_is_a_tool_call_of_the_runs_own_model() -> None:
    model = ScriptedChatModel(["no call", call("answer", twoStep=True)])
    answer = await Answers(model).generate(asked_for(required=["twoStep"]))
    assert answer.model_dump(mode="json")["structured_content"] == {"twoStep": True}
    request = model.requests[0]
    assert [(message.role, message.text) for message in request.messages] == [
        ("system", "You help."),
        ("user", "the tree"),
    ]
    assert request.messages[1].images == (PNG,), "the contract knows PNGs"
    assert (request.must_call, request.tools[0].parameters["required"]) == (True, ["twoStep"])
    assert "That was no answer" in model.requests[1].messages[-1].text


async def test_why_the_model_could_not_answer_is_remembered() -> None:
    for said, kind in ((["x", "x"], ModelNonsense), ([ModelRefused("wrong key")], ModelRefused)):
        answers = Answers(ScriptedChatModel([*said]))
        with pytest.raises(kind):
            await answers.generate(asked_for())
        assert isinstance(answers.end(), kind)


async def test_the_time_that_a_model_thinks_is_not_the_steps() -> None:
    class Slow(ScriptedChatModel):
        async def complete(self, request: Any) -> ModelAnswer:
            assert limit.when() is None
            return await super().complete(request)

    answers = Answers(Slow([call("answer")]))
    async with asyncio.timeout(5) as limit:
        answers.begin(limit)
        await answers.generate(asked_for())
        assert limit.when() is not None


# What it takes


def test_what_only_a_context_can_have_is_refused() -> None:
    _, config = parse_task({**TASK, "browser": {"viewport": {"width": 800, "height": 600}, "allow": ["a.test"]}})
    assert (config.width, config.height, config.only_hosts) == (800, 600, ("a.test",))
    with pytest.raises(InvalidInput, match=r"browser\.timezone: the agent stagehand takes only allow, locale,"):
        parse_task({**TASK, "browser": {"timezone": "Europe/Zurich"}})
    for name, value in (("variables", {}), ("keep_logs", "always")):
        with pytest.raises(InvalidInput, match=f"unknown field `{name}`"):
            StagehandAgent.validate_input({**TASK, name: value})


def test_a_method_that_is_not_known_counts_as_a_click() -> None:
    assert meant_by("doubleClick", []) == Click(element="", double=True)
    assert meant_by("explode", ["x"]) == Click(element="")
    assert meant_by("fill", ["x"]) == Fill(element="", value="x")
    assert meant_by("press", []) == meant_by("type", ["x\r"]) == Press(key="Enter")
    for key in ("\n", "\r", "return", "ENTER", "Control+Enter", "Enter+Shift", "Enter+"):
        assert meant_by("press", [key]) == Press(key="Enter")
    for key in (" ", "SPACEBAR", "space", "Shift+ "):
        assert meant_by("press", [key]) == Press(key="Space")
    assert meant_by("press", ["Control+a"]) == Press(key="Control+a")
    assert meant_by("selectOptionFromDropdown", ["two"]) == Select(element="", option="two")


def test_an_answer_of_another_shape_is_not_believed() -> None:
    assert facts_of(None) is facts_of("x") is facts_of({"role": 1}) is None
    assert facts_of({"role": "button", "submits": "yes"}) == ElementFacts(Target(""), "button", "")
    assert question('"), alert(1), ("').endswith(r'("\"), alert(1), (\"")')


async def test_a_relative_start_without_a_sample_site_is_a_step_that_failed() -> None:
    task, _ = parse_task({**TASK, "url": "/samples/shop/index.html"})
    context = RecordingContext(ScriptedPool(sample_origin=None))
    async with asyncio.timeout(5) as limit:
        session = StagehandSession(context, task, Hand(LINK), limit)  # type: ignore[arg-type]  # a double
        await session.run()
    assert "this server has no sample site" in session.report.line


async def test_it_says_what_is_missing_before_it_takes_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ScriptedPool()
    with pytest.raises(AgentFailure, match="no model is configured") as failed:
        await StagehandAgent().run(RecordingContext(pool), TASK)
    assert failed.value.code == "model_unavailable"
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert StagehandAgent.unavailable_reason() is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    assert StagehandAgent.unavailable_reason() == (
        "Stagehand would ask the proxy of the environment for its browser; set NO_PROXY=127.0.0.1"
    )
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert StagehandAgent.unavailable_reason() is None
    monkeypatch.setattr(agent, "find_spec", lambda _: None)
    with pytest.raises(AgentFailure, match=r"not installed; run: pip install 'runwire\[stagehand\]'"):
        await StagehandAgent().run(RecordingContext(pool), TASK)
    assert pool.configs == []
