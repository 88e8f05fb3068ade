"""How a visitor comes in: the printed link, a token, and what is said without either."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.web_page.pages import PageServer, watch


def test_the_printed_link_signs_in_once_and_leaves_no_code_in_the_address(chromium: Browser, data: Path) -> None:
    server = PageServer(data)
    try:
        with chromium.new_context() as first, chromium.new_context() as second:
            page = watch(first, server.origin)
            page.page.goto(server.link)
            expect(page.page.get_by_role("heading", name="What should run?")).to_be_visible()
            assert page.page.url == f"{server.origin}/"
            (cookie,) = first.cookies()
            assert cookie["httpOnly"] is True
            assert cookie["sameSite"] == "Strict"
            page.page.reload()
            expect(page.page.get_by_role("heading", name="What should run?")).to_be_visible()
            page.is_clean()
            late = second.new_page()
            late.goto(server.link)
            expect(late.get_by_role("alert")).to_contain_text("used before or is too old")
            assert "code=" not in late.url
    finally:
        server.kill()


def test_without_a_session_the_page_says_what_to_do_and_takes_a_token(chromium: Browser, server: PageServer) -> None:
    with chromium.new_context() as visitor:
        page = visitor.new_page()
        page.goto(server.origin)
        expect(page.get_by_text("Open the link that the server printed")).to_be_visible()
        page.get_by_label("Or paste an access token").fill("rw_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("does not know this token")
        page.get_by_label("Or paste an access token").fill(server.token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="What should run?")).to_be_visible()
