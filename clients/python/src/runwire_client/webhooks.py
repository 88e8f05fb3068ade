"""Whom the server tells of the ends of a user's runs. One event loop; ``AsyncRunwire.webhooks``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from runwire_client.address import checked_id
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told; ``secret`` is known only to whoever added it."""

    id: str
    name: str
    url: str
    secret: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One end of a run that somebody is told of: PENDING, DELIVERED or FAILED. ``answer`` is the last HTTP status."""

    id: str
    run_id: str
    status: str
    attempts: int
    answer: int | None
    error: str | None


class Webhooks:
    """The webhooks of the client's user."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def add(
        self, name: str, url: str, *, statuses: Sequence[str] | None = None, agents: Sequence[str] | None = None
    ) -> Webhook:
        """Have ``url`` told of the ends of your runs; the answer alone holds the secret that signs.

        Args:
            name: your own name for it.
            url: https, and not on a private network.
            statuses: only of these ends; None: of all.
            agents: only of these agents' runs; None: of all.

        Raises:
            InvalidInput: the address is refused; Conflict: the name is taken, or you have as many as allowed.
        """
        body: dict[str, Any] = {"name": name, "url": url}
        if statuses is not None:
            body["statuses"] = list(statuses)
        if agents is not None:
            body["agents"] = list(agents)
        return read_webhook(await self._http.call("POST", "/v1/webhooks", body=body))

    async def list(self) -> list[Webhook]:
        """Return them, in the order of their names."""
        return [read_webhook(row) for row in Fields(await self._http.get("/v1/webhooks"), "webhooks").rows("data")]

    async def delete(self, webhook_id: str) -> None:
        """Remove one, and what was still to be delivered to it. Raises NotFound."""
        await self._http.call("DELETE", _path(webhook_id))

    async def deliveries(self, webhook_id: str, *, limit: int = 50) -> AsyncGenerator[Delivery, None]:
        """Yield what was, is or will be delivered to one, newest first. Raises NotFound."""
        path = f"{_path(webhook_id)}/deliveries"
        async with aclosing(self._http.pages(path, "before", {"limit": limit}, read_delivery)) as rows:
            async for row in rows:
                yield row


def read_webhook(value: object) -> Webhook:
    """Return a webhook. Raises ProtocolViolation."""
    fields = Fields(value, "webhook")
    return Webhook(fields.text("id"), fields.text("name"), fields.text("url"), fields.text_or_none("secret"))


def read_delivery(value: object) -> Delivery:
    """Return a delivery. Raises ProtocolViolation."""
    fields = Fields(value, "delivery")
    return Delivery(
        id=fields.text("id"),
        run_id=fields.text("run_id"),
        status=fields.text("status"),
        attempts=fields.whole("attempts"),
        answer=fields.whole_or_none("answer"),
        error=fields.text_or_none("error"),
    )


def _path(webhook_id: str) -> str:
    return f"/v1/webhooks/{checked_id(webhook_id, 'webhook id')}"
