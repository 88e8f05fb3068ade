"""axe finds nothing, and nothing overflows: light and dark, narrow and wide, in the main states."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize, expect

from tests.e2e.web_page.pages import PageServer, every_field, message
from tests.support.process import ROOT

QUESTION = {
    "question": "Which one?",
    "schema": {
        "type": "object",
        "properties": {"name": {"type": "string", "description": "as it stands there"}, "kind": {"enum": ["a", "b"]}},
        "required": ["name"],
    },
}
AXE = ROOT / "clients/web/node_modules/axe-core/axe.min.js"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_no_violation(
    chromium: Browser, context: BrowserContext, server: PageServer, scheme: Literal["light", "dark"], width: int
) -> None:
    steps = [
        *message(["# Title\n\nText with `code` and [a link](https://example.com).\n\n| a | b |\n|---|---|\n| 1 | 2 |"]),
        *({"emit": event} for event in every_field("plain words")[3:]),
        {"step": {"name": "a step", "status": "PASSED"}},
    ]
    run_id = server.start("scripted", {"steps": steps})
    server.wait_ended(run_id)
    asking = server.start("scripted", {"steps": [{"ask": QUESTION}]})
    state = context.storage_state()
    size: ViewportSize = {"width": width, "height": 800}
    with chromium.new_context(storage_state=state, viewport=size, color_scheme=scheme) as visitor:
        page = visitor.new_page()
        for address, ready in (
            ("/#/", ".agent"),
            (f"/#/runs/{run_id}", ".outcome"),
            (f"/#/runs/{asking}", ".answer"),
            ("/#/server", ".chart"),
        ):
            page.goto(server.origin + address)
            expect(page.locator(ready).first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.evaluate(AXE.read_text())
            result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in result["violations"]]
            assert found == [], found
    server.call("POST", f"/v1/runs/{asking}/cancel")
