"""``/v1/tasks`` and ``/v1/browser-configs``: saved tests and the browsers that they run in. Floor 6."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.saved import Draft, Kind, Saved
from runwire.errors import InvalidInput, NotFound
from runwire.ids import new_id
from runwire.protocol.browser_options import BrowserOptions, parse_options
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.protocol.saved_tests import (
    ChangeConfiguration,
    ChangeTask,
    CheckTask,
    SaveConfiguration,
    SavedTest,
    SaveTask,
    check_test,
)
from runwire.web.access import current_user
from runwire.web.query import limit_of
from runwire.web.responses import json_response
from runwire.web.services import get_services

# Tests


async def create_task(request: Request) -> Response:
    """Save a test: 201. It gets a browser configuration ``{task_id}_default`` of its own."""
    body = convert(decode_body(await request.body()), SaveTask)
    task_id = new_id() if body.id is UNSET else body.id
    saved = await get_services(request).tests.create_task(task_id, body.test, current_user(request))
    return json_response(task_view(saved), status=201)


async def check_task(request: Request) -> Response:
    """Tell everything that is wrong with a test, without saving it: 200, also for one that could not be saved."""
    body = convert(decode_body(await request.body()), CheckTask)
    by_model = get_services(request).model.unavailable_reason() is None
    return json_response(await asyncio.to_thread(partial(check_test, body.test, by_model=by_model)))


async def list_tasks(request: Request) -> Response:
    """List the caller's saved tests by id, without the tests themselves."""
    return await _list(request, Kind.TASK, _heading)


async def get_task(request: Request) -> Response:
    """Return a saved test, its newest version."""
    saved = get_services(request).tests.saved
    return json_response(task_view(await saved.get(Kind.TASK, request.path_params["task_id"], current_user(request))))


async def change_task(request: Request) -> Response:
    """Save a test's next version; the same test as before makes none."""
    body = convert(decode_body(await request.body()), ChangeTask)
    expected = None if body.expected_version is UNSET else body.expected_version
    tests, user = get_services(request).tests, current_user(request)
    return json_response(task_view(await tests.replace_task(request.path_params["task_id"], body.test, user, expected)))


async def delete_task(request: Request) -> Response:
    """Delete a saved test with its versions and its default configuration; its runs stay."""
    await get_services(request).tests.delete_task(request.path_params["task_id"], current_user(request))
    return Response(status_code=204)


async def list_task_versions(request: Request) -> Response:
    """List a test's versions, newest first, without the tests themselves."""
    saved = get_services(request).tests.saved
    found = await saved.versions(Kind.TASK, request.path_params["task_id"], current_user(request))
    return json_response({"data": [_heading(one) for one in found], "next": None})


async def get_task_version(request: Request) -> Response:
    """Return one version of a saved test."""
    text = request.path_params["version"]
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise NotFound(f"no version {text[:20]} of the task")
    saved, user = get_services(request).tests.saved, current_user(request)
    return json_response(task_view(await saved.get(Kind.TASK, request.path_params["task_id"], user, int(text))))


# Browser configurations


async def create_browser_config(request: Request) -> Response:
    """Save a browser configuration: 201."""
    body = convert(decode_body(await request.body()), SaveConfiguration)
    config_id = new_id() if body.id is UNSET else body.id
    name = config_id if body.name is UNSET else body.name
    saved = get_services(request).tests.saved
    draft = Draft(Kind.CONFIGURATION, config_id, name, _checked(body.options))
    return json_response(config_view((await saved.create([draft], current_user(request)))[0]), status=201)


async def list_browser_configs(request: Request) -> Response:
    """List the caller's browser configurations by id."""
    return await _list(request, Kind.CONFIGURATION, config_view)


async def get_browser_config(request: Request) -> Response:
    """Return a browser configuration, its newest version."""
    saved, config_id = get_services(request).tests.saved, request.path_params["browser_config_id"]
    return json_response(config_view(await saved.get(Kind.CONFIGURATION, config_id, current_user(request))))


async def change_browser_config(request: Request) -> Response:
    """Save a browser configuration's next version; waiting runs keep the one that they were started with."""
    body = convert(decode_body(await request.body()), ChangeConfiguration)
    saved, user = get_services(request).tests.saved, current_user(request)
    config_id = request.path_params["browser_config_id"]
    name = body.name
    if name is UNSET:
        name = (await saved.get(Kind.CONFIGURATION, config_id, user)).name
    expected = None if body.expected_version is UNSET else body.expected_version
    draft = Draft(Kind.CONFIGURATION, config_id, name, _checked(body.options))
    return json_response(config_view(await saved.replace(draft, user, expected)))


async def delete_browser_config(request: Request) -> Response:
    """Delete a browser configuration with its versions; a test's default one goes with the test."""
    config_id = request.path_params["browser_config_id"]
    await get_services(request).tests.delete_configuration(config_id, current_user(request))
    return Response(status_code=204)


async def _list(request: Request, kind: Kind, view: Any) -> Response:
    query = request.query_params
    saved = get_services(request).tests.saved
    page = await saved.list(kind, current_user(request), query.get("after", ""), limit_of(query))
    return json_response({"data": [view(one) for one in page.data], "next": page.next})


def _checked(options: BrowserOptions) -> bytes:
    plain = msgspec.to_builtins(options)
    try:
        return msgspec.json.encode(parse_options(plain))
    except InvalidInput as error:
        raise InvalidInput(error.message.replace("browser.", "options.", 1)) from error


def _heading(saved: Saved) -> dict[str, Any]:
    return {"id": saved.id, "name": saved.name, "version": saved.version, "created_ms": saved.created_ms}


def task_view(saved: Saved) -> dict[str, Any]:
    """Return a saved test as the API shows it; ``text`` is what it was given as, if it was a text."""
    test = msgspec.json.decode(saved.body, type=SavedTest)
    return {**_heading(saved), "default_browser_config": f"{saved.id}_default", "test": test.test, "text": test.text}


def config_view(saved: Saved) -> dict[str, Any]:
    """Return a browser configuration as the API shows it."""
    return {**_heading(saved), "options": msgspec.Raw(saved.body)}
