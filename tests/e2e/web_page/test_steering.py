"""Writing while a run works: Ctrl+Enter reaches the agent at once, Enter queues a run behind it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.web_page.pages import PageServer, Watched, open_run, transcript


def say(page: Page, words: str, key: str) -> None:
    page.get_by_placeholder("Tell chats more").fill(words)
    page.keyboard.press(key)


def test_a_message_reaches_the_agent_while_it_works(watched: Watched, server: PageServer) -> None:
    page = open_run(watched, server, server.start("chats", "birds"))
    expect(page.get_by_text("You began with: birds.")).to_be_visible()
    say(page, "and fish", "Control+Enter")
    expect(page.get_by_text("You said: and fish.")).to_be_visible()
    expect(page.locator(".row .bubble", has_text="and fish")).to_have_count(1)
    say(page, "bye", "Control+Enter")
    expect(page.locator(".run-head .chip")).to_have_text("Done")


def test_what_is_queued_runs_next_and_is_shown_then(watched: Watched, server: PageServer) -> None:
    run_id = server.start("chats", "first")
    page = open_run(watched, server, run_id)
    expect(page.get_by_text("You began with: first.")).to_be_visible()
    say(page, "second", "Enter")
    turns = page.get_by_role("navigation", name="Runs of this conversation").get_by_role("link")
    expect(turns).to_have_count(2)
    assert [each["status"] for each in server.call("GET", "/v1/runs?agent=chats&limit=2")["data"]] == [
        "QUEUED",
        "RUNNING",
    ]
    assert "second" not in transcript(page)
    say(page, "bye", "Control+Enter")
    expect(page.get_by_text("You began with: second.")).to_be_visible()
    expect(turns.nth(1)).to_have_attribute("aria-current", "page")
    say(page, "bye", "Control+Enter")
    expect(page.locator(".run-head .chip")).to_have_text("Done")
