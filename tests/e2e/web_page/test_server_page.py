"""The operators' page: what runs, what waits, a pause and its end; nobody else is shown it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.web_page.pages import PageServer, Watched


def test_an_operator_sees_the_server_and_pauses_an_agent(watched: Watched, server: PageServer) -> None:
    busy = server.start("scripted", {"steps": [{"hang": "async"}]})
    page = watched.page
    page.goto(f"{server.origin}/#/server")
    try:
        expect(page.get_by_role("link", name=busy)).to_be_visible()
        page.get_by_role("button", name="Pause echo").click()
        expect(page.get_by_role("button", name="Resume echo")).to_be_visible()
        waiting = server.start("echo", "held back")
        row = page.get_by_role("row").filter(has_text="echo")
        expect(row).to_contain_text("paused by an operator")
        assert server.call("GET", f"/v1/runs/{waiting}")["status"] == "QUEUED"
        page.goto(f"{server.origin}/#/runs/{waiting}")
        expect(page.get_by_text("paused by an operator").first).to_be_visible()
        page.goto(f"{server.origin}/#/server")
        page.get_by_role("button", name="Resume echo").click()
        server.wait_ended(waiting)
    finally:
        server.call("POST", "/v1/queue/resume", {"agent": "echo"})
        server.call("POST", f"/v1/runs/{busy}/cancel")
