"""``/v1/webhooks``: who is told of the ends of runs, and what became of it. Floor 6."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runwire.contracts.webhooks import Delivery, Webhook
from runwire.errors import ScopeMissing
from runwire.protocol.codec import decode_body
from runwire.protocol.commands import convert
from runwire.protocol.webhooks import AddWebhook, check_statuses
from runwire.web.access import current_user
from runwire.web.query import limit_of
from runwire.web.responses import json_response
from runwire.web.services import get_services


async def add_webhook(request: Request) -> Response:
    """Add a webhook: 201, with the secret that signs, shown this once."""
    services, user = get_services(request), current_user(request)
    wanted = convert(decode_body(await request.body()), AddWebhook)
    if wanted.everyone and not user.admin:
        raise ScopeMissing("everyone: needs an admin's token")
    check_statuses(wanted.statuses)
    services.check_webhook_url(wanted.url)
    webhook, secret = await services.webhooks.add(user, wanted)
    return json_response({**_view(webhook), "secret": secret}, status=201)


async def list_webhooks(request: Request) -> Response:
    """List the caller's webhooks."""
    webhooks = await get_services(request).webhooks.list(current_user(request))
    return json_response({"data": [_view(webhook) for webhook in webhooks], "next": None})


async def delete_webhook(request: Request) -> Response:
    """Remove a webhook and what was still to be delivered to it."""
    await get_services(request).webhooks.delete(current_user(request), request.path_params["webhook_id"])
    return Response(status_code=204)


async def list_deliveries(request: Request) -> Response:
    """List what was, is or will be delivered to a webhook, newest first."""
    query, webhook_id = request.query_params, request.path_params["webhook_id"]
    store, user = get_services(request).webhooks, current_user(request)
    page = await store.deliveries(user, webhook_id, limit=limit_of(query), before=query.get("before"))
    return json_response({"data": [_delivery_view(one) for one in page.deliveries], "next": page.next})


async def list_run_deliveries(request: Request) -> Response:
    """List who is told of a run's end, and what became of it."""
    services = get_services(request)
    run = await services.store.get(request.path_params["run_id"], current_user(request))
    deliveries = await services.webhooks.deliveries_of(run)
    return json_response({"data": [_delivery_view(one) for one in deliveries], "next": None})


def _view(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "statuses": webhook.statuses,
        "agents": webhook.agents,
        "everyone": webhook.everyone,
        "created_ms": webhook.created_ms,
    }


def _delivery_view(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "run_id": delivery.run_id,
        "webhook_id": delivery.webhook_id,
        "status": delivery.status.value,
        "attempts": delivery.attempts,
        "next_ms": delivery.next_ms if delivery.done_ms is None else None,
        "answer": delivery.answer,
        "error": delivery.error,
        "created_ms": delivery.created_ms,
        "done_ms": delivery.done_ms,
    }
