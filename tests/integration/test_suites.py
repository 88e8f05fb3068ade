"""Suites: many tests and configurations as one request, one state, one report. Without a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.browser_tests import SHOP, save
from tests.support.embedded import EmbeddedServer, settings_for
from tests.support.http import ended, problem_of

NO_BROWSER = {"browser_executable": "/nonexistent/chromium"}


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path]) -> Any:
    """A server that has no browser: each test run fails at once, with its reason."""
    running = EmbeddedServer(settings_for(make_data(), **NO_BROWSER))
    try:
        yield running.start()
    finally:
        running.stop()


async def ended_suite(server: EmbeddedServer, http: httpx.AsyncClient, started: httpx.Response) -> dict[str, Any]:
    """Wait for a suite run's end and return it."""
    assert started.status_code == 202, started.text
    for run in started.json()["runs"]:
        await ended(server, run["run_id"], 6)
    view: dict[str, Any] = (await http.get(f"/v1/suite-runs/{started.json()['id']}")).json()
    return view


async def test_each_test_runs_with_each_configuration(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("product")) as http:
        await save(http, "one")
        await save(http, "two")
        for name in ("wide", "phone"):
            await http.post("/v1/browser-configs", json={"id": name, "options": {}})
        body = {"name": "All", "tests": [{"task": "one"}, {"task": "two"}], "configurations": ["wide", "phone"]}
        view = await ended_suite(server, http, await http.post("/v1/suite-runs", json=body))
        listed = (await http.get("/v1/suite-runs")).json()["data"]
        thread = (await http.get(f"/v1/threads/{view['id']}")).json()
    pairs = [(run["task_id"], run["browser_config_id"], run["position"]) for run in view["runs"]]
    assert pairs == [("one", "wide", 1), ("one", "phone", 2), ("two", "wide", 3), ("two", "phone", 4)]
    assert (view["status"], view["verdict"], view["counts"]["errors"], view["counts"]["total"]) == (
        "ENDED",
        "failed",
        4,
        4,
    )
    assert [one["id"] for one in listed] == [view["id"]]
    assert thread["runs"] == 4, "a suite run is one conversation"


async def test_without_configurations_each_test_has_its_own_default(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("defaults")) as http:
        await save(http, "one")
        body = {"name": "Mixed", "tests": [{"task": "one"}, {"test": {**SHOP, "name": "Inline"}}]}
        view = await ended_suite(server, http, await http.post("/v1/suite-runs", json=body))
    found = [(run["name"], run["task_id"], run["browser_config_id"]) for run in view["runs"]]
    assert found == [("Look at the shop", "one", "one_default"), ("Inline", None, None)]


async def test_a_saved_suite_has_versions_and_runs(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("saver")) as http:
        await save(http, "one")
        suite = {"name": "Nightly", "tests": [{"task": "one"}]}
        made = await http.post("/v1/suites", json={"id": "nightly", **suite})
        changed = await http.put("/v1/suites/nightly", json={**suite, "tests": [{"task": "one"}] * 2})
        view = await ended_suite(server, http, await http.post("/v1/suites/nightly/run", json={"priority": "low"}))
        await http.delete("/v1/suites/nightly")
        problem_of(await http.post("/v1/suites/nightly/run"), 404, "not_found")
    assert (made.status_code, made.json()["version"], changed.json()["version"]) == (201, 1, 2)
    assert (view["suite_id"], view["counts"]["total"]) == ("nightly", 2)


@pytest.mark.parametrize(
    ("suite", "status", "complaint"),
    [
        ({"tests": []}, 422, "length >= 1"),
        ({"tests": [{"task": "one", "test": SHOP}]}, 422, "tests[1]: give either"),
        ({"tests": [{"test": SHOP}, {"test": {"steps": ["Clikc it"]}}]}, 422, "tests[2]: step 1:"),
        ({"tests": [{"task": "absent"}]}, 404, "no task absent"),
        ({"tests": [{"test": SHOP}], "configurations": ["absent"]}, 404, "no browser configuration absent"),
        ({"tests": [{"test": SHOP}] * 51, "configurations": ["a"] * 10}, 422, "510 runs in one suite run"),
    ],
)
async def test_a_suite_that_cannot_run_starts_nothing(
    server: EmbeddedServer, suite: dict[str, Any], status: int, complaint: str
) -> None:
    async with server.http(server.token_for("refused")) as http:
        answer = await http.post("/v1/suite-runs", json={"name": "S", **suite})
        runs = (await http.get("/v1/runs")).json()["data"]
    assert complaint in problem_of(answer, status, "not_found" if status == 404 else "invalid_input")["detail"]
    assert runs == []


