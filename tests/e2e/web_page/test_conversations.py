"""Conversations in the side list: found by words, named, gone on with, exported, deleted; and signing out."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.web_page.pages import PageServer, Watched, open_run


def test_a_conversation_is_found_by_what_was_said_in_it(watched: Watched, server: PageServer) -> None:
    heron = server.start("echo", "a heron stands in the reeds")
    server.start("echo", "nothing of the kind")
    server.wait_ended(heron)
    page = watched.page
    page.goto(server.origin)
    page.keyboard.press("Control+k")
    page.get_by_label("Search conversations").fill("reeds heron")
    expect(page.locator(".conversation")).to_have_count(1)
    page.locator(".run-link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("a heron stands in the reeds")
    page.get_by_label("Search conversations").fill("no such words anywhere")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()


def test_a_failed_test_is_no_success_in_the_list(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"step": {"name": "one of them", "status": "FAILED"}}]})
    server.wait_ended(run_id)
    page = watched.page
    page.goto(server.origin)
    row = page.locator(".run-link", has_text="one of them")
    expect(row.get_by_role("img", name="Test failed")).to_be_visible()


def test_a_conversation_is_named_and_keeps_its_name(watched: Watched, server: PageServer) -> None:
    page = open_run(watched, server, server.start("echo", "first words"))
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Title").fill("Birds of the lake")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".conversation.current .run-name")).to_have_text("Birds of the lake")
    page.reload()
    expect(page.locator(".conversation.current .run-name")).to_have_text("Birds of the lake")


def test_the_runs_of_a_conversation_are_one_click_apart(watched: Watched, server: PageServer) -> None:
    page = watched.page
    page.goto(server.origin)
    page.get_by_role("radio", name="echo").check(force=True)
    page.get_by_label("Message for echo").fill("one")
    page.keyboard.press("Enter")
    page.get_by_placeholder("Go on with echo").fill("two")
    page.keyboard.press("Enter")
    turns = page.get_by_role("navigation", name="Runs of this conversation").get_by_role("link")
    expect(turns).to_have_count(2)
    expect(turns.nth(1)).to_have_attribute("aria-current", "page")
    turns.nth(0).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("one")
    expect(turns.nth(0)).to_have_attribute("aria-current", "page")


def test_a_conversation_is_exported_as_a_file(watched: Watched, server: PageServer) -> None:
    run_id = server.start("echo", "keep these words")
    server.wait_ended(run_id)
    page = open_run(watched, server, run_id)
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON log").click()
    assert "keep these words" in json.dumps(json.loads(Path(download.value.path()).read_text(encoding="utf-8")))


def test_a_conversation_is_deleted_only_when_said_twice(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"text": "to be deleted"}, {"hang": "async"}]})
    page = open_run(watched, server, run_id)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep").click()
    assert server.call("GET", f"/v1/runs/{run_id}")["status"] == "RUNNING"
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("group", name="Delete this conversation?").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What should run?")
    expect(page.locator(f".run-link[href$='{run_id}']")).to_have_count(0)
    assert [each for each in server.call("GET", "/v1/runs")["data"] if each["id"] == run_id] == []


def test_signing_out_ends_the_session(watched: Watched, server: PageServer) -> None:
    page = watched.page
    page.goto(server.origin)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Or paste an access token")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Or paste an access token")).to_be_visible()
    page.goto("about:blank")
    assert all("401" in error for error in watched.errors)  # the browser names each on its console
    watched.errors.clear()
