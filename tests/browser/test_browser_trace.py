"""Playwright's traces: only where the administrator wants some, of runs that failed, and for admins alone."""

from __future__ import annotations

import io
import os
import zipfile

import pytest

from tests.conftest import MakeServer
from tests.support.browser_tests import SHOP, WRONG_PRICE
from tests.support.http import ended, problem_of, start

pytestmark = pytest.mark.timeout(60)
ENDS_S = 20.0
EXECUTABLE = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")


async def test_a_failed_run_leaves_a_trace_that_admins_alone_can_read(make_server: MakeServer) -> None:
    server = make_server(browser_executable=EXECUTABLE, browser_trace="on_failure")
    async with server.http(server.token_for("ann")) as ann:
        failed = await start(ann, "browser-test", WRONG_PRICE)
        passed = await start(ann, "browser-test", SHOP)
        for run_id, verdict in ((failed, "failed"), (passed, "passed")):
            assert (await ended(server, run_id, ENDS_S))["verdict"] == verdict
        problem_of(await ann.get(f"/v1/runs/{failed}/trace"), 403, "scope_missing")
        listed = (await ann.get(f"/v1/runs/{failed}/artifacts")).json()["data"]
        archive = await ann.get(f"/v1/runs/{failed}/artifacts.zip")
        assert "trace" not in {one["kind"] for one in listed}
        assert "trace" not in str(server.entries(failed)).replace("traceback", "")
        with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
            assert [name for name in opened.namelist() if name.endswith("trace.zip")] == []
        (stored,) = {path.name for path in server.data.glob(f"artifacts/{failed}/*")} - {one["id"] for one in listed}
        problem_of(await ann.get(f"/v1/runs/{failed}/artifacts/{stored}"), 404, "not_found")
    async with server.http() as admin:
        trace = await admin.get(f"/v1/runs/{failed}/trace")
        problem_of(await admin.get(f"/v1/runs/{passed}/trace"), 404, "not_found")
    assert trace.headers["content-disposition"].startswith("attachment;")
    with zipfile.ZipFile(io.BytesIO(trace.content)) as opened:
        assert opened.testzip() is None
        assert "trace.trace" in opened.namelist()


async def test_none_is_made_unless_the_administrator_says_so(make_server: MakeServer) -> None:
    server = make_server(browser_executable=EXECUTABLE)
    async with server.http() as http:
        run_id = await start(http, "browser-test", WRONG_PRICE)
        await ended(server, run_id, ENDS_S)
        problem_of(await http.get(f"/v1/runs/{run_id}/trace"), 404, "not_found")
