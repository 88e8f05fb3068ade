"""Rows F13 and C3: replays, the raw log, and browser runs step by step."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.e2e.web_page.pages import PageServer, Watched, open_run

PLAY = """async (video) => {
  await video.play();
  while (video.currentTime === 0) await new Promise((turn) => video.requestVideoFrameCallback(turn));
  return video.duration;
}"""


def test_f13_a_finished_run_replays_and_has_a_permalink(watched: Watched, server: PageServer) -> None:
    steps = [{"text": "first "}, {"sleep_s": 0.4}, {"text": "second "}, {"sleep_s": 0.4}, {"text": "third"}]
    run_id = server.start("scripted", {"steps": steps})
    entries = server.log(server.wait_ended(run_id)["id"])
    second = next(entry["seq"] for entry in entries if entry["data"].get("delta") == "second ")
    page = open_run(watched, server, run_id, f"?seq={second}")
    expect(page.get_by_test_id("replay-seq")).to_have_text(f"#{second}")
    expect(page.locator(".rows")).to_have_text("first second ")
    page.locator("body").press("ArrowLeft")
    expect(page.locator(".rows")).to_have_text("first ")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator(".rows")).to_contain_text("first second third")
    expect(page.get_by_test_id("replay-seq")).to_have_text(f"#{entries[-1]['seq']}")
    page.get_by_role("button", name="Close the replay").click()
    expect(page.get_by_role("group", name="Replay")).to_have_count(0)


def test_the_raw_view_is_the_log_itself(watched: Watched, server: PageServer) -> None:
    run_id = server.start("scripted", {"steps": [{"text": "hello"}, {"step": {"name": "s", "status": "PASSED"}}]})
    server.wait_ended(run_id)
    page = open_run(watched, server, run_id)
    page.get_by_role("button", name="Raw log").click()
    entries = server.log(run_id)
    expect(page.locator(".raw-line")).to_have_count(len(entries))
    for number, entry in enumerate(entries):
        page.locator(".raw-line").nth(number).click()
        assert json.loads(page.locator(".raw-detail").inner_text()) == entry


def test_c3_steps_are_shown_with_their_pictures(watched: Watched, server: PageServer) -> None:
    steps = ['Verify text "Products"', 'Verify text "Unicorns"']
    test = {"name": "Look", "url": "/samples/shop/index.html", "steps": steps, "step_timeout_s": 2}
    run_id = server.start("browser-test", {**test, "browser": {"video": "on_failure"}})
    page = open_run(watched, server, run_id)
    expect(page.locator(".chip")).to_have_text("Test failed", timeout=20_000)
    expect(page.locator(".step.passed")).to_contain_text('Verify text "Products"')
    expect(page.locator(".step.failed")).to_contain_text("Unicorns")
    expect(page.locator(".outcome")).to_contain_text("1/2 passed")
    kinds = page.locator(".rows > .row").evaluate_all("rows => rows.map(row => row.classList[1])")
    assert kinds[:3] == ["row-step", "row-step", "row-message"], "the steps in words stand behind the steps"
    expect(page.locator(".stage-head")).to_contain_text("Step 2/2")
    page.keyboard.press("k")
    expect(page.locator(".stage-head")).to_contain_text("Step 1/2")
    picture = page.locator(".screen img")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 100
    video = page.get_by_label("The run as a video")
    assert video.evaluate(PLAY) >= 1.5
    report = page.goto(f"{server.origin}/v1/runs/{run_id}/report.html")
    assert report is not None
    assert report.body().count(b'<video controls preload="metadata"') == 1
