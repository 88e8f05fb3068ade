"""A run asks on the page: a form from its schema, an approval, two tabs of which one is faster."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, expect

from tests.e2e.web_page.pages import PageServer, Watched, open_run, watch

SCHEMA = {
    "type": "object",
    "properties": {
        "version": {"type": "string", "title": "Version"},
        "channel": {"enum": ["beta", "stable"]},
        "copies": {"type": "integer"},
        "tell": {"type": "boolean", "title": "Tell the team"},
    },
    "required": ["version", "channel"],
}


def test_a_question_is_a_form_and_its_answer_reaches_the_agent(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"ask": {"question": "Which version?", "schema": SCHEMA}}]})
    page = open_run(watched, server, run_id)
    expect(page.locator(".run-head .chip")).to_have_text("Needs you")
    expect(page.get_by_role("status").filter(has_text="The run needs you.")).to_have_count(1)
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_role("alert")).to_have_text("Version: write an answer first.")
    page.get_by_label("Version").fill("1.2")
    page.get_by_label("channel").select_option("beta")
    page.get_by_label("copies").fill("3")
    page.get_by_label("Tell the team").check()
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_text("You answered.")).to_be_visible()
    expect(page.locator(".outcome")).to_have_attribute("data-status", "SUCCEEDED")
    answers = server.call("GET", f"/v1/runs/{run_id}")["result"]["answers"]
    assert answers == [{"version": "1.2", "channel": "beta", "copies": 3, "tell": True}]


def test_an_answer_that_the_server_refuses_leaves_the_question_open(watched: Watched, server: PageServer) -> None:
    schema = {"type": "string", "minLength": 5}
    run_id = server.start("scripted", {"steps": [{"ask": {"question": "A long word?", "schema": schema}}]})
    page = open_run(watched, server, run_id)
    page.get_by_label("Your answer").fill("word")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Your answer").fill("longer word")
    page.keyboard.press("Enter")
    expect(page.locator(".outcome")).to_have_attribute("data-status", "SUCCEEDED")


def test_an_approval_is_refused_with_a_comment(watched: Watched, server: PageServer) -> None:
    call = {"name": "deploy", "arguments": {"to": "production"}}
    run_id = server.start("scripted", {"steps": [{"approve": call}]})
    page = open_run(watched, server, run_id)
    expect(page.locator(".card.ask")).to_contain_text("deploy")
    expect(page.locator(".card.ask")).to_contain_text("production")
    page.get_by_label("Comment").fill("not today")
    page.get_by_role("button", name="Refuse").click()
    expect(page.locator(".outcome")).to_contain_text("not_approved")
    (end,) = [
        entry["data"]["value"] for entry in server.log(run_id) if entry["data"].get("name") == "runwire.input_response"
    ]
    assert end["payload"] == {"approved": False, "comment": "not today"}


def test_of_two_tabs_the_second_sees_who_answered(
    watched: Watched, server: PageServer, context: BrowserContext
) -> None:
    run_id = server.start("scripted", {"steps": [{"ask": {"question": "Yes?"}}, {"hang": "async"}]})
    first, second = open_run(watched, server, run_id), open_run(watch(context, server.origin), server, run_id)
    for page in (first, second):
        expect(page.get_by_label("Your answer")).to_be_visible()
    first.get_by_label("Your answer").fill("from the first tab")
    first.get_by_role("button", name="Answer").click()
    for page in (first, second):
        expect(page.locator(".card.settled")).to_contain_text("from the first tab")
        expect(page.get_by_role("button", name="Answer")).to_have_count(0)
    server.call("POST", f"/v1/runs/{run_id}/cancel")


def test_a_question_outlives_a_reload_and_is_no_form_in_a_replay(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"ask": {"question": "Still there?"}}]})
    page = open_run(watched, server, run_id)
    expect(page.get_by_label("Your answer")).to_be_visible()
    page.reload()
    page.get_by_label("Your answer").fill("yes")
    page.keyboard.press("Enter")
    expect(page.locator(".outcome")).to_be_visible()
    asked = next(entry["seq"] for entry in server.log(run_id) if entry["data"].get("name") == "runwire.input_request")
    page.goto(f"{server.origin}/#/runs/{run_id}?seq={asked}")
    expect(page.locator(".card.ask")).to_contain_text("Still there?")
    expect(page.get_by_label("Your answer")).to_have_count(0)
