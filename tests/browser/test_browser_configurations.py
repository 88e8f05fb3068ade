"""Saved tests under saved configurations in real Chromium, through a real server. Rows D1, D2, D5, C2."""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser_tests import SHOP, WRONG_PRICE, execute, save
from tests.support.embedded import EmbeddedServer, settings_for
from tests.support.http import ended

pytestmark = pytest.mark.timeout(60)
ENDS_S = 15.0


class _Guarded(BaseHTTPRequestHandler):
    """Wants a user name and password, or a cookie; tells which it got."""

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(b"ada:lovelace").decode()
        allowed = self.headers.get("Authorization") == wanted or "session=yes" in self.headers.get("Cookie", "")
        self.send_response(200 if allowed else 401)
        if not allowed:
            self.send_header("WWW-Authenticate", 'Basic realm="staging"')
        self.end_headers()
        self.wfile.write(b"<title>Inside</title>Welcome" if allowed else b"<title>Outside</title>Who are you?")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """Serve a page behind HTTP authentication; yield its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Guarded)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)


@pytest.fixture(scope="module")
def server(
    make_data: Callable[[], Path], guarded: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    """A server with browsers, a secret, and leave to visit loopback."""
    secrets = tmp_path_factory.mktemp("secrets") / "secrets.toml"
    secrets.write_text(
        f'[staging]\nusername = "ada"\npassword = "lovelace"\norigin = "{guarded}"\n'
        '[elsewhere]\nusername = "ada"\npassword = "lovelace"\norigin = "https://elsewhere.example"\n',
        encoding="utf-8",
    )
    secrets.chmod(0o600)
    running = EmbeddedServer(
        settings_for(
            make_data(),
            browser_executable=os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""),
            browser_allow=("127.0.0.0/8",),
            browser_secrets=str(secrets),
        )
    )
    try:
        yield running.start()
    finally:
        running.stop()


async def outcome(server: EmbeddedServer, task_id: str, test: Any, **options: Any) -> dict[str, Any]:
    """Save a test, run it under the options and return its test run."""
    async with server.http() as http:
        await save(http, task_id, test)
        await http.put(f"/v1/browser-configs/{task_id}_default", json={"options": options})
        run_id = await execute(http, task_id)
        await ended(server, run_id, ENDS_S)
        view: dict[str, Any] = (await http.get(f"/test-runs/{run_id}")).json()
    return view


async def test_d1_d2_d5_a_saved_test_runs_and_its_id_is_the_same_everywhere(server: EmbeddedServer) -> None:
    view = await outcome(server, "shop-tour", SHOP)
    run_id = view["id"]
    assert (view["current_state"], view["verdict"], view["passed"], view["total"]) == ("SUCCEEDED", "passed", 3, 3)
    assert [(step["status"], step["text"]) for step in view["steps"]] == [("PASSED", text) for text in SHOP["steps"]]
    assert view["steps"][1]["action"] == {
        "kind": "click",
        "target": {"text": "Blue mug", "kind": "role", "role": "link"},
        "double": False,
        "button": "left",
    }
    assert view["steps"][2]["page_url"].startswith("/samples/shop/product.html")
    assert view["steps"][0]["page_title"] == "Products · Sample shop"
    (file,) = server.data.glob(f"tasks/shop-tour/traversals/traverse_*_{run_id}.json")
    assert file.is_file()
    assert {entry["run_id"] for entry in server.entries(run_id)} == {run_id}
    async with server.http() as http:
        picture = await http.get(view["steps"][0]["screenshot"])
        steps = (await http.get(f"/v1/runs/{run_id}/steps")).json()
    assert picture.content.startswith(b"\x89PNG")
    assert steps["steps"] == view["steps"]


async def test_d5_a_failed_step_is_told_and_the_rest_is_skipped(server: EmbeddedServer) -> None:
    view = await outcome(server, "wrong-price", WRONG_PRICE)
    assert (view["current_state"], view["verdict"]) == ("SUCCEEDED", "failed")
    assert [step["status"] for step in view["steps"]] == ["PASSED", "FAILED", "SKIPPED"]
    assert "free of charge" in view["steps"][1]["error"]


async def test_a_configuration_shapes_its_context(server: EmbeddedServer, site: str) -> None:
    test = {
        "url": f"{site}/facts.html",
        "steps": ['Verify text "fr-CA|America/Toronto|robot|dark"', 'Remember css "#x" as facts'],
    }
    options = {"locale": "fr-CA", "timezone": "America/Toronto", "user_agent": "robot", "color_scheme": "dark"}
    view = await outcome(server, "facts", test, **options)
    assert view["verdict"] == "passed", view["steps"]


async def test_a_device_has_its_own_screen(server: EmbeddedServer) -> None:
    view = await outcome(server, "phone", SHOP, device="iPhone SE")
    assert view["verdict"] == "passed", view["steps"]
    async with server.http() as http:
        picture = (await http.get(view["steps"][0]["screenshot"])).content
    assert (int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")) == (750, 1334)


async def test_http_authentication_by_the_name_of_a_secret(server: EmbeddedServer, guarded: str) -> None:
    test = {"url": guarded, "steps": ['Verify title is "Inside"'], "step_timeout_s": 1}
    inside = await outcome(server, "guarded", test, http_auth="staging")
    assert inside["verdict"] == "passed", inside["steps"]
    for name, options in (("without", {}), ("elsewhere", {"http_auth": "elsewhere"})):
        outside = await outcome(server, name, test, **options)
        assert outside["verdict"] == "failed", "a secret goes to its own origin alone"
    unknown = await outcome(server, "unknown", test, http_auth="nobody")
    assert (unknown["current_state"], unknown["error"]["code"]) == ("FAILED", "startup_failed")
    assert "no secret 'nobody'" in unknown["error"]["message"]
    stored = b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    assert b"lovelace" not in stored


async def test_a_storage_state_logs_in_and_stays_in_its_run(server: EmbeddedServer, guarded: str) -> None:
    test = {"url": guarded, "steps": ['Verify title is "Inside"'], "step_timeout_s": 1}
    cookie = {"name": "session", "value": "yes", "domain": "127.0.0.1"}
    inside = await outcome(server, "cookie", test, storage_state={"cookies": [cookie]})
    after = await outcome(server, "no-cookie", test)
    assert (inside["verdict"], after["verdict"]) == ("passed", "failed")
    assert b"session" not in next(server.data.glob("tasks/cookie/traversals/*.json")).read_bytes()


async def test_an_allow_list_narrows_where_a_run_may_go(server: EmbeddedServer, guarded: str) -> None:
    test = {"url": guarded, "steps": ["Take screenshot"]}
    view = await outcome(server, "narrow", test, allow=["shop.example.org"])
    assert view["verdict"] == "failed"
    assert "not among the hosts of this configuration" in view["steps"][0]["error"]


async def test_runs_of_many_configurations_go_on_side_by_side(server: EmbeddedServer) -> None:
    async with server.http() as http:
        await save(http, "side")
        for number in range(4):
            options = {"viewport": {"width": 800 + number, "height": 600}}
            await http.post("/v1/browser-configs", json={"id": f"wide{number}", "options": options})
        runs = [await execute(http, "side", f"wide{number}") for number in range(4)]
        await asyncio.gather(*(ended(server, run_id, ENDS_S) for run_id in runs))
        views = [(await http.get(f"/test-runs/{run_id}")).json() for run_id in runs]
    assert [view["verdict"] for view in views] == ["passed"] * 4


async def test_a_suite_has_one_report_with_its_screenshots(server: EmbeddedServer) -> None:
    async with server.http() as http:
        tests = [{"test": {**SHOP, "name": "Browse"}}, {"test": WRONG_PRICE}]
        started = (await http.post("/v1/suite-runs", json={"name": "Shop", "tests": tests})).json()
        await asyncio.gather(*(ended(server, run["run_id"], ENDS_S) for run in started["runs"]))
        view = (await http.get(f"/v1/suite-runs/{started['id']}")).json()
        page = (await http.get(f"/v1/suite-runs/{started['id']}/report.html")).text
        junit = (await http.get(f"/v1/suite-runs/{started['id']}/report.xml")).text
    assert (view["verdict"], view["counts"]["passed"], view["counts"]["failed"]) == ("failed", 1, 1)
    assert page.count("data:image/png;base64,iVBOR") == 5
    assert 'tests="2" failures="1" errors="0"' in junit
