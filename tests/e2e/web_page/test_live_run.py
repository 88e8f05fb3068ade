"""Rows A5 and F5: a run as it happens, watched, reloaded, stopped, waiting."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, expect

from tests.e2e.web_page.pages import LIMIT_MS, RECORD_TEXT, PageServer, Watched, message, open_run, transcript, watch


def test_a5_text_arrives_and_the_end_of_a_run_is_no_error(watched: Watched, server: PageServer) -> None:
    page = watched.page
    page.goto(server.origin)
    page.get_by_role("radio", name="echo").check(force=True)
    page.get_by_label("Message for echo").fill("Hello from the page")
    page.keyboard.press("Enter")
    expect(page.locator(".rows")).to_contain_text("Hello from the page")
    expect(page.locator(".chip")).to_have_text("Done")
    assert re.search(r"#/runs/[a-z0-9]{24}$", page.url)
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator(".run-link").first).to_contain_text("Hello from the page")


def test_reloading_in_mid_run_loses_nothing_and_kills_nothing(watched: Watched, server: PageServer) -> None:
    words = [f"word{n} " for n in range(40)]
    steps = [step for word in words for step in ({"text": word}, {"sleep_s": 0.05})]
    run_id = server.start("scripted", {"steps": steps})
    page = open_run(watched, server, run_id)
    expect(page.locator(".rows")).to_contain_text("word5")
    page.reload()
    expect(page.locator(".chip")).to_have_text("Done", timeout=LIMIT_MS)
    assert "".join(words).strip() in transcript(page)
    assert server.wait_ended(run_id)["status"] == "SUCCEEDED"


def test_two_watchers_of_one_run_see_the_same(watched: Watched, context: BrowserContext, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"text": "one "}, {"sleep_s": 0.8}, {"text": "two"}]})
    open_run(watched, server, run_id)
    second = open_run(watch(context, server.origin), server, run_id)
    for page in (watched.page, second):
        expect(page.locator(".chip")).to_have_text("Done")
        expect(page.locator(".rows")).to_contain_text("one two")


def test_escape_stops_a_run_and_says_so_until_it_has_stopped(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"text": "begun"}, {"hang": "async"}]})
    page = open_run(watched, server, run_id)
    expect(page.locator(".rows")).to_contain_text("begun")
    seen = page.evaluate_handle(RECORD_TEXT, ".chip")
    page.keyboard.press("Escape")
    expect(page.locator(".chip")).to_have_text("Cancelled")
    assert seen.json_value()[0] == "Stopping…"
    assert server.wait_ended(run_id)["status"] == "CANCELLED"


def test_an_unknown_run_and_a_refused_start_are_said_clearly(watched: Watched, server: PageServer) -> None:
    page = open_run(watched, server, "nosuchrunnosuchrun123456")
    expect(page.get_by_role("heading", name="No such run")).to_be_visible()
    watched.errors.clear()  # the browser itself writes the 404 of the record into the console
    page.goto(server.origin)
    page.get_by_role("radio", name="scripted").check(force=True)
    box = page.get_by_label("Input for scripted, as YAML or JSON")
    expect(box).to_have_value(re.compile("steps:"))
    box.fill("steps:\n  - fly: true")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("script")


def test_f5_the_place_in_the_queue_is_shown(watched: Watched, server: PageServer) -> None:
    busy = [server.start("scripted", {"steps": [{"sleep_s": 20}]}) for _ in range(5)]
    waiting = server.start("echo", "at last")
    behind = server.start("echo", "later still")
    page = open_run(watched, server, waiting)
    expect(page.locator(".chip")).to_have_text(re.compile(r"^1st of 2"))
    expect(page).to_have_title(re.compile(r"^1st of 2.* · at last · Runwire$"))
    expect(page.locator(".run-link", has_text="at last")).to_contain_text("1st of 2")
    expect(page.locator(".run-link", has_text="later still")).to_contain_text("2nd of 2")
    for run_id in busy:
        server.call("POST", f"/v1/runs/{run_id}/cancel")
    expect(page.locator(".chip")).to_have_text("Done")
    expect(page.locator(".run-link", has_text="later still")).not_to_contain_text("of")
    expect(page.locator(".run-link", has_text="later still").get_by_role("img", name="Done")).to_be_visible()
    assert server.wait_ended(behind)["status"] == "SUCCEEDED"


def test_escape_takes_a_waiting_run_out_of_the_queue(watched: Watched, server: PageServer) -> None:
    busy = [server.start("scripted", {"steps": [{"sleep_s": 20}]}) for _ in range(5)]
    waiting = server.start("echo", "never to be said")
    page = open_run(watched, server, waiting)
    expect(page.locator(".chip")).to_have_text(re.compile(r"^1st of 1"))
    page.keyboard.press("Escape")
    expect(page.locator(".chip")).to_have_text("Cancelled")
    assert "RUNNING" not in [entry["data"].get("status") for entry in server.log(waiting)]
    for run_id in busy:
        server.call("POST", f"/v1/runs/{run_id}/cancel")
        server.wait_ended(run_id)


def test_stopping_is_said_until_the_work_has_stopped(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"text": "begun"}, {"hang": "sync"}]})
    page = open_run(watched, server, run_id)
    expect(page.locator(".rows")).to_contain_text("begun")
    page.keyboard.press("Escape")
    expect(page.locator(".chip")).to_have_text("Stopping…")
    page.wait_for_timeout(1_000)
    expect(page.locator(".chip")).to_have_text("Stopping…")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    assert server.call("GET", f"/v1/runs/{run_id}")["cancel_requested"] is True
    assert server.wait_ended(run_id, 14)["status"] in ("CANCELLED", "FAILED")
    expect(page.locator(".chip")).not_to_have_text("Stopping…")


def test_f5_what_holds_a_run_back_is_shown(watched: Watched, server: PageServer) -> None:
    server.call("POST", "/v1/queue/pause")
    try:
        page = open_run(watched, server, server.start("echo", "at last"))
        expect(page.locator(".run-title small")).to_contain_text("waits: the queue is paused by an operator")
    finally:
        server.call("POST", "/v1/queue/resume")
    expect(page.locator(".chip")).to_have_text("Done")
    expect(page.locator(".run-title small")).not_to_contain_text("waits")


def test_the_status_line_speaks_little(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"sleep_s": 1.5}, *message([f"t{n} " for n in range(8_000)])]})
    page = open_run(watched, server, run_id)
    expect(page.locator(".chip")).to_be_visible()
    spoken = page.evaluate_handle(RECORD_TEXT, "[aria-live=polite]")
    expect(page.locator(".chip")).to_have_text("Done")
    words = spoken.json_value()
    assert 1 <= len(words) <= 10
    assert words[-1] == "Run ended: Done."
    assert page.locator(".transcript [aria-live], .transcript[aria-live]").count() == 0


def test_the_keyboard_reaches_help_search_and_a_new_run(watched: Watched, server: PageServer) -> None:
    page = watched.page
    page.goto(server.origin)
    expect(page.get_by_role("heading", name="What should run?")).to_be_visible()
    page.locator("body").press("Control+k")
    expect(page.get_by_label("Search conversations")).to_be_focused()
    page.get_by_label("Search conversations").blur()
    page.locator("body").press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_have_count(0)
