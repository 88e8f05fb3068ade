"""``/v1/suites`` and ``/v1/suite-runs``: many tests as one request, with one report. Floor 6."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.saved import Draft, Kind, Saved
from runwire.contracts.test_runs import SuiteMember, SuiteRun
from runwire.ids import new_id
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.protocol.saved_tests import ChangeSuite, Execute, RunSuite, SaveSuite, Suite
from runwire.reports.html import POLICY, html_page
from runwire.reports.junit import junit_xml
from runwire.reports.report import Report
from runwire.runs.state import TERMINAL
from runwire.runs.suite import counts_of
from runwire.web.access import current_user
from runwire.web.query import limit_of
from runwire.web.report_source import report_of_run, report_of_suite
from runwire.web.responses import DOWNLOAD_HEADERS, attachment, json_response
from runwire.web.services import get_services

# Saved suites


async def create_suite(request: Request) -> Response:
    """Save a suite: 201. What it refers to is looked up when it runs."""
    body = convert(decode_body(await request.body()), SaveSuite)
    suite_id = new_id() if body.id is UNSET else body.id
    saved, draft = get_services(request).tests.saved, await _draft(request, suite_id, body)
    return json_response(_view((await saved.create([draft], current_user(request)))[0]), status=201)


async def list_suites(request: Request) -> Response:
    """List the caller's saved suites by id."""
    query, saved = request.query_params, get_services(request).tests.saved
    page = await saved.list(Kind.SUITE, current_user(request), query.get("after", ""), limit_of(query))
    return json_response({"data": [_view(one) for one in page.data], "next": page.next})


async def get_suite(request: Request) -> Response:
    """Return a saved suite, its newest version."""
    return json_response(_view(await _saved(request)))


async def change_suite(request: Request) -> Response:
    """Save a suite's next version."""
    body = convert(decode_body(await request.body()), ChangeSuite)
    expected = None if body.expected_version is UNSET else body.expected_version
    saved, draft = get_services(request).tests.saved, await _draft(request, request.path_params["suite_id"], body)
    return json_response(_view(await saved.replace(draft, current_user(request), expected)))


async def delete_suite(request: Request) -> Response:
    """Delete a saved suite with its versions; its runs stay."""
    tests, user = get_services(request).tests, current_user(request)
    await tests.delete(Kind.SUITE, request.path_params["suite_id"], user)
    return Response(status_code=204)


async def run_suite(request: Request) -> Response:
    """Run a saved suite: 202 with the suite run. Every run of it waits in the queue like any other."""
    body = await request.body()
    command = convert(decode_body(body) if body.strip() else {}, Execute)
    saved = await _saved(request)
    suite = msgspec.json.decode(saved.body, type=Suite)
    return await _started(request, suite, command, saved.id)


# Suite runs


async def create_suite_run(request: Request) -> Response:
    """Run tests together without saving a suite: 202 with the suite run."""
    body = convert(decode_body(await request.body()), RunSuite)
    return await _started(request, body, body, None)


async def list_suite_runs(request: Request) -> Response:
    """List the caller's suite runs, newest first, without their counts."""
    query, runs = request.query_params, get_services(request).tests.runs
    page = await runs.suite_runs(current_user(request), query.get("before"), limit_of(query))
    return json_response({"data": [_heading(one) for one in page.data], "next": page.next})


async def get_suite_run(request: Request) -> Response:
    """Return a suite run: where it is, its counts and verdict, and each of its runs."""
    return json_response(_run_view(*await _suite_run(request)))


async def cancel_suite_run(request: Request) -> Response:
    """Ask every run of it that has not ended to stop: 202."""
    services, user = get_services(request), current_user(request)
    suite, members = await _suite_run(request)
    for member in members:
        if member.status not in TERMINAL:
            await services.cancel_run(await services.store.get(member.link.run_id, user))
    return json_response({"id": suite.id, "cancel": "requested"}, status=202)


# Reports


async def get_suite_html(request: Request) -> Response:
    """Return a suite run's report as one HTML page with its screenshots."""
    return await _as_html(await _suite_report(request), request.path_params["suite_run_id"])


