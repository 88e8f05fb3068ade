"""Rows C and D on the page: a browser test is written, checked line by line, saved as versions, configured and run."""

from __future__ import annotations

import re
import urllib.error
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.web_page.pages import PageServer, Watched, open_run
from tests.e2e.web_page.test_hostile_output import HOSTILE

SHOP = {"name": "Look", "url": "/samples/shop/index.html", "steps": ['Verify text "Products"']}


def save(server: PageServer, task_id: str, test: Any) -> None:
    server.call("POST", "/v1/tasks", {"id": task_id, "test": test})


def open_test(watched: Watched, server: PageServer, task_id: str) -> Page:
    """Open a saved test's form."""
    watched.page.goto(f"{server.origin}/#/tests/{task_id}")
    expect(watched.page.get_by_text("Last runs")).to_be_visible()
    return watched.page


def test_a_test_is_written_mended_and_run_under_its_configuration(watched: Watched, server: PageServer) -> None:
    page = watched.page
    page.goto(server.origin)
    page.get_by_role("link", name="Tests").click()
    page.get_by_role("link", name="New test").click()
    page.get_by_label("Name", exact=True).fill("Buy a mug")
    steps = page.get_by_label(re.compile("^Steps"))
    steps.fill('Click link "Blue mug"\n\nClick\nJuggle "three"\nClick "Add to cart"')
    fault = page.locator(".line").nth(2).locator(".line-fault")
    expect(fault).to_have_text("step 2: no target given")
    expect(page.locator(".line").nth(3).locator(".line-fault")).to_contain_text('starts with "Juggle"')
    expect(page.locator(".line-fault")).to_have_count(2)
    expect(steps).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Line 3 step 2").click()
    expect(steps).to_be_focused()
    page.keyboard.type('Select "2" from "Quantity"')  # over the line that was selected
    steps.fill(steps.input_value().replace('Juggle "three"\n', ""))
    expect(page.get_by_text("The test is sound.")).to_be_visible()
    page.get_by_label("Device").select_option("iPhone 15")
    page.get_by_label("Locale").fill("de-CH")
    page.get_by_role("button", name="Save and run").click()
    expect(page.locator(".chip")).to_have_text("Passed")
    assert server.call("GET", "/v1/tasks/buy-a-mug")["test"]["steps"] == [
        'Click link "Blue mug"',
        'Select "2" from "Quantity"',
        'Click "Add to cart"',
    ]
    config = server.call("GET", "/v1/browser-configs/buy-a-mug_default")
    assert config["options"] == {"device": "iPhone 15", "locale": "de-CH"}
    run = server.call("GET", "/test-runs?task_id=buy-a-mug")["data"][0]
    assert server.call("GET", f"/v1/runs/{run['id']}")["input"]["browser"] == config["options"]
    page.get_by_role("link", name="Edit test").click()
    expect(page.get_by_label("Device")).to_have_value("iPhone 15")
    expect(page.locator(".test-row", has_text="version 1, buy-a-mug_default")).to_be_visible()
    page.get_by_role("link", name="All tests").click()
    expect(page.locator(".test-row", has_text="Buy a mug")).to_contain_text("buy-a-mug · version 1")


def test_each_saving_is_a_version_and_an_older_one_can_come_back(watched: Watched, server: PageServer) -> None:
    save(server, "versions", SHOP)
    page = open_test(watched, server, "versions")
    steps = page.get_by_label(re.compile("^Steps"))
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    steps.fill("Reload\nGo back")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("versions, version 2", exact=True)).to_be_visible()
    page.locator(".test-row", has_text="Version 1").get_by_role("button").click()
    expect(steps).to_have_value('Verify text "Products"')
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("versions, version 3", exact=True)).to_be_visible()
    assert server.call("GET", "/v1/tasks/versions")["test"] == SHOP


def test_what_somebody_else_saved_meanwhile_is_not_lost_unseen(watched: Watched, server: PageServer) -> None:
    save(server, "both", SHOP)
    page = open_test(watched, server, "both")
    server.call("PUT", "/v1/tasks/both", {"test": {**SHOP, "name": "Theirs"}})
    page.get_by_label("Name", exact=True).fill("Mine")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Version 2 was saved meanwhile")
    watched.errors.clear()  # the browser itself writes the 409 into the console
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("both, version 3", exact=True)).to_be_visible()