async def test_all_of_a_suite_waits_or_none(make_server: MakeServer) -> None:
    server = make_server(queued_per_user=3, **NO_BROWSER)
    async with server.http() as http:
        body = {"name": "Many", "tests": [{"test": SHOP}] * 4}
        problem_of(await http.post("/v1/suite-runs", json=body), 429, "over_capacity")
        assert (await http.get("/v1/runs")).json()["data"] == []
        assert (await http.get("/v1/suite-runs")).json()["data"] == []
        await ended_suite(server, http, await http.post("/v1/suite-runs", json={**body, "tests": body["tests"][:3]}))


async def test_foreign_suites_and_reports_equal_absent_ones(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("owner")) as http, server.http(server.token_for("mallory")) as foreign:
        body = {"name": "Mine", "tests": [{"test": SHOP}]}
        view = await ended_suite(server, http, await http.post("/v1/suite-runs", json=body))
        run_id = view["runs"][0]["run_id"]
        paths = [f"/v1/suite-runs/{view['id']}", *(f"/v1/suite-runs/{view['id']}/report.{e}" for e in ("html", "xml"))]
        paths += [f"/v1/runs/{run_id}/steps", *(f"/v1/runs/{run_id}/report.{e}" for e in ("html", "xml"))]
        for path in [*paths, f"/test-runs/{run_id}"]:
            assert (await http.get(path)).status_code == 200, path
            problem_of(await foreign.get(path), 404, "not_found")
        problem_of(await foreign.post(f"/v1/suite-runs/{view['id']}/cancel"), 404, "not_found")
        assert (await foreign.get("/test-runs")).json()["data"] == []


async def test_reports_are_served_so_that_they_can_do_nothing(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("reader")) as http:
        test = {**SHOP, "name": "<script>alert(1)</script>"}
        view = await ended_suite(
            server, http, await http.post("/v1/suite-runs", json={"name": "R & D", "tests": [{"test": test}]})
        )
        page = await http.get(f"/v1/suite-runs/{view['id']}/report.html")
        junit = await http.get(f"/v1/suite-runs/{view['id']}/report.xml")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert (page.headers["x-content-type-options"], page.headers["content-type"]) == (
        "nosniff",
        "text/html; charset=utf-8",
    )
    assert "<script>" not in page.text
    assert "R &amp; D" in page.text
    assert "startup_failed" in page.text
    root = Xml.fromstring(junit.content)
    assert (root.get("name"), root.get("errors")) == ("R & D", "1")


async def test_a_suite_run_outlives_its_deleted_runs(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("deleter")) as http:
        body = {"name": "Gone", "tests": [{"test": SHOP}] * 2}
        view = await ended_suite(server, http, await http.post("/v1/suite-runs", json=body))
        assert (await http.delete(f"/v1/runs/{view['runs'][0]['run_id']}")).status_code == 204
        after = (await http.get(f"/v1/suite-runs/{view['id']}")).json()
    assert (after["counts"]["deleted"], len(after["runs"]), after["status"]) == (1, 1, "ENDED")


async def test_the_same_id_is_the_same_suite_run(server: EmbeddedServer) -> None:
    body = {"name": "Once", "tests": [{"test": SHOP}], "id": "suiterun1"}
    async with server.http(server.token_for("once")) as http, server.http(server.token_for("mallory")) as foreign:
        first = await http.post("/v1/suite-runs", json=body)
        again = await http.post("/v1/suite-runs", json=body)
        problem_of(await http.post("/v1/suite-runs", json={**body, "name": "Other"}), 409, "run_id_taken")
        problem_of(await foreign.post("/v1/suite-runs", json=body), 409, "run_id_taken")
        await ended_suite(server, http, first)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["runs"][0]["run_id"] == first.json()["runs"][0]["run_id"]


async def test_a_suite_run_cannot_enter_somebody_elses_thread(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("victim")) as http, server.http(server.token_for("mallory")) as foreign:
        run = (await http.post("/v1/runs", json={"agent": "echo", "input": "x", "thread_id": "victimsthread"})).json()
        body = {"name": "In", "tests": [{"test": SHOP}], "id": "victimsthread"}
        problem_of(await foreign.post("/v1/suite-runs", json=body), 404, "not_found")
        await ended(server, run["id"])
