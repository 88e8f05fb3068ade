"""The whole way of the agent ``stagehand``: a real server, a scripted model on loopback, Stagehand itself in a whole
Chromium of the run's own.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from runwire.browser.downloads import PREFIX
from runwire.browser.processes import descendants
from runwire.contracts.model import ToolCall
from runwire.testing.model import Refused, ScriptedModelServer, call, model_server
from tests.browser.conftest import WHOLE
from tests.browser.leftovers import all_gone, family
from tests.browser.test_browser_server_ends import GONE_S, client
from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.people import asked, waiting
from tests.support.process import serving

pytestmark = pytest.mark.timeout(60)
TASK = {"task": "Put a blue mug into the cart and remove it again.", "url": "/samples/shop/index.html"}
WITHIN_S = 30.0


def element(name: str, method: str = "click", *arguments: str) -> Callable[[dict[str, Any]], ToolCall]:
    """Return an answer to Stagehand's own question: the first element of that name in the tree that it sends."""

    def answer(body: dict[str, Any]) -> ToolCall:
        assert [tool["function"]["name"] for tool in body["tools"]] == ["answer"]
        asked_for = body["messages"][-1]["content"]
        found = re.search(rf"\[(\d+-\d+)\] {re.escape(name)}", asked_for)
        assert found, asked_for
        one = {"elementId": found[1], "description": name, "method": method, "arguments": list(arguments)}
        return call("answer", elements=[one])

    return answer