async def get_suite_junit(request: Request) -> Response:
    """Return a suite run's report as JUnit XML."""
    return _as_junit(await _suite_report(request), request.path_params["suite_run_id"])


async def get_run_html(request: Request) -> Response:
    """Return a browser run's report as one HTML page with its screenshots."""
    return await _as_html(await _run_report(request), request.path_params["run_id"])


async def get_run_junit(request: Request) -> Response:
    """Return a browser run's report as JUnit XML."""
    return _as_junit(await _run_report(request), request.path_params["run_id"])


async def _run_report(request: Request) -> Report:
    services, user = get_services(request), current_user(request)
    return await report_of_run(services, await services.store.get(request.path_params["run_id"], user), user)


async def _suite_report(request: Request) -> Report:
    suite, members = await _suite_run(request)
    return await report_of_suite(get_services(request), suite, members, current_user(request))


async def _as_html(report: Report, name: str) -> Response:
    body = await asyncio.to_thread(html_page, report)
    policy = {"Content-Security-Policy": f"sandbox; {POLICY}"}
    headers = {**DOWNLOAD_HEADERS, **policy, **attachment(f"report-{name}.html", inline=True)}
    return Response(body, media_type="text/html", headers=headers)


def _as_junit(report: Report, name: str) -> Response:
    headers = {**DOWNLOAD_HEADERS, **attachment(f"report-{name}.xml")}
    return Response(junit_xml(report), media_type="application/xml", headers=headers)


async def _draft(request: Request, suite_id: str, suite: Suite) -> Draft:
    await asyncio.to_thread(get_services(request).tests.checked_suite, suite)
    body = Suite(name=suite.name, tests=suite.tests, configurations=suite.configurations)
    return Draft(Kind.SUITE, suite_id, suite.name, msgspec.json.encode(body))


async def _saved(request: Request) -> Saved:
    saved = get_services(request).tests.saved
    return await saved.get(Kind.SUITE, request.path_params["suite_id"], current_user(request))


async def _started(request: Request, suite: Suite, how: Execute | RunSuite, suite_id: str | None) -> Response:
    services, user = get_services(request), current_user(request)
    services.refuse_while_draining()
    own_id = None if how.id is UNSET else how.id
    suite_run_id, existed = await services.tests.run_suite(suite, user, how.priority, suite_id, own_id)
    runs = services.tests.runs
    view = _run_view(await runs.suite_run(suite_run_id, user), await runs.members(suite_run_id, user))
    return json_response(view, status=200 if existed else 202)


async def _suite_run(request: Request) -> tuple[SuiteRun, Sequence[SuiteMember]]:
    runs, user = get_services(request).tests.runs, current_user(request)
    suite_run_id = request.path_params["suite_run_id"]
    return await runs.suite_run(suite_run_id, user), await runs.members(suite_run_id, user)


def _view(saved: Saved) -> dict[str, Any]:
    suite = msgspec.json.decode(saved.body, type=Suite)
    facts = {"id": saved.id, "version": saved.version, "created_ms": saved.created_ms}
    return {**facts, **msgspec.to_builtins(suite)}


def _heading(suite: SuiteRun) -> dict[str, Any]:
    facts = {"id": suite.id, "name": suite.name, "suite_id": suite.suite_id}
    return {**facts, "created_ms": suite.created_ms, "runs": suite.runs}


def _run_view(suite: SuiteRun, members: Sequence[SuiteMember]) -> dict[str, Any]:
    counts = counts_of(suite.runs, ((member.status, member.verdict) for member in members))
    state = {"status": counts.status, "verdict": counts.verdict, "counts": counts.as_dict()}
    return {**_heading(suite), **state, "runs": [_member_view(member) for member in members]}


def _member_view(member: SuiteMember) -> dict[str, Any]:
    link = member.link
    return {
        "run_id": link.run_id,
        "position": link.position,
        "name": link.name,
        "task_id": link.task_id,
        "task_version": link.task_version,
        "browser_config_id": link.configuration,
        "current_state": member.status,
        "verdict": member.verdict,
        "started_ms": member.started_ms,
        "ended_ms": member.ended_ms,
    }
