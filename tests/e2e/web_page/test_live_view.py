"""Row F10 on the page: the run's browser live on a canvas, and a person who takes it over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from websockets.sync.client import connect

from tests.e2e.web_page.pages import LIMIT_MS, PageServer, Watched, open_run, watch
from tests.e2e.web_page.wire import Wire
from tests.support.isolated_agents import PATHS

NEVER = 'Wait for text "never there"'
CHECKOUT = "/samples/shop/checkout.html"
VIEWPORT = (1280, 720)
LEASE_S = 3.0
INK = """canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let at = 0; at < data.length && seen.size < 8; at += 4 * 97) {
    seen.add(data.slice(at, at + 3).join());
  }
  return seen.size;
}"""
"""JavaScript that counts a canvas' colours, as far as eight."""
FIELD = (400, 225)
"""A place inside the field "Name" of the checkout, CSS pixels of its page."""


def until(page: Page, condition: Callable[[], bool], what: str) -> None:
    """Wait for something that no locator tells. Raises AssertionError that says what did not come."""
    for _ in range(LIMIT_MS // 50):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"missing: {what}")


@contextmanager
def shown(watched: Watched, server: PageServer, *steps: str, url: str = CHECKOUT) -> Iterator[tuple[Page, str]]:
    """Run a browser test, open it and wait until its page is on the canvas; it is cancelled at the end."""
    run_id = server.start("browser-test", {"url": url, "steps": list(steps), "step_timeout_s": 30})
    try:
        page = open_run(watched, server, run_id)
        expect(page.locator(".live canvas")).to_be_visible()
        until(page, lambda: page.locator(".live canvas").evaluate(INK) == 8, "a picture of the loaded page")
        yield page, run_id
    finally:
        server.call("POST", f"/v1/runs/{run_id}/cancel")
        server.wait_ended(run_id)


def take_over(page: Page) -> None:
    page.get_by_role("button", name="Take over").click()
    expect(page.get_by_text("You have control")).to_be_visible()


def click_page(page: Page, x: int, y: int) -> None:
    """Click a place of the run's page on the canvas."""
    box = page.locator(".live canvas").bounding_box()
    assert box is not None
    page.mouse.click(
        box["x"] + (x + 0.5) / VIEWPORT[0] * box["width"], box["y"] + (y + 0.5) / VIEWPORT[1] * box["height"]
    )


def asked(page: Page, wire: Wire, expected: list[str]) -> None:
    """Wait until exactly this was asked about views."""
    until(page, lambda: len(wire.ops("view.")) >= len(expected), f"{expected} on the wire")
    assert wire.ops("view.") == expected


def test_f10_a_person_helps_the_agent_with_mouse_keys_and_text(watched: Watched, server: PageServer) -> None:
    with shown(watched, server, 'Verify value of "Name" is "Ada Löwe 42"') as (page, run_id):
        take_over(page)
        click_page(page, *FIELD)
        page.keyboard.type("Ada L")
        page.locator(".live canvas").dispatch_event("keydown", {"key": "ö", "bubbles": True})  # a key of other layouts
        page.keyboard.type("WE")
        for _ in range(2):
            page.keyboard.press("Backspace")
        page.get_by_label("Text for the page").fill("we 4")
        page.keyboard.press("Enter")
        page.locator(".live canvas").focus()
        page.keyboard.press("2")
        page.get_by_role("button", name="Give back").click()
        expect(page.locator(".chip")).to_have_text("Passed")
        expect(page.locator(".rows")).to_contain_text("admin took control of the browser.")
        expect(page.locator(".rows")).to_contain_text("admin gave control back to the agent.")
        expect(page.locator(".live")).to_have_count(0)
        expect(page.locator(".screen img")).to_be_visible()
        assert server.wait_ended(run_id)["verdict"] == "passed"


def turned(wire: Wire) -> float:
    """Return how far the wheel was turned in all, CSS pixels."""
    inputs = [message["input"] for message in wire.sent if message["op"] == "view.input"]
    return float(sum(one["dy"] for one in inputs if one["kind"] == "wheel"))


def test_quick_clicks_and_the_wheel_reach_the_page(watched: Watched, server: PageServer) -> None:
    wire = Wire(watched.page)
    with shown(watched, server, 'Verify value of "Name" is "new"') as (page, _):
        take_over(page)
        click_page(page, *FIELD)
        page.keyboard.type("older")
        box = page.locator(".live canvas").bounding_box()
        assert box is not None
        at = box["x"] + FIELD[0] / VIEWPORT[0] * box["width"], box["y"] + FIELD[1] / VIEWPORT[1] * box["height"]
        page.mouse.dblclick(*at)  # selects the word, which the next key replaces
        page.keyboard.type("new")
        for _ in range(10):
            page.mouse.wheel(0, 30)
        until(page, lambda: turned(wire) == 300, "every turn of the wheel")
        page.get_by_role("button", name="Give back").click()
        expect(page.locator(".chip")).to_have_text("Passed")


def test_escape_twice_leaves_the_canvas_and_stops_nothing(watched: Watched, server: PageServer) -> None:
    with shown(watched, server, NEVER) as (page, run_id):
        take_over(page)
        expect(page.locator(".live canvas")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("?")
        expect(page.locator(".live canvas")).to_be_focused()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Give back")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_text("The agent has control")).to_be_visible()
        assert server.call("GET", f"/v1/runs/{run_id}")["status"] == "RUNNING"


def test_other_people_see_who_holds_and_take_over_when_they_leave(
    watched: Watched, context: BrowserContext, server: PageServer
) -> None:
    with shown(watched, server, NEVER) as (page, run_id):
        take_over(page)
        other = open_run(watch(context, server.origin), server, run_id)
        expect(other.get_by_text("admin has control")).to_be_visible()
        expect(other.locator(".live-control small")).to_have_text(re.compile(r"free in \d+ s unless they go on"))
        expect(other.get_by_role("button", name="Take over")).to_be_disabled()
        page.close()
        take_over(other)
        expect(other.locator(".rows")).to_contain_text("admin left: the agent has control again.")


def test_who_does_nothing_loses_control_and_is_told(chromium: Browser, make_data: Callable[[], Path]) -> None:
    server = PageServer(make_data(), control_lease_s=LEASE_S)
    try:
        with chromium.new_context() as visitor:
            watched = watch(visitor, server.origin)
            watched.page.goto(server.link)
            expect(watched.page.locator(".agent").first).to_be_visible()
            with shown(watched, server, NEVER) as (page, _):
                take_over(page)
                expect(page.locator(".live-control small")).to_have_text(re.compile(r"back to the agent after \d s"))
                expect(page.get_by_text("Control went back to the agent.")).to_be_visible()
                expect(page.get_by_role("button", name="Take over")).to_be_focused()
                expect(page.locator(".rows")).to_contain_text("did nothing for too long")
            watched.is_clean()
    finally:
        server.kill()


def test_after_a_cut_the_picture_is_stale_and_then_live_again(watched: Watched, server: PageServer) -> None:
    wire = Wire(watched.page)
    with shown(watched, server, NEVER) as (page, _):
        take_over(page)
        blocked = [True]
        wire.refuse = lambda: blocked[0]
        wire.cut(1012)
        expect(page.locator(".badge")).to_have_text("Stale")
        expect(page.get_by_text("The connection was lost: the agent has control again.")).to_be_visible()
        expect(page.get_by_role("button", name="Take over")).to_be_disabled()
        blocked[0] = False
        page.evaluate("dispatchEvent(new Event('online'))")
        expect(page.locator(".badge")).to_have_count(0)
        take_over(page)
        assert wire.ops("view.open") == ["view.open"] * 2


def test_pictures_that_stop_coming_are_called_stale(watched: Watched, server: PageServer) -> None:
    wire = Wire(watched.page)
    watched.page.clock.install()
    with shown(watched, server, NEVER) as (page, _):
        expect(page.locator(".badge")).to_have_count(0)
        wire.freeze()
        page.clock.fast_forward(13_000)
        expect(page.locator(".badge")).to_have_text("Stale")


def test_nothing_is_captured_while_nobody_looks(watched: Watched, server: PageServer) -> None:
    wire = Wire(watched.page)
    look = """state => {
      Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => state});
      document.dispatchEvent(new Event('visibilitychange'));
    }"""
    with shown(watched, server, 'Verify text "Checkout"', NEVER) as (page, _):
        expected = ["view.open"]
        for leave, come_back in (
            (lambda: page.evaluate(look, "hidden"), lambda: page.evaluate(look, "visible")),
            (lambda: page.locator(".step.passed").click(), page.get_by_role("button", name="Follow latest").click),
            (page.get_by_role("button", name="Live").click, page.get_by_role("button", name="Live").click),
            (page.get_by_role("button", name="Raw log").click, page.get_by_role("button", name="Raw log").click),
        ):
            leave()
            expected.append("view.close")
            asked(page, wire, expected)
            come_back()
            expected.append("view.open")
            asked(page, wire, expected)
            expect(page.locator(".live canvas")).to_be_visible()


def test_who_wants_less_motion_is_asked_first(watched: Watched, server: PageServer) -> None:
    wire = Wire(watched.page)
    watched.page.emulate_media(reduced_motion="reduce")
    run_id = server.start("browser-test", {"url": CHECKOUT, "steps": ['Verify text "Checkout"', NEVER]})
    page = open_run(watched, server, run_id)
    try:
        expect(page.locator(".screen img")).to_be_visible()
        assert wire.ops("view.") == []
        page.get_by_role("button", name="Live").click()
        expect(page.locator(".live canvas")).to_be_visible()
    finally:
        server.call("POST", f"/v1/runs/{run_id}/cancel")


def test_an_agent_without_steps_is_watched_in_a_process_of_its_own(
    chromium: Browser, make_data: Callable[[], Path]
) -> None:
    """It does not even say that it uses a browser: the picture does."""
    server = PageServer(make_data(), agents=PATHS, browser_allow=("127.0.0.1",))
    try:
        with chromium.new_context() as visitor:
            watched = watch(visitor, server.origin)
            watched.page.goto(server.link)
            run_id = server.start("shows-page", f"{server.origin}{CHECKOUT}")
            page = open_run(watched, server, run_id)
            expect(page.locator(".live canvas")).to_be_visible()
            expect(page.locator(".stage-head strong")).to_have_text("Browser")
            take_over(page)
            expect(page.locator(".rows")).to_contain_text("admin took control of the browser.")
            page.get_by_role("button", name="Live").click()
            expect(page.locator(".screen-empty")).to_contain_text("Working…")
            page.get_by_role("button", name="Live").click()
            expect(page.locator(".live canvas")).to_be_visible()
            server.call("POST", f"/v1/runs/{run_id}/cancel")
            expect(page.locator(".chip")).to_have_text("Cancelled")
            expect(page.locator(".stage")).to_have_count(0)
            wire, without = Wire(page), server.start("scripted", {"steps": [{"text": "begun"}, {"hang": "async"}]})
            page.reload()
            open_run(watched, server, without)
            asked(page, wire, ["view.open"])
            expect(page.locator(".rows")).to_contain_text("begun")
            expect(page.locator(".stage")).to_be_hidden()
            expect(page.locator(".run-body.split")).to_have_count(0)
            server.call("POST", f"/v1/runs/{without}/cancel")
            watched.is_clean()
    finally:
        server.kill()


def test_a_finger_taps_and_scrolls_on_a_telephone(
    chromium: Browser, context: BrowserContext, server: PageServer
) -> None:
    state = context.storage_state()
    with chromium.new_context(
        storage_state=state, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    ) as telephone:
        watched = watch(telephone, server.origin)
        wire = Wire(watched.page)
        with shown(watched, server, 'Verify value of "Name" is "Ada"') as (page, _):
            take_over(page)
            box = page.locator(".live canvas").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360
            page.touchscreen.tap(
                box["x"] + FIELD[0] / VIEWPORT[0] * box["width"], box["y"] + FIELD[1] / VIEWPORT[1] * box["height"]
            )
            page.get_by_label("Text for the page").fill("Ada")
            page.get_by_role("button", name="Insert").click()
            page.get_by_role("button", name="Give back").click()
            expect(page.locator(".chip")).to_have_text("Passed")
        assert "down" in [message["input"].get("action") for message in wire.sent if message["op"] == "view.input"]
        watched.is_clean()


@pytest.mark.parametrize("name", ["<img src=x onerror='window.hacked=1'>", "[x](javascript:window.hacked=1)"])
def test_a_hostile_name_of_a_holder_is_text(watched: Watched, server: PageServer, name: str) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    with (
        shown(watched, server, NEVER) as (page, run_id),
        connect(f"{server.ws_origin}/ws", additional_headers=headers) as other,
    ):
        opening = {"id": 1, "op": "view.open", "run_id": run_id, "name": name}
        for command in (opening, {"id": 2, "op": "view.control", "view": 1, "action": "take"}):
            other.send(json.dumps(command))
        expect(page.get_by_text(f"{name} has control")).to_be_visible()
        expect(page.locator(".rows")).to_contain_text(f"{name} took control of the browser.")
        assert page.evaluate("window.hacked") is None
        assert page.locator(".live img, .rows img, .rows a").count() == 0
