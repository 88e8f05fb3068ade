"""OpenAPI and AsyncAPI, made from the route table and the schemas of the protocol. Floor 6; pure."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from runwire import __version__
from runwire.auth.policy import Policy
from runwire.protocol import VERSION
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.commands import Answer, Message, PauseQueue, StartRun
from runwire.protocol.saved_tests import (
    ChangeConfiguration,
    ChangeSuite,
    ChangeTask,
    CheckTask,
    Execute,
    RunSuite,
    SaveConfiguration,
    SaveSuite,
    SaveTask,
)
from runwire.protocol.schedules import AddSchedule, ChangeSchedule
from runwire.protocol.schema import commands_schema, documents, frames_schema
from runwire.protocol.shares import AddShare, OpenShare
from runwire.protocol.webhooks import AddWebhook
from runwire.web.access import SESSION_COOKIE, SHARE_COOKIE
from runwire.web.endpoints.login import Login
from runwire.web.endpoints.threads import ChangeThread
from runwire.web.endpoints.usage import SetBudget
from runwire.web.routes import DOORS, Door

_BODIES: dict[tuple[str, str], type[msgspec.Struct]] = {
    ("POST", "/v1/runs"): StartRun,
    ("POST", "/v1/login"): Login,
    ("PATCH", "/v1/threads/{thread_id}"): ChangeThread,
    ("POST", "/v1/shares"): AddShare,
    ("POST", "/v1/shared"): OpenShare,
    ("POST", "/v1/webhooks"): AddWebhook,
    ("POST", "/v1/schedules"): AddSchedule,
    ("PUT", "/v1/budgets/{user_id}"): SetBudget,
    ("PATCH", "/v1/schedules/{schedule_id}"): ChangeSchedule,
    ("POST", "/v1/queue/pause"): PauseQueue,
    ("POST", "/v1/queue/resume"): PauseQueue,
    ("POST", "/v1/runs/{run_id}/respond"): Answer,
    ("POST", "/v1/tasks"): SaveTask,
    ("POST", "/v1/tasks/check"): CheckTask,
    ("PUT", "/v1/tasks/{task_id}"): ChangeTask,
    ("POST", "/v1/browser-configs"): SaveConfiguration,
    ("PUT", "/v1/browser-configs/{browser_config_id}"): ChangeConfiguration,
    ("POST", "/v1/suites"): SaveSuite,
    ("PUT", "/v1/suites/{suite_id}"): ChangeSuite,
    ("POST", "/v1/suites/{suite_id}/run"): Execute,
    ("POST", "/v1/suite-runs"): RunSuite,
    ("POST", "/test-runs/execute-configuration/{task_id}/{browser_config_id}"): Execute,
    ("POST", "/v1/runs/{run_id}/messages"): Message,
}
_SECURITY: dict[Policy | None, list[dict[str, list[str]]]] = {
    Policy.PUBLIC: [],
    Policy.VISITOR: [{"token": []}, {"share": []}],
}
_PARAMETER = re.compile(r"\{(\w+)\}")
_PROBLEM = {
    "description": "a problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"type": "object"}}},
}


def openapi() -> dict[str, Any]:
    """Return the description of the HTTP API."""
    bodies = list(dict.fromkeys(_BODIES.values()))
    _, definitions = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for door in DOORS:
        if door.method != "WS":
            paths.setdefault(door.path, {})[door.method.lower()] = _operation(door)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Runwire", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
                "share": {"type": "apiKey", "in": "cookie", "name": SHARE_COOKIE},
            },
        },
    }


def _operation(door: Door) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": ("shared_" if door.policy is Policy.VISITOR else "") + door.endpoint.__name__,
        "summary": (inspect.getdoc(door.endpoint) or "").split("\n", 1)[0],
        "responses": {"2XX": {"description": "done"}, "4XX": _PROBLEM, "5XX": _PROBLEM},
        "security": _SECURITY.get(door.policy, [{"token": []}, {"cookie": []}]),
    }
    names = _PARAMETER.findall(door.path)
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    body = _BODIES.get((door.method, door.path))
    if body is not None:
        reference = f"#/components/schemas/{body.__name__}"
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"$ref": reference}}}}
    return operation


def asyncapi() -> dict[str, Any]:
    """Return the description of the sockets: what a client may send, what it receives, how a socket is closed."""
    channels = {
        _channel_name(door): {
            "address": door.path,
            "description": (inspect.getdoc(door.endpoint) or "").split("\n", 1)[0],
            "messages": {"command": {"payload": commands_schema()}, "frame": {"payload": frames_schema()}},
        }
        for door in DOORS
        if door.method == "WS"
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Runwire",
            "version": __version__,
            "description": "Subprotocol "
            + VERSION
            + ". Close codes: "
            + "; ".join(f"{c.value} {c.reason}" for c in CloseCode),
        },
        "channels": channels,
        "operations": {
            f"{action}-{name}": {"action": action, "channel": {"$ref": f"#/channels/{name}"}}
            for name in channels
            for action in ("send", "receive")
        },
    }


def _channel_name(door: Door) -> str:
    return door.endpoint.__name__.replace("_", "-")


def all_documents() -> dict[str, bytes]:
    """Return every generated document by its path under the server's root, as stable JSON."""
    made = {f"schema/{name}": document for name, document in documents().items()}
    made |= {"openapi.json": openapi(), "asyncapi.json": asyncapi()}
    return {
        path: msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"
        for path, document in made.items()
    }
