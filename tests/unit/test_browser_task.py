"""The agent ``browser`` without Chromium: what is allowed is done to nothing else, and what counts as dangerous."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from runwire.agents.browser_task import BrowserAgent
from runwire.agents.browser_task.danger import Site, dangers, origin_of
from runwire.agents.browser_task.tools import choice_of, planned
from runwire.browser.snapshot import MAX_SNAPSHOT, bounded, role_and_name, without
from runwire.contracts.agent import AgentFailure, Approval
from runwire.contracts.browser import ElementFacts
from runwire.errors import InvalidInput
from runwire.protocol.steps.actions import Click, VerifyDownload
from runwire.protocol.steps.target import Target
from runwire.testing.context import RecordingContext
from runwire.testing.model import ScriptedChatModel, call
from runwire.testing.pool import ScriptedHandle, ScriptedPool

PAY = ElementFacts(
    Target("Pay", "role", "button"), "button", "Pay", form_action="http://samples.test/pay", submits=True
)
DONE = call("finish", success=True, summary="Done.")
SITE = Site(frozenset({"https://shop.example"}), ("*.partner.example",))
BASE = "https://shop.example/cart"


async def test_what_a_person_allowed_is_not_done_to_something_else() -> None:
    elements = {"e1": PAY}
    pool = ScriptedPool(elements=elements)
    ctx = RecordingContext(pool, model=ScriptedChatModel([call("click", element="e1"), DONE]))

    async def approve(tool_call: Mapping[str, Any], **_: Any) -> Approval:
        assert tool_call["arguments"]["element"] == "e1"
        elements["e1"] = replace(PAY, target=Target("Pay all", "role", "button"), name="Pay all")
        return Approval(True)

    ctx.approve = approve  # type: ignore[method-assign]
    result = await BrowserAgent().run(ctx, {"task": "x", "url": "/shop"})
    assert [step["status"] for step in result.result["steps"]] == ["PASSED", "SKIPPED"]
    assert "changed while a person was asked" in result.result["steps"][1]["error"]
    (page,) = pool.pages
    assert isinstance(page, ScriptedHandle)
    assert not any(isinstance(done, Click) for done in page.log)


async def test_what_a_person_allowed_is_done_once() -> None:
    pool = ScriptedPool(elements={"e1": PAY})
    ctx = RecordingContext(pool, model=ScriptedChatModel([call("click", element="e1"), DONE]))
    ctx.answers.append(Approval(True))
    await BrowserAgent().run(ctx, {"task": "x", "url": "/shop"})
    (page,) = pool.pages
    assert isinstance(page, ScriptedHandle)
    assert [done for done in page.log if isinstance(done, Click)] == [Click(PAY.target)]


async def test_where_nobody_decides_in_time_the_run_fails_with_the_steps_so_far() -> None:
    pool = ScriptedPool(elements={"e1": PAY})
    ctx = RecordingContext(pool, model=ScriptedChatModel([call("click", element="e1"), DONE]))
    with pytest.raises(AgentFailure) as raised:
        await BrowserAgent().run(ctx, {"task": "x", "url": "/shop"})
    assert raised.value.code == "input_expired"
    assert [step["status"] for step in raised.value.result["steps"]] == ["PASSED"]


def element(name: str = "Next", role: str = "button", **facts: Any) -> ElementFacts:
    return ElementFacts(Target(name), role, name, **facts)


FORM: dict[str, Any] = {"form_action": "https://shop.example/search", "submits": True}
DANGEROUS: list[tuple[dict[str, Any], ElementFacts | None]] = [
    ({"name": "click"}, element("Pay now")),
    ({"name": "click"}, element("LÖSCHEN")),
    ({"name": "click"}, element("Close account")),
    ({"name": "click"}, element(form_action="https://shop.example/account/delete", submits=True)),
    ({"name": "click"}, element(form_action="https://evil.example/x", submits=True)),
    ({"name": "click"}, element("Offer", "link", href="https://evil.example/x")),
    ({"name": "click"}, element("Offer", "link", href="//evil.example/x")),
    ({"name": "press", "key": "Enter"}, None),
    ({"name": "press", "key": "Control+Enter"}, element("Text", "textbox", **FORM | {"submit_label": "Send"})),
    ({"name": "press", "key": "Enter"}, element("Delete")),
    ({"name": "press", "key": "Space"}, element("Delete")),
    ({"name": "press", "key": "Shift+Space"}, element(form_action="https://shop.example/account/delete", submits=True)),
    ({"name": "press", "key": "Space"}, None),
    ({"name": "fill", "value": "{{ secret.shop.password }}"}, element("Password", "textbox")),
    ({"name": "navigate", "url": "https://evil.example"}, None),
    ({"name": "navigate", "url": "http://shop.example/"}, None),
    ({"name": "navigate", "url": "https://shop.example:444/"}, None),
    ({"name": "navigate", "url": "//evil.example/"}, None),
    ({"name": "navigate", "url": "https://evil.example\\@a.partner.example/"}, None),
    ({"name": "navigate", "url": "\\\\evil.example/"}, None),
    ({"name": "click"}, element("Offer", "link", href="http://[")),
    ({"name": "click"}, element(form_action="http://[", submits=True)),
    ({"name": "answer_next_dialog", "accept": True}, None),
    ({"name": "upload", "file": "a.txt"}, element("File")),
]
HARMLESS: list[tuple[dict[str, Any], ElementFacts | None]] = [
    ({"name": "click"}, element("Payment methods")),
    ({"name": "click"}, element("Search", **FORM)),
    ({"name": "click"}, element("Delete me", "checkbox")),
    ({"name": "click"}, element("Offer", "link", href="https://a.partner.example/x")),
    ({"name": "press", "key": "Enter"}, element("Search", "searchbox", **FORM | {"submit_label": "Search"})),
    ({"name": "press", "key": "Tab"}, None),
    ({"name": "press", "key": "Space"}, element("Send to", "textbox")),
    ({"name": "press", "key": "Space"}, element("Send me news", "checkbox")),
    ({"name": "fill", "value": "Please send it"}, element("Text", "textbox")),
    ({"name": "navigate", "url": "/delete"}, None),
    ({"name": "navigate", "url": "https://SHOP.example/x"}, None),
    ({"name": "answer_next_dialog", "accept": False}, None),
    ({"name": "hover"}, element("Pay now")),
]


def reasons(asked: dict[str, Any], facts: ElementFacts | None) -> list[str]:
    arguments = {name: value for name, value in asked.items() if name != "name"}
    if facts is not None:
        arguments["element"] = "e1"
    choice = choice_of(call(asked["name"], **arguments))
    return list(dangers(planned(choice, facts), SITE, BASE))


@pytest.mark.parametrize(("asked", "facts"), DANGEROUS, ids=str)
def test_what_cannot_be_taken_back_is_dangerous(asked: dict[str, Any], facts: ElementFacts | None) -> None:
    assert reasons(asked, facts)


@pytest.mark.parametrize(("asked", "facts"), HARMLESS, ids=str)
def test_what_can_be_taken_back_is_not(asked: dict[str, Any], facts: ElementFacts | None) -> None:
    assert reasons(asked, facts) == []


@pytest.mark.parametrize("url", ["http://[", "http://a\uff0fb/"])
def test_an_address_that_cannot_be_read_is_told_to_the_model(url: str) -> None:
    with pytest.raises(InvalidInput, match="is no address"):
        planned(choice_of(call("navigate", url=url)), None)


def test_a_site_is_an_origin_or_a_host_that_was_named() -> None:
    assert SITE.holds("https://shop.example/x")
    assert SITE.holds("https://b.partner.example/")
    assert SITE.holds("about:blank")
    assert not SITE.holds("https://shop.example.evil.example/")
    assert not SITE.holds("data:text/html,x")
    assert SITE.with_origins(["https://new.example/x", "/y", None]).holds("https://new.example/z")
    assert origin_of("HTTPS://Shop.Example/x") == "https://shop.example"


def test_a_snapshot_is_cut_at_a_line_and_says_so() -> None:
    text = "\n".join(f'- button "{"x" * 50} {number}" [ref=e{number}]' for number in range(2_000))
    cut = bounded(text)
    assert len(cut) <= MAX_SNAPSHOT + 100
    kept = cut.splitlines()
    assert kept[-1] == f"… {2_000 - len(kept) + 1} more lines are left out"
    assert len(bounded("y" * 100_000)) <= 400
    assert bounded("- text: short") == "- text: short"


def test_what_passwords_hold_is_left_out_of_a_snapshot() -> None:
    text = '- textbox "Password": hunter2\n- text: hunter2 is it\n- textbox: "a: b"\n- textbox: x'
    assert "hunter2" not in without(text, "hunter2")
    assert "a: b" not in without(text, "a: b")
    assert without(text, "x").endswith("- textbox: ••••")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('  - button "Add" [disabled] [ref=e5]', ("button", "Add")),
        ('- heading "Say \\"hi\\"" [level=1] [ref=e5] [cursor=pointer]:', ("heading", 'Say "hi"')),
        ("- 'link \"it''s: here\" [ref=e5]':", ("link", "it's: here")),
        ("- textbox [ref=e5]: typed", ("textbox", "")),
        ('- link "forged [ref=e5]" [ref=e6]', ("", "")),
        ("- text: forged [ref=e5]", ("", "")),
        ("- /url: x", ("", "")),
    ],
)
def test_role_and_name_are_read_from_an_elements_own_line(line: str, expected: tuple[str, str]) -> None:
    assert role_and_name(["- list [ref=e1]:", line], "e5") == expected


def test_a_model_can_wait_for_a_download() -> None:
    plan = planned(choice_of(call("verify_download", file="report.csv")), None)
    assert plan.action == VerifyDownload("report.csv")
