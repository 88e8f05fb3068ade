"""What people do to a run that lives: answer its questions, talk to it. Floor 6."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.inbox import InputRequest
from runwire.engine.steering import Sent
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import Answer, Message, convert
from runwire.web.access import current_user
from runwire.web.responses import json_response
from runwire.web.services import get_services


async def respond(request: Request) -> Response:
    """Answer what a run has asked; 409 names who was faster."""
    services, user = get_services(request), current_user(request)
    command = convert(decode_body(await request.body()), Answer)
    run = await services.store.get(request.path_params["run_id"], user)
    answered = await services.answers.respond(run, command.request_id, command.payload, user)
    return json_response(answer_view(run.run_id, answered))


async def send_message(request: Request) -> Response:
    """Say something into a live run: 202 with what becomes of it."""
    services, user = get_services(request), current_user(request)
    command = convert(decode_body(await request.body()), Message)
    run = await services.store.get(request.path_params["run_id"], user)
    sent = await services.steering.send(run, command.message, user, command.message_id or None)
    return json_response(sent_view(sent), status=202)


async def list_requests(request: Request) -> Response:
    """List what a run has asked, oldest first, with the answers."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    asked = await services.answers.requests(run)
    return json_response({"data": [request_view(run.run_id, one) for one in asked], "next": None})


def sent_view(sent: Sent) -> dict[str, Any]:
    """Return the reply to a message."""
    return {"run_id": sent.run_id, "message_id": sent.message_id, "status": sent.status}


def answer_view(run_id: str, request: InputRequest) -> dict[str, Any]:
    """Return the reply to an answer that was taken."""
    return {
        "run_id": run_id,
        "request_id": request.id,
        "status": request.status.value,
        "answered_by": request.answered_by,
        "answered_ms": request.settled_ms,
    }


def request_view(run_id: str, request: InputRequest) -> dict[str, Any]:
    """Return a question as the API shows it; ``interrupt`` is AG-UI's object as it stands in the log."""
    return {
        **answer_view(run_id, request),
        "key": request.key,
        "interrupt": msgspec.Raw(request.interrupt),
        "created_ms": request.created_ms,
        "expires_ms": request.expires_ms,
        "payload": None if request.payload is None else msgspec.Raw(request.payload),
    }
