"""What can be done with an ended run: repeat it, fork it, take its files away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.web_page.pages import PageServer, Watched, open_run
from tests.support import agents, attempt_agents


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path]) -> Iterator[PageServer]:
    """A server with agents that can fork."""
    running = PageServer(make_data(), agents=[*agents.PATHS, *attempt_agents.PATHS])
    try:
        yield running
    finally:
        running.kill()


def test_retry_repeats_the_run_in_its_conversation(watched: Watched, server: PageServer) -> None:
    first = server.start("echo", "once more")
    server.wait_ended(first)
    page = open_run(watched, server, first)
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".run-title small")).to_contain_text("retry of run 1")
    expect(page.locator(".chip")).to_have_text("Done")
    expect(page.locator(".rows")).to_contain_text("once more")
    again = page.url.rsplit("/", 1)[1]
    run = server.call("GET", f"/v1/runs/{again}")
    assert (run["retry_of"], run["thread_id"]) == (first, server.call("GET", f"/v1/runs/{first}")["thread_id"])
    page.get_by_role("link", name="retry of run 1").click()
    expect(page.locator(".turns a").first).to_have_attribute("aria-current", "page")


def test_a_key_retries_an_ended_run_and_leaves_a_live_one_alone(watched: Watched, server: PageServer) -> None:
    live = server.start("scripted", {"steps": [{"text": "begun"}, {"hang": "async"}]})
    page = open_run(watched, server, live)
    expect(page.locator(".rows")).to_contain_text("begun")
    page.locator("body").press("Shift+R")
    server.call("POST", f"/v1/runs/{live}/cancel")
    expect(page.locator(".chip")).to_have_text("Cancelled")
    assert page.url.endswith(live)
    page.locator("body").press("Shift+R")
    expect(page.locator(".run-title small")).to_contain_text("retry of run 1")
    expect(page.locator(".rows")).to_contain_text("begun")
    server.call("POST", f"/v1/runs/{page.url.rsplit('/', 1)[1]}/cancel")
    expect(page.locator(".chip")).to_have_text("Cancelled")


def test_a_replay_forks_from_its_moment_where_the_agent_can(watched: Watched, server: PageServer) -> None:
    run_id = server.start("walks", 4)
    server.wait_ended(run_id)
    page = open_run(watched, server, run_id, "?seq=4")
    page.get_by_role("button", name="Fork here").click()
    expect(page.locator(".run-title small")).to_contain_text("forked from run 1 at #4")
    expect(page.locator(".chip")).to_have_text("Done")
    assert server.call("GET", f"/v1/runs/{page.url.rsplit('/', 1)[1]}")["from_seq"] == 4


def test_files_and_the_conversation_are_taken_away(watched: Watched, server: PageServer) -> None:
    run_id = server.start("files", [{"name": "notes.txt"}, {"name": "more.txt"}])
    server.wait_ended(run_id)
    page = open_run(watched, server, run_id)
    for link, suffix, begin in (
        ("All files of this run", ".zip", b"PK"),
        ("Conversation as Markdown", ".md", b"# "),
        ("Conversation as JSON log", ".json", b"{"),
        ("Conversation as zip", ".zip", b"PK"),
        ("notes.txt", "notes.txt", b"xxx"),
    ):
        page.get_by_label("Downloads").click()
        with page.expect_download() as download:
            page.locator(".menu-list").get_by_role("link", name=link).click()
        assert download.value.suggested_filename.endswith(suffix)
        assert Path(download.value.path()).read_bytes().startswith(begin)
        expect(page.locator(".menu-list")).not_to_be_visible()


def test_a_browser_tests_traversal_is_taken_away(watched: Watched, server: PageServer) -> None:
    page = watched.page
    test = {"url": "/samples/shop/index.html", "steps": ['Verify title contains "Sample shop"']}
    run_id = server.start("browser-test", test)
    server.wait_ended(run_id, 30)
    open_run(watched, server, run_id)
    page.get_by_label("Downloads").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Traversal").click()
    assert json.loads(Path(download.value.path()).read_text())["run_id"] == run_id


def test_escape_closes_the_menu_and_stops_no_run(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"text": "begun"}, {"hang": "async"}]})
    page = open_run(watched, server, run_id)
    expect(page.locator(".rows")).to_contain_text("begun")
    page.get_by_label("Downloads").click()
    expect(page.locator(".menu-list")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".menu-list")).not_to_be_visible()
    assert server.call("GET", f"/v1/runs/{run_id}")["cancel_requested"] is False
    server.call("POST", f"/v1/runs/{run_id}/cancel")
