"""``/test-runs``: run saved tests, and what has become of them. ``/v1/runs/{run_id}/steps``. Floor 6."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.actors import OwnedRun
from runwire.contracts.run_store import RunFilter
from runwire.contracts.test_runs import TaskLink
from runwire.engine.saved_tests import AGENT
from runwire.errors import InvalidInput, NotFound
from runwire.ids import is_client_run_id
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.protocol.run_steps import RunFacts, RunSteps, ending_of, steps_of
from runwire.protocol.saved_tests import Execute
from runwire.runs.record import RunRecord
from runwire.web.access import current_user
from runwire.web.query import limit_of
from runwire.web.responses import json_response
from runwire.web.services import Services, get_services


async def execute_configuration(request: Request) -> Response:
    """Run a saved test under a browser configuration: 202 with the run's id, or 200 if the same key did so before."""
    body = await request.body()
    command = convert(decode_body(body) if body.strip() else {}, Execute)
    key = request.headers.get("idempotency-key")
    if key is not None and not is_client_run_id(key):
        raise InvalidInput("Idempotency-Key: it becomes the run id, so it must match [a-z0-9]{8,64}")
    if key is not None and command.id not in (UNSET, key):
        raise InvalidInput("id and Idempotency-Key differ; give one of them")
    chosen = key if command.id is UNSET else command.id
    services, names = get_services(request), request.path_params
    services.refuse_while_draining()
    created = await services.tests.execute(
        names["task_id"], names["browser_config_id"], current_user(request), command.priority, chosen
    )
    record = created.run.record
    view = {"id": record.id, "current_state": record.status.value}
    return json_response(view, status=200 if created.existed else 202)


async def get_test_run(request: Request) -> Response:
    """Return a test run: its state, error, verdict and steps."""
    services, user = get_services(request), current_user(request)
    run = await services.store.get(request.path_params["run_id"], user)
    if run.record.agent != AGENT:
        raise NotFound("this run is no run of a browser test")
    links = await services.tests.runs.links([run.run_id], user)
    steps = await steps_of_run(services, run)
    return json_response({**run_view_of(run.record, links.get(run.run_id)), **_counts(steps)})


async def list_test_runs(request: Request) -> Response:
    """List the caller's test runs, newest first, or those of one ``task_id``, without their steps."""
    services, user, query = get_services(request), current_user(request), request.query_params
    wanted = RunFilter(limit_of(query), query.get("before"), agent=AGENT, task_id=query.get("task_id"))
    page = await services.store.list(user, wanted)
    links = await services.tests.runs.links([record.id for record in page.runs], user)
    data = [run_view_of(record, links.get(record.id)) for record in page.runs]
    return json_response({"data": data, "next": page.next})


async def get_steps(request: Request) -> Response:
    """Return a browser run's steps: those that have ended, and those that are still to come or never came."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    steps = await steps_of_run(services, run)
    if not steps.total:
        raise NotFound("this run has no steps")
    return json_response(msgspec.json.encode(steps))


async def steps_of_run(services: Services, run: OwnedRun) -> RunSteps:
    """Return a run's steps, read and put together off the loop."""
    record = run.record
    facts = RunFacts(record.id, record.status, record.attempt, record.input, record.terminal)
    return await asyncio.to_thread(lambda: steps_of(facts, services.traversals.read(record.id)))


def run_view_of(record: RunRecord, link: TaskLink | None) -> dict[str, Any]:
    """Return a test run without its steps."""
    ending = ending_of(record.terminal)
    return {
        "id": record.id,
        "current_state": record.status.value,
        "task_id": None if link is None else link.task_id,
        "task_version": None if link is None else link.task_version,
        "browser_config_id": None if link is None else link.configuration,
        "suite_run_id": None if link is None else link.suite_run_id,
        "attempt": record.attempt,
        "priority": record.priority.value,
        "created_ms": record.created_ms,
        "started_ms": record.started_ms,
        "ended_ms": record.ended_ms,
        "verdict": ending.verdict,
        "error": ending.error,
        "reason": ending.reason,
    }


def _counts(steps: RunSteps) -> dict[str, Any]:
    return {name: getattr(steps, name) for name in ("name", "total", "passed", "failed", "source", "steps")}
