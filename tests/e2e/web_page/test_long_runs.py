"""Long runs stay small, open at their end, and follow it only where the reader wants that."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import BrowserContext, expect

from tests.e2e.web_page.pages import PageServer, Watched, message, open_run, watch

NODE_BUDGET = 400
HEAP_BUDGET_MB = 80


def test_fifty_thousand_events_stay_small(context: BrowserContext, server: PageServer) -> None:
    paragraphs = [f"Paragraph {n} with **bold** text.\n\n- a\n- b\n\n" for n in range(1_000)]
    steps: list[dict[str, Any]] = [{"step": {"name": f"step {n}", "status": "PASSED"}} for n in range(4_000)]
    steps += [*message(paragraphs), {"burst": {"count": 41_000, "bytes": 20}}, {"text": "the very end"}]
    run_id = server.start("scripted", {"steps": steps})
    assert server.wait_ended(run_id, 20)["as_of_seq"] >= 50_000
    page = watch(context, server.origin).page
    page.goto(f"{server.origin}/#/runs/{run_id}")
    expect(page.locator(".chip")).to_have_text("Passed", timeout=15_000)
    expect(page.locator(".rows")).to_contain_text("the very end")
    assert page.evaluate("document.querySelectorAll('*').length") <= NODE_BUDGET
    page.locator(".transcript").evaluate("box => box.scrollTop = box.scrollHeight / 2")
    page.wait_for_timeout(200)
    assert page.evaluate("document.querySelectorAll('*').length") <= NODE_BUDGET
    session = context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap_mb = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    assert heap_mb <= HEAP_BUDGET_MB


def test_the_end_is_followed_only_within_its_reach(watched: Watched, server: PageServer) -> None:
    steps: list[dict[str, Any]] = [{"text": f"line {n}\n\n"} for n in range(80)]
    steps += [step for n in range(30) for step in ({"sleep_s": 0.1}, {"text": f"later {n}\n\n"})]
    run_id = server.start("scripted", {"steps": steps})
    page = open_run(watched, server, run_id)
    expect(page.get_by_text("later 3", exact=True)).to_be_in_viewport()
    page.locator(".transcript").hover()
    page.mouse.wheel(0, -900)
    jump = page.get_by_role("button", name=re.compile(r"Jump to latest \(\d+ new\)"))
    expect(jump).to_be_visible()
    place = page.locator(".rows > .row").nth(8)
    before = place.bounding_box()
    page.wait_for_timeout(400)
    assert place.bounding_box() == before
    jump.click()
    expect(page.get_by_text("later 29", exact=True)).to_be_in_viewport()
    expect(jump).to_have_count(0)


def test_a_long_run_opens_at_its_end_on_a_slow_machine(
    watched: Watched, context: BrowserContext, server: PageServer
) -> None:
    steps = [step for n in range(60) for step in [*message([f"Paragraph {n}.{k}\n\n" for k in range(70)])]]
    run_id = server.start("scripted", {"steps": steps})
    server.wait_ended(run_id)
    context.new_cdp_session(watched.page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page = open_run(watched, server, run_id)
    expect(page.locator(".outcome")).to_be_in_viewport()


def test_a_gentle_scroll_upwards_is_not_pulled_back(watched: Watched, server: PageServer) -> None:
    steps = [step for n in range(1_000) for step in ({"text": f"line {n}\n\n"}, {"sleep_s": 0.02})]
    run_id = server.start("scripted", {"steps": steps})
    page = open_run(watched, server, run_id)
    expect(page.get_by_text(re.compile(r"^line (?:[4-9]\d|\d{3})$")).last).to_be_in_viewport()
    page.locator(".transcript").hover()
    for _ in range(5):
        page.mouse.wheel(0, -20)
        page.wait_for_timeout(20)
    expect(page.get_by_role("button", name=re.compile("Jump to latest"))).to_be_visible()
    server.call("POST", f"/v1/runs/{run_id}/cancel")
    expect(page.locator(".chip")).to_have_text("Cancelled")
