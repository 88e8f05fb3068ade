"""Share links on the page: made, given away, looked at without signing in, revoked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from runwire.ids import new_id
from tests.e2e.web_page.pages import PageServer, Watched, message, open_run, slow_script, watch
from tests.e2e.web_page.test_accessibility import Scheme, is_accessible
from tests.e2e.web_page.test_accessibility import visit as visiting

Visit = Callable[[str], Watched]


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path]) -> Iterator[PageServer]:
    """A server that lets its users share."""
    running = PageServer(make_data(), share_links=True)
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture
def visit(chromium: Browser, server: PageServer) -> Iterator[Visit]:
    """Return a function that opens a link in the browser of somebody who is not signed in."""
    contexts = []

    def open_link(link: str) -> Watched:
        contexts.append(chromium.new_context(viewport={"width": 1200, "height": 800}))
        watched = watch(contexts[-1], server.origin)
        watched.page.goto(link)
        return watched

    yield open_link
    for context in contexts:
        context.close()


def _make_link(page: Page, what: str = "This run") -> str:
    page.get_by_role("button", name="Share", exact=True).click()
    page.get_by_label("What").select_option(label=what)
    page.get_by_role("button", name="Make a link").click()
    return page.get_by_label("The link").input_value()


def test_a_visitor_watches_a_live_run_and_can_change_nothing(
    watched: Watched, server: PageServer, visit: Visit
) -> None:
    run_id = server.start("scripted", slow_script(40, 0.1))
    guest = visit(_make_link(open_run(watched, server, run_id)))
    page = guest.page
    expect(page.get_by_text("Read-only")).to_be_visible()
    expect(page.locator(".chip")).to_have_text("Running")
    expect(page.locator(".rows")).to_contain_text("w3")
    assert "rwl_" not in page.url
    for name in ("Stop", "Retry", "Share", "Start the run"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(page.get_by_role("textbox")).to_have_count(0)
    page.locator("body").press("Escape")
    page.locator("body").press("n")
    expect(page.locator(".chip")).to_have_text("Done")
    expect(page.locator(".rows")).to_contain_text("w39")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("group", name="Replay")).to_be_visible()
    page.reload()
    expect(page.locator(".chip")).to_have_text("Done")
    guest.is_clean()


def test_a_visitor_sees_the_pictures_of_a_run_and_takes_its_files(
    watched: Watched, server: PageServer, visit: Visit
) -> None:
    files = [{"name": "shot.png", "kind": "screenshot", "mime": "image/png"}, {"name": "notes.txt"}]
    run_id = server.start("files", files)
    server.wait_ended(run_id)
    guest = visit(_make_link(open_run(watched, server, run_id)))
    source = guest.page.get_by_role("img", name="shot.png").get_attribute("src")
    assert source is not None
    assert source.startswith("/v1/shared/")
    assert guest.page.request.get(server.origin + source).status == 200
    guest.page.get_by_label("Downloads").click()
    with guest.page.expect_download() as download:
        guest.page.get_by_role("link", name="All files of this run").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")
    guest.errors.clear()  # three bytes are no picture, which the browser says
    guest.is_clean()


def test_a_question_is_shown_to_a_visitor_without_its_form(watched: Watched, server: PageServer, visit: Visit) -> None:
    run_id = server.start("scripted", {"steps": [{"ask": {"question": "Which one?"}}]})
    page = open_run(watched, server, run_id)
    expect(page.get_by_role("button", name="Answer")).to_be_visible()
    guest = visit(_make_link(page))
    expect(guest.page.get_by_text("Which one?")).to_be_visible()
    expect(guest.page.get_by_role("button", name="Answer")).to_have_count(0)
    server.call("POST", f"/v1/runs/{run_id}/cancel")
    expect(guest.page.locator(".chip")).to_have_text("Cancelled")
    guest.is_clean()


def test_a_shared_conversation_goes_on_to_what_is_said_later(
    watched: Watched, server: PageServer, visit: Visit
) -> None:
    first = server.start("echo", "first words")
    server.wait_ended(first)
    page = open_run(watched, server, first)
    guest = visit(_make_link(page, "The whole conversation, later runs too"))
    expect(guest.page.get_by_role("heading", level=1)).to_have_text("first words")
    page.get_by_role("button", name="Close").click()
    page.get_by_placeholder("Go on with echo").fill("later words")
    page.keyboard.press("Enter")
    expect(guest.page.get_by_role("heading", level=1)).to_have_text("later words")
    expect(guest.page.get_by_role("navigation", name="Runs of this conversation").get_by_role("link")).to_have_count(2)
    guest.is_clean()


def test_revoking_ends_what_a_visitor_sees(watched: Watched, server: PageServer, visit: Visit) -> None:
    run_id = server.start("scripted", {"steps": [*message(["secret plan"]), {"hang": "async"}]})
    page = open_run(watched, server, run_id)
    link = _make_link(page)
    guest = visit(link)
    expect(guest.page.locator(".rows")).to_contain_text("secret plan")
    links = page.get_by_role("list", name="Links that are out")
    expect(links.get_by_role("listitem")).to_have_count(1)
    links.get_by_role("button", name="Revoke").click()
    expect(links).to_have_count(0)
    expect(guest.page.get_by_role("alert")).to_contain_text("expired or was revoked")
    expect(guest.page.get_by_text("secret plan")).to_have_count(0)
    late = visit(link)
    expect(late.page.get_by_role("alert")).to_contain_text("expired or was revoked")
    assert all("401" in error for error in guest.errors + late.errors)  # the browser names each on its console
    server.call("POST", f"/v1/runs/{run_id}/cancel")


def test_a_part_of_a_link_says_what_it_is(server: PageServer, visit: Visit) -> None:
    for part in ("/shared", "/shared#link=", "/shared/nosuchshare"):
        expect(visit(server.origin + part).page.get_by_role("alert")).to_contain_text("only a part of it")


def test_somebody_signed_in_sees_a_link_as_a_visitor_and_stays_signed_in(watched: Watched, server: PageServer) -> None:
    run_id = server.start("echo", "to be shown")
    server.wait_ended(run_id)
    page = open_run(watched, server, run_id)
    page.goto(_make_link(page))
    expect(page.get_by_text("Read-only")).to_be_visible()
    page.goto(server.origin)
    expect(page.get_by_role("heading", name="What should run?")).to_be_visible()


def test_without_the_setting_the_page_offers_no_link(chromium: Browser, data: Path) -> None:
    server = PageServer(data)
    try:
        with chromium.new_context() as context:
            context.request.post(
                f"{server.origin}/v1/login", data={"token": server.token}, headers={"Origin": server.origin}
            )
            page = open_run(watch(context, server.origin), server, server.start("echo", "private"))
            expect(page.locator(".chip")).to_have_text("Done")
            expect(page.get_by_role("button", name="Raw log")).to_be_visible()
            expect(page.get_by_role("button", name="Share", exact=True)).to_have_count(0)
    finally:
        server.kill()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_no_violation_in_what_is_shared(
    chromium: Browser, context: BrowserContext, server: PageServer, scheme: Scheme, width: int
) -> None:
    thread = new_id()
    run_id = ""
    for body in ({"agent": "files", "input": [{"name": "a file.txt"}]}, {"agent": "echo", "input": "later words"}):
        run_id = str(server.call("POST", "/v1/runs", {**body, "thread_id": thread})["id"])
        server.wait_ended(run_id)
    with visiting(chromium, context, scheme, width) as page:
        page.goto(f"{server.origin}/#/runs/{run_id}")
        expect(page.locator(".turn-head")).to_be_visible()
        page.get_by_label("Downloads").click()
        is_accessible(page)
        page.keyboard.press("Escape")
        link = _make_link(page, "The whole conversation, later runs too")
        expect(page.get_by_role("list", name="Links that are out")).to_be_visible()
        is_accessible(page)
        page.goto(link)
        expect(page.locator(".turn-head")).to_be_visible()
        is_accessible(page)
        page.goto(f"{server.origin}/shared/nosuchshare")
        expect(page.get_by_role("alert")).to_be_visible()
        is_accessible(page)