def act(instruction: str) -> ToolCall:
    return call("act", instruction=instruction)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a temporary folder for what servers and their browsers leave behind."""
    with TemporaryDirectory(prefix="rw") as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", name)
        patch.setattr("tempfile.tempdir", name)
        yield Path(name)


def started_with(make_server: MakeServer, model: ScriptedModelServer, **settings: Any) -> EmbeddedServer:
    return make_server(model_url=model.url, model_name="eyes", browser_executable=WHOLE, **settings)


async def test_a_model_does_a_task_through_stagehand_and_a_person_decides(make_server: MakeServer) -> None:
    schema = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}
    answers = (
        act("click the product Blue mug"),
        element("link: Blue mug"),
        call("extract", instruction="the price of the mug", as_result=True),
        call("answer", price="nine"),  # not what the schema says: it is asked again
        call("answer", price=9.5),
        call("answer", progress="read", completed=True),
        act('click the button "Add to cart"'),
        element("button: Add to cart"),
        call("navigate", url="http://169.254.169.254/latest/meta-data"),
        call("navigate", url="cart.html"),
        act('click the button "Remove"'),
        element("button: Remove"),
        call("finish", success=True, summary="Done.", data={"price": 9.5}),
    )
    with model_server(*answers) as model:
        server = started_with(make_server, model)
        async with server.http(server.token_for("ann")) as http:
            run_id = await start(http, "stagehand", {**TASK, "result_schema": schema})
            (first,) = await waiting(server, run_id, within_s=WITHIN_S)
            assert "leaves the site for http://169.254.169.254" in asked(server.entries(run_id))[0]["message"]
            browsers = family(os.getpid(), "browser") + family(os.getpid(), "renderer")
            assert browsers, "its browser waits with it"
            body = {"request_id": first, "payload": {"approved": True}}
            assert (await http.post(f"/v1/runs/{run_id}/respond", json=body)).status_code == 200
            (_, second) = await waiting(server, run_id, 2, within_s=WITHIN_S)
            assert 'click button "Remove' in asked(server.entries(run_id))[1]["message"]
            body = {"request_id": second, "payload": {"approved": False, "comment": "keep it"}}
            assert (await http.post(f"/v1/runs/{run_id}/respond", json=body)).status_code == 200
            end = await ended(server, run_id, WITHIN_S)
            steps = (await http.get(f"/v1/runs/{run_id}/steps")).json()["steps"]
            pictures = (await http.get(f"/v1/runs/{run_id}/artifacts")).json()["data"]
    assert (end["status"], end["verdict"]) == ("SUCCEEDED", "passed"), end
    assert end["result"]["data"] == {"price": 9.5}
    assert [(step["text"], step["status"]) for step in steps] == [
        ('Navigate to "/samples/shop/index.html"', "PASSED"),
        ('Act: click the product Blue mug (click link "Blue mug")', "PASSED"),
        ("Extract: the price of the mug", "PASSED"),
        ('Act: click the button "Add to cart" (click button "Add to cart")', "PASSED"),
        ('Navigate to "http://169.254.169.254/latest/meta-data"', "FAILED"),
        ('Navigate to "cart.html"', "PASSED"),
        ('Act: click the button "Remove"', "SKIPPED"),
    ]
    assert "not public" in steps[4]["error"], "a person's yes does not open what the server forbids"
    assert "keep it" in steps[6]["error"]
    assert end["usage"]["model_calls"] == len(answers) == len(model.requests)
    assert [one["kind"] for one in pictures] == ["screenshot"] * 7
    assert '{"price":9.5}' in model.requests[6]["messages"][-2]["content"], "what was read is told, as data"
    assert not all_gone(browsers, 1.0), "its browser has ended with it"


async def test_cancelled_while_the_model_thinks_it_takes_everything_with_it(make_server: MakeServer) -> None:
    with temporary_folder() as folder, model_server(act("click"), Refused(hang=True)) as model:
        server = started_with(make_server, model)
        async with server.http() as http:
            run_id = await start(http, "stagehand", TASK)
            await eventually_async(lambda: len(model.requests) == 2, "Stagehand asks the model", WITHIN_S)
            browsers = family(os.getpid(), "browser")
            assert browsers
            loop = asyncio.get_running_loop()
            began = loop.time()
            await http.post(f"/v1/runs/{run_id}/cancel")
            end = await ended(server, run_id, 5.0)
            assert end["status"] == "CANCELLED"
            assert loop.time() - began < 3.0
            assert not all_gone(browsers, 2.0)
            assert model.left.wait(2.0), "the question was given up"
            server.stop()
        await eventually_async(lambda: not os.listdir(folder), f"nothing stays in {folder}", 3.0)


async def listed(http: httpx.AsyncClient) -> dict[str, Any]:
    (agent,) = (one for one in (await http.get("/v1/agents")).json()["data"] if one["name"] == "stagehand")
    return dict(agent)


async def test_a_headless_shell_does_not_do_and_says_what_would(make_server: MakeServer, tmp_path: Path) -> None:
    shell = tmp_path / "chromium-headless-shell"
    shell.touch(mode=0o755)
    with model_server() as model:
        server = make_server(model_url=model.url, model_name="eyes", browser_executable=str(shell))
        async with server.http() as http:
            agent = await listed(http)
            assert (agent["available"], agent["input_schema"]["required"]) == (False, ["task", "url"])
            end = await ended(server, await start(http, "stagehand", TASK), WITHIN_S)
    assert "is a headless shell; name a whole Chromium in its place" in agent["unavailable_reason"]
    assert (end["error"]["code"], end["error"]["message"]) == ("startup_failed", agent["unavailable_reason"])


async def test_limits_and_a_model_that_fails_end_it_with_the_steps_that_were_done(make_server: MakeServer) -> None:
    answers = (call("wait", seconds=0.01), call("extract", instruction="all"), Refused(401))
    with model_server(*answers) as model:
        server = started_with(make_server, model)
        async with server.http() as http:
            assert "unavailable_reason" not in await listed(http)
            end = await ended(server, await start(http, "stagehand", TASK), WITHIN_S)
            assert (end["status"], end["error"]["code"]) == ("FAILED", "model_refused"), end
            assert [step["status"] for step in end["result"]["steps"]] == ["PASSED", "PASSED", "FAILED"]
            end = await ended(server, await start(http, "stagehand", {**TASK, "max_steps": 1}), WITHIN_S)
            assert (end["error"]["code"], end["error"]["limit"]) == ("limit_exceeded", "max_steps"), end


@pytest.mark.parametrize("isolation", ["process"], indirect=True)
async def test_a_lost_browser_ends_a_run_of_a_process_of_its_own(make_server: MakeServer) -> None:
    with model_server(act("click"), Refused(hang=True)) as model:
        server = started_with(make_server, model)
        async with server.http() as http:
            run_id = await start(http, "stagehand", TASK)
            await eventually_async(lambda: len(model.requests) == 2, "Stagehand asks the model", WITHIN_S)
            (browser,) = family(os.getpid(), "browser")
            os.kill(browser, signal.SIGKILL)
            end = await ended(server, run_id, 10.0)
            assert server.services.vitals.browsers().lost_runs == 1
    assert (end["status"], end["error"]["code"]) == ("FAILED", "browser_lost"), end
    assert [step["status"] for step in end["result"]["steps"]] == ["PASSED", "FAILED"]


async def test_a_server_that_is_killed_takes_the_browser_along(data: Path) -> None:
    with temporary_folder() as folder, model_server(act("click"), Refused(hang=True)) as model:
        with serving(data, model_url=model.url, model_name="eyes", browser_executable=WHOLE) as server:
            async with client(server) as http:
                await start(http, "stagehand", TASK)
                await eventually_async(lambda: len(model.requests) == 2, "Stagehand asks the model", WITHIN_S)
            processes = list(descendants(server.process.pid))
            await asyncio.to_thread(server.kill)
            assert not await asyncio.to_thread(all_gone, processes, GONE_S)
        await eventually_async(lambda: not kept(folder), "its folders are gone", GONE_S)


def kept(folder: Path) -> list[str]:
    """Return what is in the folder but what a killed server cannot remove: its next start does."""
    return [name for name in os.listdir(folder) if not name.startswith(PREFIX)]
