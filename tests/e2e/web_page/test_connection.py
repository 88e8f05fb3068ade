"""Lost, frozen and refused sockets, and a server that dies: the page ends with the full log and no reload."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.web_page.pages import LIMIT_MS, PageServer, Watched, open_run, slow_script, transcript
from tests.e2e.web_page.wire import Wire


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4008, 4009, 4401])
def test_a_cut_socket_comes_back_and_each_entry_is_shown_once(watched: Watched, server: PageServer, code: int) -> None:
    wire = Wire(watched.page)
    run_id = server.start("scripted", slow_script(40, 0.05))
    page = open_run(watched, server, run_id)
    expect(page.locator(".rows")).to_contain_text("w5 ")
    wire.cut(code)
    expect(page.locator(".chip")).to_have_text("Done")
    assert "".join(f"w{n} " for n in range(40)).strip() in transcript(page)
    assert len(wire.pairs) >= 2


def test_a_frozen_socket_is_noticed_when_the_page_wakes_up(watched: Watched, server: PageServer) -> None:
    wire = Wire(watched.page)
    run_id = server.start("scripted", slow_script(60, 0.05))
    page = open_run(watched, server, run_id)
    expect(page.locator(".rows")).to_contain_text("w3 ")
    wire.freeze()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator(".chip")).to_have_text("Done", timeout=12_000)
    assert "".join(f"w{n} " for n in range(60)).strip() in transcript(page)


def test_a_calm_banner_comes_after_two_seconds_and_goes_again(watched: Watched, server: PageServer) -> None:
    wire = Wire(watched.page)
    run_id = server.start("scripted", {"steps": [{"text": "begun"}, {"sleep_s": 15}]})
    page = open_run(watched, server, run_id)
    expect(page.locator(".rows")).to_contain_text("begun")
    blocked = [True]
    wire.refuse = lambda: blocked[0]
    wire.cut(1012)
    page.wait_for_timeout(1_000)
    expect(page.locator(".banner")).to_have_count(0)
    expect(page.locator(".banner")).to_contain_text("nothing is lost")
    blocked[0] = False
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".banner")).to_have_text("Live again")
    expect(page.locator(".banner")).to_have_count(0)
    server.call("POST", f"/v1/runs/{run_id}/cancel")
    expect(page.locator(".chip")).to_have_text("Cancelled")


def test_a_server_killed_in_mid_run_ends_with_the_full_log_and_no_reload(chromium: Browser, data: Path) -> None:
    server = PageServer(data)
    port = int(server.origin.rpartition(":")[2])
    try:
        with chromium.new_context() as visitor:
            page = visitor.new_page()
            page.set_default_timeout(LIMIT_MS)
            page.goto(server.link)
            expect(page.get_by_role("heading", name="What should run?")).to_be_visible()
            run_id = server.start("scripted", slow_script(200, 0.05))
            page.evaluate(f"window.stayed = true; location.hash = '#/runs/{run_id}'")
            expect(page.locator(".rows")).to_contain_text("w9 ")
            server.kill()
            server = PageServer(data, port=port)
            expect(page.locator(".chip")).to_have_text("Failed", timeout=15_000)
            expect(page.locator(".outcome")).to_contain_text("worker_lost")
            assert page.evaluate("window.stayed") is True
            page.get_by_role("button", name="Raw log").click()
            entries = server.log(run_id)
            last = page.locator(".raw-line").last
            page.locator(".raw-list").evaluate("list => list.scrollTop = list.scrollHeight")
            expect(last).to_contain_text(f"{entries[-1]['seq']}  ")
    finally:
        server.kill()
