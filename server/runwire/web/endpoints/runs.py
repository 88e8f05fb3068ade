"""``/v1/runs``: start, list, look at, cancel. Floor 6."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.actors import Visitor
from runwire.contracts.run_store import RunFilter
from runwire.errors import InvalidInput
from runwire.ids import is_client_run_id, new_id
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import RetryRun, StartRun, convert, parse_cursor
from runwire.protocol.shares import without_names
from runwire.runs.state import RunStatus
from runwire.web.access import current_reader, current_user
from runwire.web.query import limit_of
from runwire.web.responses import json_response, run_view
from runwire.web.services import get_services

MOST_EVENTS = 1_000
EVENTS_BYTES = 4 * 1024 * 1024


async def create_run(request: Request) -> Response:
    """Start a run: 202, or 200 with the run that the same id and body started before. A start that became a message is
    202 with the run that it went to.
    """
    services = get_services(request)
    body = decode_body(await request.body())
    key = request.headers.get("idempotency-key")
    if key is not None and isinstance(body, dict):
        if not is_client_run_id(key):
            raise InvalidInput("Idempotency-Key: it becomes the run id, so it must match [a-z0-9]{8,64}")
        if body.setdefault("run_id", key) != key:
            raise InvalidInput("run_id and Idempotency-Key differ; give one of them")
    command = convert(body, StartRun)
    created = await services.start_run(command, current_user(request), command.run_id or new_id(), request.headers)
    view = run_view(created.run.record)
    if created.steered is not None:
        return json_response({**view, "steered": created.steered}, status=202)
    return json_response(view, status=200 if created.existed else 202)


async def retry_run(request: Request) -> Response:
    """Repeat an ended run, or fork it behind ``from_seq``: 202 with the new run, 200 if that exists already."""
    services = get_services(request)
    given = await request.body()
    body = decode_body(given) if given else {}
    if not isinstance(body, dict) or "run_id" in body:
        raise InvalidInput("the body is an object with from_seq and new_run_id, both optional; the path names the run")
    key = request.headers.get("idempotency-key")
    if key is not None and body.setdefault("new_run_id", key) != key:
        raise InvalidInput("new_run_id and Idempotency-Key differ; give one of them")
    command = convert({**body, "run_id": request.path_params["run_id"]}, RetryRun)
    created = await services.retry_run(command, current_user(request), command.new_run_id or new_id(), request.headers)
    return json_response(run_view(created.run.record), status=200 if created.existed else 202)


async def list_runs(request: Request) -> Response:
    """List the caller's runs, newest first."""
    query = request.query_params
    limit = limit_of(query)
    status = query.get("status")
    if status is not None and status not in RunStatus.__members__:
        raise InvalidInput(f"status: one of {', '.join(RunStatus)}, got {status[:20]!r}")
    wanted = RunFilter(
        limit=limit,
        before=query.get("before"),
        status=None if status is None else RunStatus(status),
        agent=query.get("agent"),
        thread_id=query.get("thread_id"),
        parent_id=query.get("parent_id"),
    )
    page = await get_services(request).store.list(current_user(request), wanted)
    return json_response({"data": [run_view(record) for record in page.runs], "next": page.next})


async def get_run(request: Request) -> Response:
    """Return one run, from one read."""
    run = await get_services(request).store.get(request.path_params["run_id"], current_user(request))
    return json_response(run_view(run.record))


async def get_events(request: Request) -> Response:
    """Return entries behind ``after`` as they are stored; ``next`` is the cursor for the following page."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_reader(request))
    after = parse_cursor(request.query_params.get("after", "0"))
    limit = limit_of(request.query_params, MOST_EVENTS, MOST_EVENTS)
    chunk = await services.bridge.read(run, after, entries=limit, size_bytes=EVENTS_BYTES)
    last = chunk.first_seq + len(chunk.frames) - 1
    more = bool(chunk.frames) and last < run.record.last_seq
    following = b"%d" % last if more else b"null"
    frames = without_names(chunk.frames) if isinstance(run.actor, Visitor) else chunk.frames
    return json_response(b'{"data":[%b],"next":%b}' % (b",".join(frames), following))


async def cancel_run(request: Request) -> Response:
    """Ask a run to stop: 202; CANCELLED comes when its work has stopped."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    status = await services.cancel_run(run)
    return json_response({"run_id": run.run_id, "status": status.value, "cancel": "requested"}, status=202)


async def delete_run(request: Request) -> Response:
    """Delete an ended run with everything in it."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    await services.conversations.delete_run(run)
    return Response(status_code=204)