def test_a_finished_run_becomes_a_test_and_a_draft_survives_a_look_elsewhere(
    watched: Watched, server: PageServer
) -> None:
    run_id = server.start("browser-test", {**SHOP, "name": "From a run", "retries": 1})
    page = open_run(watched, server, run_id)
    page.get_by_role("link", name="Save as test").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("From a run")
    expect(page.get_by_label("As YAML")).to_have_value("retries: 1\n")
    page.get_by_label("Starts at").fill("/samples/shop/cart.html")
    page.go_back()
    page.get_by_role("link", name="Save as test").click()
    expect(page.get_by_label("Starts at")).to_have_value("/samples/shop/cart.html")
    page.get_by_role("textbox", name=re.compile("^Id ")).fill("made")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("made, version 1", exact=True)).to_be_visible()
    assert server.call("GET", "/v1/tasks/made")["test"] == {
        "name": "From a run",
        "url": "/samples/shop/cart.html",
        "steps": SHOP["steps"],
        "retries": 1,
    }


def test_a_text_with_comments_is_edited_as_it_is(watched: Watched, server: PageServer) -> None:
    save(server, "commented", "# by hand\nname: Commented\nsteps:\n  - Reload\n")
    page = open_test(watched, server, "commented")
    box = page.get_by_label("Test YAML or JSON")
    expect(box).to_have_value("# by hand\nname: Commented\nsteps:\n  - Reload\n")
    page.get_by_role("button", name="YAML").click()
    expect(page.get_by_role("alert")).to_contain_text("comments")
    box.fill("# by hand\nname: Commented\nsteps:\n  - Reload\n  - Click\n")
    expect(page.locator(".line").nth(4).locator(".line-fault")).to_have_text("step 2: no target given")
    box.fill("# by hand\nname: Commented\nsteps: [\n")
    expect(page.locator(".line-fault")).to_contain_text("the test is no YAML")
    box.fill("# by hand\nname: Commented\nsteps:\n  - Reload\n  - Go back\n")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("commented, version 2", exact=True)).to_be_visible()
    assert server.call("GET", "/v1/tasks/commented")["text"].startswith("# by hand\n")


def test_configurations_are_shared_and_their_mistakes_told(watched: Watched, server: PageServer) -> None:
    save(server, "shared", SHOP)
    page = open_test(watched, server, "shared")
    page.get_by_label("Configuration").select_option("New configuration…")
    page.get_by_label("Its name").fill("Dark phone")
    page.get_by_label("Colours").select_option("dark")
    page.get_by_label("Time zone").fill("Mars/Base")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text('"Mars/Base" is no time zone')
    watched.errors.clear()  # the browser's word on the 422
    page.get_by_label("Time zone").fill("Europe/Zurich")
    page.get_by_role("button", name="Save and run").click()
    expect(page.locator(".chip")).to_have_text("Passed")
    run = server.call("GET", "/test-runs?task_id=shared")["data"][0]
    used = server.call("GET", f"/v1/browser-configs/{run['browser_config_id']}")
    assert (used["name"], used["options"]) == ("Dark phone", {"timezone": "Europe/Zurich", "color_scheme": "dark"})
    open_test(watched, server, "shared").get_by_label("Configuration").select_option("Dark phone")
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Zurich")


def test_a_test_is_deleted_and_its_runs_stay(watched: Watched, server: PageServer) -> None:
    save(server, "gone", SHOP)
    page = open_test(watched, server, "gone")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("group", name="Delete this test?").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Tests", exact=True)).to_be_visible()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        server.call("GET", "/v1/tasks/gone")
    page.goto(f"{server.origin}/#/tests/gone")
    expect(page.get_by_role("heading", name="No such test")).to_be_visible()
    watched.errors.clear()  # the browser's word on the 404


def test_hostile_names_and_steps_are_text_in_list_form_and_run(watched: Watched, server: PageServer) -> None:
    for number, text in enumerate(HOSTILE):
        sentence = f"Click {text}".replace("\n", " ")
        test = {"name": text[:200], "url": f"/samples/{number}", "steps": ["Reload"], "variables": {"x": text}}
        save(server, f"hostile-{number}", test)
        server.call("POST", "/v1/browser-configs", {"id": f"config-{number}", "name": text[:200]})
        page = open_test(watched, server, f"hostile-{number}")
        page.get_by_label(re.compile("^Steps|^Test")).first.fill(sentence + "\nJuggle " + sentence)
        expect(page.locator(".line-fault").first).to_be_visible()
        assert page.locator("main.tests :is(script, style, iframe, img, object, embed, base, link, math)").count() == 0
        assert page.evaluate("window.hacked") is None
    page = watched.page
    page.goto(f"{server.origin}/#/tests")
    expect(page.locator(".test-row", has_text="hostile-11")).to_be_visible()
    assert (
        page.locator("main.tests :is(script, style, iframe, img, form, object, embed, base, link, math)").count() == 0
    )
    assert page.evaluate("window.hacked") is None
