"""A conversation reads as one: its earlier runs stand above the open one, read upwards as somebody looks there."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from runwire.ids import new_id
from tests.e2e.web_page.pages import PageServer, Watched, open_run, watch

NODE_BUDGET = 400


def _said(server: PageServer, thread_id: str, agent: str, value: Any, **more: Any) -> str:
    """Carry out a run of a conversation."""
    body = {"agent": agent, "input": value, "thread_id": thread_id, **more}
    run_id = str(server.call("POST", "/v1/runs", body)["id"])
    server.wait_ended(run_id)
    return run_id


def _tall(number: int) -> dict[str, Any]:
    return {"steps": [{"text": f"Answer {number}, line {line}.\n\n"} for line in range(60)]}


def _heads(page: Page) -> list[str]:
    return page.locator(".turn-head a").all_inner_texts()


def test_earlier_runs_stand_above_the_open_one(watched: Watched, server: PageServer) -> None:
    thread = new_id()
    runs = [_said(server, thread, "echo", f"the {word} words") for word in ("first", "second", "third")]
    page = open_run(watched, server, runs[-1])
    expect(page.locator(".turn-head")).to_have_count(2)
    assert _heads(page) == ["Run 1", "Run 2"]
    text = page.get_by_role("region", name="Transcript").inner_text()
    assert [text.count(f"the {word} words") for word in ("first", "second", "third")] == [2, 2, 2], "asked and answered"
    assert text.index("first") < text.index("second") < text.index("third")
    expect(page.get_by_role("heading", level=1)).to_have_text("the third words")
    page.locator(".turn-head").get_by_role("link", name="Run 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("the first words")
    expect(page.locator(".turn-head")).to_have_count(0)


def test_the_next_words_are_said_below_what_was_said(watched: Watched, server: PageServer) -> None:
    page = open_run(watched, server, _said(server, new_id(), "echo", "one"))
    page.get_by_placeholder("Go on with echo").fill("two")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("two")
    expect(page.locator(".turn-head")).to_have_text(re.compile("Run 1"))
    expect(page.locator(".earlier")).to_contain_text("one")
    expect(page.locator(".rows")).to_have_text(re.compile("^two"))


def test_tall_runs_are_read_one_by_one_upwards_and_nothing_jumps(context: BrowserContext, server: PageServer) -> None:
    thread = new_id()
    runs = [_said(server, thread, "scripted", _tall(number)) for number in range(6)]
    asked_for: list[str] = []
    page = watch(context, server.origin).page
    page.on("request", lambda request: asked_for.append(request.url))
    page.goto(f"{server.origin}/#/runs/{runs[-1]}")
    expect(page.locator(".outcome")).to_be_in_viewport()

    def read() -> set[int]:
        return {number for number, run_id in enumerate(runs) if any(f"{run_id}/events" in url for url in asked_for)}

    page.wait_for_timeout(500)
    assert read() == set(), "nobody has looked up there yet"
    page.locator(".transcript").hover()
    seen = ""
    for _ in range(400):
        place = page.evaluate("""() => {
            const box = document.querySelector('.transcript').getBoundingClientRect();
            const row = [...document.querySelectorAll('.transcript .row')].find(
                (each) => each.getBoundingClientRect().top >= box.top + 60);
            return row && [row.innerText, row.getBoundingClientRect().top];
        }""")
        if place is not None and place[0]:
            seen = f"{place[0]}\n{seen}" if not seen.startswith(place[0]) else seen
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(20)
        assert page.evaluate("document.querySelectorAll('*').length") <= NODE_BUDGET
        if len(read()) == 5 and page.evaluate("document.querySelector('.transcript').scrollTop") == 0:
            break
    assert read() == {0, 1, 2, 3, 4}
    expect(page.locator(".turn-head").first).to_contain_text("Run 1")
    expect(page.get_by_text("Answer 0, line 0.")).to_be_visible()
    order = [int(number) for number in re.findall(r"^Answer (\d)", seen, re.MULTILINE)]
    assert order == sorted(order), "what was passed on the way up stood in the order in which it was said"
    assert set(order) >= {0, 1, 2, 3, 4}


def test_a_live_run_goes_on_below_while_earlier_ones_are_read(watched: Watched, server: PageServer) -> None:
    thread = new_id()
    _said(server, thread, "scripted", _tall(0))
    steps = [step for n in range(40) for step in ({"text": f"live {n}\n\n"}, {"sleep_s": 0.1})]
    body = {"agent": "scripted", "input": {"steps": steps}, "thread_id": thread}
    live = str(server.call("POST", "/v1/runs", body)["id"])
    page = open_run(watched, server, live)
    expect(page.get_by_text("live 5", exact=True)).to_be_in_viewport()
    expect(page.locator(".earlier-rows .row")).not_to_have_count(0)
    page.locator(".transcript").hover()
    page.mouse.wheel(0, -900)
    line = page.locator(".earlier-rows .row", has_text="Answer 0, line 5").first
    expect(line).to_be_visible()
    before = line.bounding_box()
    page.wait_for_timeout(600)
    assert line.bounding_box() == before, "what is read stays in place while the run speaks"
    page.get_by_role("button", name=re.compile("Jump to latest")).click()
    expect(page.locator(".chip")).to_have_text("Done")
    expect(page.get_by_text("live 39", exact=True)).to_be_in_viewport()
    words = page.locator(".rows").inner_text()
    assert [f"live {n}" in words for n in range(38, 40)] == [True, True]


def test_what_was_rolled_back_is_hidden_until_asked_for(watched: Watched, server: PageServer) -> None:
    thread = new_id()
    _said(server, thread, "echo", "kept words")
    body = {"agent": "scripted", "input": {"steps": [{"text": "undone words"}, {"hang": "async"}]}, "thread_id": thread}
    undone = str(server.call("POST", "/v1/runs", body)["id"])
    last = _said(server, thread, "echo", "instead", if_busy="rollback")
    assert server.call("GET", f"/v1/runs/{undone}")["rolled_back_by"] == last
    page = open_run(watched, server, last)
    expect(page.locator(".turn-head")).to_have_count(2)
    expect(page.locator(".turn-head").nth(1)).to_contain_text("rolled back")
    expect(page.locator(".earlier")).to_contain_text("kept words")
    expect(page.get_by_text("undone words")).to_have_count(0)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".earlier").get_by_text("undone words")).to_be_visible()
    page.get_by_role("button", name="Hide", exact=True).click()
    expect(page.get_by_text("undone words")).to_have_count(0)
    page.goto(f"{server.origin}/#/runs/{undone}")
    expect(page.locator(".run-title small")).to_contain_text("rolled back by run 3")
    expect(page.locator(".rows")).to_contain_text("undone words")


def test_a_question_of_an_earlier_run_is_not_answered_here(watched: Watched, server: PageServer) -> None:
    thread = new_id()
    body = {"agent": "scripted", "input": {"steps": [{"ask": {"question": "Which one?"}}]}, "thread_id": thread}
    asking = str(server.call("POST", "/v1/runs", body)["id"])
    page = open_run(watched, server, asking)
    expect(page.get_by_role("button", name="Answer")).to_be_visible()
    body = {"agent": "scripted", "input": {"steps": [{"text": "later"}, {"hang": "async"}]}, "thread_id": thread}
    later = str(server.call("POST", "/v1/runs", body)["id"])
    page.goto(f"{server.origin}/#/runs/{later}")
    expect(page.locator(".earlier")).to_contain_text("Which one?")
    expect(page.locator(".turn-head")).to_contain_text("open it to follow it")
    expect(page.get_by_role("button", name="Answer")).to_have_count(0)
    for run_id in (asking, later):
        server.call("POST", f"/v1/runs/{run_id}/cancel")


def test_a_permalink_opens_its_moment_below_the_earlier_runs(watched: Watched, server: PageServer) -> None:
    thread = new_id()
    _said(server, thread, "echo", "before")
    last = _said(server, thread, "scripted", {"steps": [{"text": "one "}, {"text": "two"}]})
    page = open_run(watched, server, last, "?seq=4")
    expect(page.get_by_test_id("replay-seq")).to_have_text("#4")
    expect(page.locator(".earlier")).to_contain_text("before")
    expect(page.locator(".rows")).not_to_contain_text("two")


def test_an_earlier_run_that_cannot_be_read_says_so_and_is_tried_again(watched: Watched, server: PageServer) -> None:
    thread = new_id()
    first = _said(server, thread, "echo", "hard to get")
    last = _said(server, thread, "echo", "easy to get")
    page = watched.page
    page.route(f"**/v1/runs/{first}/events*", lambda route: route.abort())
    page.goto(f"{server.origin}/#/runs/{last}")
    problem = page.locator(".upwards").get_by_role("alert")
    expect(problem).to_contain_text("could not be read")
    page.unroute(f"**/v1/runs/{first}/events*")
    problem.get_by_role("button", name="Try again").click()
    expect(page.locator(".earlier")).to_contain_text("hard to get")
    expect(problem).to_have_count(0)
    watched.errors.clear()  # the browser names the request that was cut on its console
