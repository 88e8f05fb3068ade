"""axe finds nothing, and nothing overflows: light and dark, narrow and wide, in the main states."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.e2e.web_page.pages import PageServer, every_field, message
from tests.support.process import ROOT

Scheme = Literal["light", "dark"]
QUESTION = {
    "question": "Which one?",
    "schema": {
        "type": "object",
        "properties": {"name": {"type": "string", "description": "as it stands there"}, "kind": {"enum": ["a", "b"]}},
        "required": ["name"],
    },
}
AXE = ROOT / "clients/web/node_modules/axe-core/axe.min.js"


TEST = {"url": "/samples/shop/checkout.html", "steps": ['Verify text "Checkout"', 'Wait for text "never there"']}

SETTLED = """() => Promise.allSettled(
  document.getAnimations().filter(each => each instanceof CSSTransition).map(each => each.finished)
)"""
"""JavaScript that waits for colours on their way: in between they have too little contrast."""


def is_accessible(page: Page) -> None:
    """Assert that axe finds nothing and that nothing is wider than the window."""
    size = page.viewport_size
    assert size is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.evaluate(SETTLED)
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    found = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in result["violations"]]
    assert found == [], found


@contextmanager
def visit(chromium: Browser, context: BrowserContext, scheme: Scheme, width: int) -> Iterator[Page]:
    """Open a page of a signed-in visitor with this taste and this window."""
    size: ViewportSize = {"width": width, "height": 800}
    with chromium.new_context(storage_state=context.storage_state(), viewport=size, color_scheme=scheme) as visitor:
        yield visitor.new_page()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_no_violation(
    chromium: Browser, context: BrowserContext, server: PageServer, scheme: Scheme, width: int
) -> None:
    steps = [
        *message(["# Title\n\nText with `code` and [a link](https://example.com).\n\n| a | b |\n|---|---|\n| 1 | 2 |"]),
        *({"emit": event} for event in every_field("plain words")[3:]),
        {"step": {"name": "a step", "status": "PASSED"}},
    ]
    run_id = server.start("scripted", {"steps": steps})
    server.wait_ended(run_id)
    asking = server.start("scripted", {"steps": [{"ask": QUESTION}]})
    with visit(chromium, context, scheme, width) as page:
        for address, ready in (
            ("/#/", ".agent"),
            (f"/#/runs/{run_id}", ".outcome"),
            (f"/#/runs/{asking}", ".answer"),
            ("/#/server", ".chart"),
        ):
            page.goto(server.origin + address)
            expect(page.locator(ready).first).to_be_visible()
            is_accessible(page)
    server.call("POST", f"/v1/runs/{asking}/cancel")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_no_violation_in_saved_tests(
    chromium: Browser, context: BrowserContext, server: PageServer, scheme: Scheme, width: int
) -> None:
    server.call("POST", "/v1/tasks", {"id": "axe", "test": {**TEST, "timeout_s": 60}})
    with visit(chromium, context, scheme, width) as page:
        page.goto(f"{server.origin}/#/tests")
        expect(page.locator(".test-row").first).to_be_visible()
        is_accessible(page)
        page.goto(f"{server.origin}/#/tests/axe")
        expect(page.get_by_text("The test is sound.")).to_be_visible()
        is_accessible(page)
        page.get_by_label(re.compile("^Steps")).fill("Reload\nClick\n" + "Juggle " * 60)
        expect(page.locator(".line-fault")).to_have_count(2)
        page.get_by_label("Configuration").select_option("New configuration…")
        page.get_by_role("button", name="Delete").click()
        is_accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_no_violation_in_the_live_view(
    chromium: Browser, context: BrowserContext, server: PageServer, scheme: Scheme, width: int
) -> None:
    run_id = server.start("browser-test", {**TEST, "step_timeout_s": 60})
    with visit(chromium, context, scheme, width) as page, visit(chromium, context, scheme, width) as other:
        for each in (page, other):
            each.goto(f"{server.origin}/#/runs/{run_id}")
            expect(each.locator(".live canvas")).to_be_visible()
        is_accessible(page)
        page.get_by_role("button", name="Take over").click()
        expect(page.get_by_text("You have control")).to_be_visible()
        expect(other.get_by_text("admin has control")).to_be_visible()
        is_accessible(page)
        is_accessible(other)
    server.call("POST", f"/v1/runs/{run_id}/cancel")
