"""The whole way of the agent ``browser``: a real server, a scripted model server on loopback, people over HTTP; and
mission row B6 with a browser: test mode goes the whole way without any model.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from runwire.contracts.model import ToolCall
from runwire.protocol.steps.testfile import parse_loosely, unread_sentences
from runwire.testing.model import Refused, call, model_server
from tests.browser.conftest import EXAMPLES
from tests.conftest import MakeServer
from tests.support.http import ended, start
from tests.support.people import asked, waiting
from tests.support.process import run_command

pytestmark = pytest.mark.timeout(60)
BROWSER = {"browser_executable": os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")}
TASK = {"task": "Empty the cart.", "url": "/samples/shop/index.html"}


def at(tool: str, name: str, **arguments: Any) -> Callable[[dict[str, Any]], ToolCall]:
    """Return an answer that points at the first element of that name in the snapshot that was sent."""

    def answer(body: dict[str, Any]) -> ToolCall:
        text, picture = body["messages"][-1]["content"]
        assert picture["image_url"]["url"].startswith("data:image/png;base64,")
        found = re.search(rf"- {re.escape(name)}.*?\[ref=(\w+)\]", text["text"])
        assert found, text["text"]
        return call(tool, element=found[1], **arguments)

    return answer


async def decide(http: httpx.AsyncClient, run_id: str, question: str, **decision: Any) -> None:
    """Answer a question about a tool call."""
    body = {"request_id": question, "payload": decision}
    answer = await http.post(f"/v1/runs/{run_id}/respond", json=body)
    assert answer.status_code == 200, answer.text


ANSWERS = (
    at("click", 'button "Add to cart"'),
    Refused(503),
    at("click", 'link "Cart (1)"'),
    at("click", 'button "Remove'),
    at("click", 'button "Remove'),
    call("finish", success=True, summary="The cart is empty.", data={"left": 0}),
)


async def test_a_model_drives_a_browser_a_person_decides_and_the_run_is_replayed_without_the_model(
    make_server: MakeServer,
) -> None:
    with model_server(*ANSWERS) as model:
        server = make_server(model_url=model.url, model_name="eyes", model_price_input=1.0, **BROWSER)
        async with server.http(server.token_for("ann")) as http:
            run_id = await start(http, "browser", TASK)
            (question,) = await waiting(server, run_id, within_s=25)
            assert len(model.requests) == 4, "it waits for the person, not for the model"
            interrupt = asked(server.entries(run_id))[0]
            assert "which says" in interrupt["message"]
            await decide(http, run_id, question, approved=False, comment="later")
            (_, second) = await waiting(server, run_id, 2, within_s=25)
            await decide(http, run_id, second, approved=True)
            end = await ended(server, run_id, 25)
            assert (end["status"], end["verdict"]) == ("SUCCEEDED", "passed"), end
            assert end["result"]["data"] == {"left": 0}
            assert [step["status"] for step in end["result"]["steps"]] == [
                "PASSED",
                "PASSED",
                "PASSED",
                "SKIPPED",
                "PASSED",
            ]
            assert end["usage"]["model_calls"] == 5
            assert end["usage"]["cost_usd"] == pytest.approx(500 / 1_000_000)
            view = (await http.get(f"/v1/runs/{run_id}/steps")).json()
            assert (view["source"], view["total"], view["passed"]) == ("traversal", 5, 4)
            traversal = (await http.get(f"/v1/runs/{run_id}/traversal")).json()
            before = len(model.requests)
            replayed = await ended(server, await start(http, "browser-replay", {"traversal": traversal}), 25)
            assert (replayed["status"], replayed["verdict"]) == ("SUCCEEDED", "passed"), replayed
    assert len(model.requests) == before == 6


async def test_b6_test_mode_browses_without_any_model(make_server: MakeServer) -> None:
    script = [
        {"tool": "verify_text", "arguments": {"text": "Sample shop"}},
        {"tool": "finish", "arguments": {"success": True, "summary": "It is there."}},
    ]
    server = make_server(test_mode=True, **BROWSER)
    async with server.http() as http:
        task = {**TASK, "task": f"Is it there? SCRIPT: {json.dumps(script)}"}
        end = await ended(server, await start(http, "browser", task), 25)
        assert (end["status"], end["verdict"]) == ("SUCCEEDED", "passed"), end
        assert end["result"]["summary"] == "It is there."


async def test_without_a_model_the_agent_is_listed_as_unavailable_and_a_run_says_why(make_server: MakeServer) -> None:
    server = make_server(**BROWSER)
    async with server.http() as http:
        (agent,) = (one for one in (await http.get("/v1/agents")).json()["data"] if one["name"] == "browser")
        assert agent["available"] is False
        assert "RUNWIRE_MODEL_URL=" in agent["unavailable_reason"]
        assert agent["input_schema"]["required"] == ["task", "url"]
        end = await ended(server, await start(http, "browser", TASK), 25)
    assert (end["status"], end["error"]["code"]) == ("FAILED", "model_unavailable")


def test_the_command_line_lists_it_as_unavailable_with_what_mends_it(tmp_path: Path) -> None:
    listed = run_command("agents", cwd=tmp_path, limit_s=20, env=BROWSER_ENV).stdout
    assert re.search(r"^browser .*\n +unavailable: no model is configured; .*RUNWIRE_MODEL_URL=", listed, re.MULTILINE)
    env = {**BROWSER_ENV, "RUNWIRE_MODEL_URL": "http://127.0.0.1:1/v1", "RUNWIRE_MODEL_NAME": "m"}
    assert "unavailable" not in run_command("agents", cwd=tmp_path, limit_s=20, env=env).stdout


BROWSER_ENV = {"RUNWIRE_BROWSER_EXECUTABLE": BROWSER["browser_executable"]}


def test_the_example_is_a_task() -> None:
    from runwire.agents.browser_task import BrowserAgent

    BrowserAgent.validate_input(json.loads((EXAMPLES / "tasks" / "cheapest.json").read_text(encoding="utf-8")))


def test_in_the_examples_only_free_words_need_a_model() -> None:
    test = parse_loosely((EXAMPLES / "free-words" / "shop.yaml").read_text(encoding="utf-8"))
    assert [key.sentence for key in unread_sentences(test).values()] == [
        "Have a look at the blue mug",
        "Put it into the basket",
    ]


@pytest.mark.every_isolation
async def test_free_words_are_read_once_and_the_next_run_needs_no_model(make_server: MakeServer) -> None:
    text = (EXAMPLES / "free-words" / "shop.yaml").read_text(encoding="utf-8")
    read = call("step", sentence='Click link "Blue mug"'), call("step", sentence='Click button "Add to cart"')
    with model_server(*read) as model:
        server = make_server(model_url=model.url, model_name="reader", **BROWSER)
        token = server.token_for("ann")
        async with server.http(token) as http:
            run_id = await start(http, "browser-test", text)
            end = await ended(server, run_id, 40)
            assert (end["status"], end["verdict"]) == ("SUCCEEDED", "passed"), end
            assert end["usage"]["model_calls"] == 2
            steps = (await http.get(f"/v1/runs/{run_id}/steps")).json()["steps"]
            assert steps[0]["reading"] == {"sentence": 'Click link "Blue mug"', "model": "reader", "recorded": False}
            assert steps[1]["action"]["kind"] == "click"
            assert 'link "Blue mug"' in model.requests[0]["messages"][1]["content"], "it was shown the page"
        server.stop()
    server = make_server(server.data, **BROWSER)
    async with server.http(token) as http:
        run_id = await start(http, "browser-test", text)
        end = await ended(server, run_id, 40)
        assert (end["status"], end["verdict"]) == ("SUCCEEDED", "passed"), end
        assert "usage" not in end
        steps = (await http.get(f"/v1/runs/{run_id}/steps")).json()["steps"]
        assert [step["reading"] and step["reading"]["recorded"] for step in steps] == [True, True, None]
