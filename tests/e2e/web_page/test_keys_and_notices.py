"""Keys that keep steps together, notices for who looks elsewhere, and what is remembered of one's taste."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.web_page.pages import PageServer, Watched, open_run, watch

NOTICES = """
window.notices = [];
window.Notification = class {
  static permission = "default";
  static requestPermission() { Notification.permission = "granted"; return Promise.resolve("granted"); }
  constructor(title, options) { window.notices.push([title, options.body]); }
  close() {}
};
Object.defineProperty(document, "visibilityState", {get: () => window.looksAway ? "hidden" : "visible"});
"""
"""A browser's notices as a list, and a tab that can be looked away from: headless Chromium has neither."""


def _steps(count: int) -> list[dict[str, Any]]:
    return [{"step": {"name": f"step {n}", "status": "FAILED" if n == 2 else "PASSED"}} for n in range(count)]


def _current(page: Page) -> tuple[str, str, str]:
    """Return which step the head, the strip and the log say is selected."""
    head = page.locator(".stage-head strong").inner_text()
    strip = page.locator(".segment[aria-current]").get_attribute("title") or ""
    return head, strip, page.locator(".step[aria-pressed=true] .step-text").inner_text()


def test_j_and_k_keep_strip_picture_and_log_at_one_step(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": _steps(5)})
    server.wait_ended(run_id)
    page = open_run(watched, server, run_id)
    expect(page.locator(".stage-head strong")).to_have_text("Step 3/5")
    assert _current(page) == ("Step 3/5", "step 2", "step 2"), "an ended run shows what failed"
    for key, number in (("j", 3), ("j", 4), ("j", 4), ("k", 3), ("k", 2), ("k", 1)):
        page.locator("body").press(key)
        expect(page.locator(".stage-head strong")).to_have_text(f"Step {number + 1}/5")
        assert _current(page)[1:] == (f"step {number}", f"step {number}")
    page.get_by_role("button", name="Follow latest").click()
    expect(page.locator(".stage-head strong")).to_have_text("Step 3/5")


def test_a_bar_is_shown_only_where_the_total_is_known(watched: Watched, server: PageServer) -> None:
    def progress(**facts: Any) -> dict[str, Any]:
        content = {"label": "pages", **facts}
        return {
            "emit": {
                "type": "ACTIVITY_SNAPSHOT",
                "messageId": "p",
                "activityType": "runwire.progress",
                "content": content,
            }
        }

    unknown = server.start("scripted", {"steps": [progress(done=3), {"text": "begun"}, {"hang": "async"}]})
    known = server.start("scripted", {"steps": [progress(done=3, total=9), {"text": "begun"}, {"hang": "async"}]})
    page = open_run(watched, server, unknown)
    expect(page.locator(".rows")).to_contain_text("begun")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.get_by_label("Elapsed time")).not_to_be_empty()
    open_run(watched, server, known)
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "3")
    expect(page.locator(".progress")).to_contain_text("3/9 pages")
    for run_id in (unknown, known):
        server.call("POST", f"/v1/runs/{run_id}/cancel")


def test_notices_come_only_to_who_asked_for_them_and_looks_elsewhere(
    context: BrowserContext, server: PageServer
) -> None:
    context.add_init_script(NOTICES)
    watched = watch(context, server.origin)
    page = watched.page

    def end_one(text: str) -> None:
        run_id = server.start("scripted", {"steps": [{"text": text}, {"ask": {"question": "Go on?"}}]})
        open_run(watched, server, run_id)
        expect(page.locator(".chip")).to_have_text("Needs you")
        server.call("POST", f"/v1/runs/{run_id}/cancel")
        expect(page.locator(".chip")).to_have_text("Cancelled")

    page.goto(server.origin)
    page.evaluate("window.looksAway = true")
    end_one("nobody asked")
    assert page.evaluate("window.notices") == []
    page.evaluate("window.looksAway = false")
    page.get_by_role("button", name="Notices off").click()
    expect(page.get_by_role("button", name="Notices on")).to_be_visible()
    end_one("seen anyway")
    assert page.evaluate("window.notices") == []
    page.evaluate("window.looksAway = true")
    end_one("looked away")
    assert [title for title, _ in page.evaluate("window.notices")] == ["Needs you", "Cancelled"]
    page.get_by_role("button", name="Notices on").click()
    end_one("asked no more")
    assert len(page.evaluate("window.notices")) == 2
    watched.is_clean()


def test_the_theme_is_the_systems_until_chosen_and_is_remembered(watched: Watched, server: PageServer) -> None:
    page = watched.page
    page.emulate_media(color_scheme="light")
    page.goto(server.origin)
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(background)
    assert light != dark
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(background) == light
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.evaluate(background) == light
    page.get_by_role("button", name="Theme: light").click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == dark


def test_who_wants_less_motion_gets_none(chromium: Browser, context: BrowserContext, server: PageServer) -> None:
    run_id = server.start(
        "scripted", {"steps": [{"emit": {"type": "STEP_STARTED", "stepName": "a"}}, {"hang": "async"}]}
    )
    moving = "getComputedStyle(document.querySelector('.step.running .step-mark')).animationDuration"
    seen = {}
    for motion in ("reduce", "no-preference"):
        with chromium.new_context(storage_state=context.storage_state(), reduced_motion=motion) as visitor:
            page = open_run(watch(visitor, server.origin), server, run_id)
            expect(page.locator(".step.running")).to_be_visible()
            seen[motion] = float(str(page.evaluate(moving)).removesuffix("s"))
    assert seen["reduce"] < 0.01 < seen["no-preference"]
    server.call("POST", f"/v1/runs/{run_id}/cancel")
