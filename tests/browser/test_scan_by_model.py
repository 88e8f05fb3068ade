"""A scan whose pages a model reads, in real Chromium: a wrong answer is a result with its reason, never a crash, and a
link counts only if the page has it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from runwire.agents.scan import ScanAgent
from runwire.browser.host import BrowserHost
from runwire.contracts.agent import AgentFailure, AgentResult
from runwire.contracts.model import ModelRequest, ToolCall
from runwire.errors import LimitExceeded, ModelFailed, ModelRefused
from runwire.runs.state import Verdict
from runwire.testing.context import RecordingContext
from runwire.testing.model import Said, ScriptedChatModel, call
from tests.browser.conftest import EXAMPLES

pytestmark = pytest.mark.timeout(30)
EXAMPLE = json.loads((EXAMPLES / "scans" / "catalogue-by-model.json").read_text(encoding="utf-8"))
ONE = {**EXAMPLE, "limit": 1}


def book(**changes: Any) -> dict[str, Any]:
    return {"title": "A quiet harbour", "price": 12.5, "page": "books/a-quiet-harbour.html", **changes}


def give(*items: Any) -> ToolCall:
    return call("give", items=list(items))


async def scan(host: BrowserHost, *answers: Said, **request: Any) -> tuple[AgentResult, list[ModelRequest]]:
    model = ScriptedChatModel(list(answers))
    return await ScanAgent().run(RecordingContext(host, model=model), request), model.requests


def listing(request: ModelRequest) -> ToolCall:
    """Read the sample catalogue's listing as a model would: from the snapshot alone."""
    found = re.findall(r'link "([^"]+)".*\n\s+- /url: (books/\S+)\n.*?€([\d.]+)', request.messages[1].text)
    return give(*(book(title=title, page=url, price=float(price)) for title, url, price in found))


def page(request: ModelRequest) -> ToolCall:
    """Read a book's page from the snapshot alone."""
    found = re.search(r"paragraph \[ref=\w+\]: (.+)", request.messages[1].text)
    assert found, request.messages[1].text
    return call("give", item={"author": found[1]})


async def test_a_model_reads_every_item_and_its_page(host: BrowserHost) -> None:
    result, requests = await scan(host, listing, *[page] * 6, **EXAMPLE)
    assert [one for one in result.result["findings"] if not one["passed"]] == []
    assert result.verdict is Verdict.PASSED
    items = result.result["items"]
    assert len(items) == 6
    assert (items[2]["fields"]["price"], items[2]["fields"]["author"]) == (18.9, "Mei Tanaka")
    assert items[2]["url"].endswith("/samples/catalogue/books/clouds-and-maps.html")
    assert requests[0].tools[0].parameters["properties"]["items"]["items"] == EXAMPLE["by_model"]["schema"]
    system, told = requests[0].messages
    mark = re.search(r"<<\w{24}>>", system.text)
    assert mark
    before, page_text, after = told.text.split(mark[0])
    assert "A quiet harbour" in page_text
    assert "A quiet harbour" not in before + after


WRONG: list[tuple[Any, str]] = [
    (book(price="cheap"), "does not fit the schema: 'cheap' is not of type 'number' (at $.price)"),
    ({"title": "x"}, "does not fit the schema"),
    ("a book", "is no object"),
    (book(page="http://evil.example/"), "the page has no link 'http://evil.example/'"),
    (book(page="http://[half"), "the page has no link"),
]


@pytest.mark.parametrize(("item", "why"), WRONG)
async def test_an_item_that_does_not_fit_is_a_result_with_its_reason(host: BrowserHost, item: Any, why: str) -> None:
    result, requests = await scan(host, give(item), **ONE)
    (found,) = result.result["items"]
    assert (found["status"], result.verdict) == ("FAILED", Verdict.FAILED)
    assert why in found["error"]
    assert len(requests) == 1, "no page is opened for it"


async def test_a_page_that_is_read_wrongly_is_its_items_result(host: BrowserHost) -> None:
    two = give(book(), book(title="Bread by hand", page="books/bread-by-hand.html"))
    answers = two, call("give", item={"author": 7}), call("give", item={"author": "Ann"})
    result, _ = await scan(host, *answers, **{**EXAMPLE, "parallel": 1})
    first, second = result.result["items"]
    assert "7 is not of type 'string'" in first["error"]
    assert (second["status"], second["fields"]["author"]) == ("FOUND", "Ann")


@pytest.mark.parametrize("answer", ["Here they are: …", call("give", books=[]), ToolCall("1", "give", "[")])
async def test_an_answer_without_form_is_told_once_and_then_a_result(host: BrowserHost, answer: Said) -> None:
    result, requests = await scan(host, answer, answer, **ONE)
    assert result.verdict is Verdict.FAILED
    assert result.result["findings"][0]["rule"] == "listing"
    assert "cannot be used" in result.result["findings"][0]["detail"]
    assert len(requests) == 2
    mended, _ = await scan(host, answer, give(book()), call("give", item={"author": "Ann"}), **ONE)
    assert mended.result["items"][0]["status"] == "FOUND"


async def test_one_question_that_fails_is_its_items_result(host: BrowserHost) -> None:
    result, _ = await scan(host, give(book()), ModelFailed("busy"), **ONE)
    assert result.result["items"][0]["error"] == "busy"


@pytest.mark.parametrize(
    ("answers", "code", "found"),
    [
        ([ModelRefused("HTTP 401")], "model_refused", 0),
        ([give(book()), LimitExceeded("no more", limit="model_tokens")], "limit_exceeded", 1),
    ],
)
async def test_a_model_that_cannot_be_asked_is_no_verdict_on_the_site(
    host: BrowserHost, answers: list[Said], code: str, found: int
) -> None:
    ctx = RecordingContext(host, model=ScriptedChatModel(answers))
    with pytest.raises(AgentFailure) as raised:
        await ScanAgent().run(ctx, ONE)
    assert raised.value.code == code
    assert raised.value.result["total"] == found


async def test_a_listing_alone_is_read_and_judged(host: BrowserHost) -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}, "free": {"type": "boolean"}}}
    answer = give({"title": "A", "free": False}, {"title": "A", "free": True})
    request = {
        "url": EXAMPLE["url"],
        "by_model": {"schema": schema},
        "judge": {"unique": ["title"], "required": ["free"]},
    }
    result, _ = await scan(host, answer, **request)
    failed = [one["rule"] for one in result.result["findings"] if not one["passed"]]
    assert failed == ["unique title"], "false is a value"
