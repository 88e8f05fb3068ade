"""``GET /v1/agents``: what can be run here. Floor 6."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runwire.agents.registry import AgentSpec
from runwire.web.responses import json_response
from runwire.web.services import Services, get_services


async def list_agents(request: Request) -> Response:
    """List the agents, also those that cannot be run here, with the reason."""
    services = get_services(request)
    return json_response({"data": [agent_view(spec, services) for spec in services.registry], "next": None})


def agent_view(spec: AgentSpec, services: Services) -> dict[str, Any]:
    """Return one agent as the API shows it."""
    reason = _unavailable_reason(spec, services)
    view: dict[str, Any] = {
        "name": spec.name,
        "description": spec.description,
        "style": spec.style.value,
        "recoverable": spec.recoverable,
        "isolation": services.registry.isolation(spec.name),
        "input_schema": spec.input_schema,
        "result_schema": None if spec.returns is None else spec.returns.schema,
        "forkable": spec.forkable,
        "needs_browser": spec.needs_browser,
        "version": spec.version,
        "retry": spec.retry,
        "limits": spec.limits,
        "max_running": services.waiting.limits.of_agent(spec.name),
        "timeout_s": spec.timeout_s or services.settings.run_timeout_s,
        "available": reason is None,
    }
    if reason is not None:
        view["unavailable_reason"] = reason
    return view


def _unavailable_reason(spec: AgentSpec, services: Services) -> str | None:
    """Return why the agent cannot be run here, with what mends it, or None."""
    missing = None if spec.unavailable is None else spec.unavailable()
    no_browser = _no_browser(services, whole=spec.needs_whole_browser) if spec.needs_browser else None
    return missing or no_browser or (services.model.unavailable_reason() if spec.needs_model else None)


def _no_browser(services: Services, *, whole: bool) -> str | None:
    pool = services.browser()
    if pool is None:
        return "browser support is not installed; install it with: pip install 'runwire[browser]'"
    return pool.unavailable_reason(whole=whole)
