"""``/v1/queue`` and what operators do to it. Floor 6."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.actors import User
from runwire.contracts.queue_store import QueueView
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import PauseQueue, convert
from runwire.web.access import current_user
from runwire.web.responses import json_response
from runwire.web.services import Services, get_services


async def get_queue(request: Request) -> Response:
    """Return the limits, the counts, what is paused, and the places of the caller's own waiting runs."""
    services, actor = get_services(request), current_user(request)
    return json_response(queue_view(services, await services.waiting.queue.view(actor), actor))


async def pause_queue(request: Request) -> Response:
    """Start no more runs, or none of one agent; for operators. What is executed goes on."""
    services, actor = get_services(request), current_user(request)
    agent = await _agent(request)
    if agent is not None:
        services.registry.get(agent)
    await services.waiting.operator.pause(agent, actor)
    return json_response({"agent": agent, "paused": True})


async def resume_queue(request: Request) -> Response:
    """Take a pause back; for operators. Nothing happens if there is none."""
    services, actor = get_services(request), current_user(request)
    agent = await _agent(request)
    found = await services.waiting.operator.resume(agent, actor)
    return json_response({"agent": agent, "paused": False, "was_paused": found})


async def cancel_user(request: Request) -> Response:
    """Ask all runs of a user to stop: 202; what waits ends at once, what is executed when its work has stopped."""
    services, user_id = get_services(request), request.path_params["user_id"]
    done = await services.waiting.operator.cancel_user(user_id, current_user(request))
    return json_response({"user": user_id, "cancelled": done.ended, "stopping": done.stopping}, status=202)


async def _agent(request: Request) -> str | None:
    """Return the agent that a body names; no body means the whole queue. Raises InvalidInput."""
    body = await request.body()
    return convert(decode_body(body), PauseQueue).agent if body else None


def queue_view(services: Services, view: QueueView, actor: User) -> dict[str, Any]:
    """Return the queue as the API shows it; who has paused it, and others' counts, are for operators."""
    state, limits = services.waiting.queue.state, services.waiting.limits
    body: dict[str, Any] = {
        "limits": {
            "max_running": limits.total,
            "running_per_user": limits.per_user,
            "queued_per_user": services.settings.queued_per_user,
            "queued_runs": services.settings.queued_runs,
        },
        "queued": state.queued,
        "running": state.running,
        "waiting": state.waiting,
        "paused": [
            {"agent": pause.agent, "since_ms": pause.since_ms, **({"by": pause.paused_by} if actor.admin else {})}
            for pause in view.pauses
        ],
        "agents": [_agent_view(services, agent) for agent in sorted({*state.queued_as, *state.running_as})],
        "data": services.waiting.places.describe(view.own),
        "next": None,
    }
    if actor.admin:
        body["users"] = [{"user": load.user_id, "queued": load.queued, "running": load.running} for load in view.users]
    return body


def _agent_view(services: Services, agent: str) -> dict[str, Any]:
    state, limits = services.waiting.queue.state, services.waiting.limits
    return {
        "agent": agent,
        "queued": state.queued_as.get(agent, 0),
        "running": state.running_as.get(agent, 0),
        "max_running": limits.of_agent(agent),
        "blocked": services.waiting.places.blocked(agent),
    }
