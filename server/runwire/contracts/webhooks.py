"""The seam to webhooks: who is to be told of which ends, and what became of it. Floor 3; coroutines of the server's
loop.

The end of a run stores what is to be delivered in its own transaction: a crash loses none, and may deliver one twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from runwire.contracts.actors import OwnedRun, User
from runwire.protocol.webhooks import AddWebhook
from runwire.runs.record import RunRecord


class DeliveryStatus(StrEnum):
    """Where a delivery is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told. ``statuses`` and ``agents``: only of these, None: of all."""

    id: str
    owner_id: str
    name: str
    url: str
    statuses: tuple[str, ...] | None
    agents: tuple[str, ...] | None
    everyone: bool
    created_ms: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One end of a run that somebody is told of. ``answer`` is the last HTTP status, ``error`` why the last attempt
    failed; ``next_ms`` when the next one comes, Unix milliseconds."""

    id: str
    run_id: str
    webhook_id: str | None
    status: DeliveryStatus
    attempts: int
    next_ms: int
    answer: int | None
    error: str | None
    created_ms: int
    done_ms: int | None


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery whose time has come, with all that sending it needs."""

    id: str
    owner_id: str
    attempts: int
    url: str
    secret: str | None
    run: RunRecord


@dataclass(frozen=True, slots=True)
class Attempted:
    """What became of an attempt: ``status`` PENDING asks for another one at ``next_ms``."""

    delivery_id: str
    status: DeliveryStatus
    next_ms: int
    answer: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, newest first; ``next`` is the mark of the following page or None."""

    deliveries: Sequence[Delivery]
    next: str | None


class WebhookStore(Protocol):
    """Webhooks in the database. Somebody else's is absent."""

    @property
    def has_receivers(self) -> bool:
        """Whether anybody was ever to be told of an end; any thread. If not, no delivery is ever stored."""

    async def add(self, owner: User, wanted: AddWebhook) -> tuple[Webhook, str]:
        """Store a webhook and return it with its secret: the only time that the secret is seen.

        Raises:
            Conflict: the name is taken, or the user has as many as allowed.
        """

    async def list(self, owner: User) -> Sequence[Webhook]:
        """Return the owner's webhooks, in the order of their names."""

    async def delete(self, owner: User, webhook_id: str) -> None:
        """Remove a webhook and what was still to be delivered to it. Raises NotFound."""

    async def deliveries(self, owner: User, webhook_id: str, *, limit: int, before: str | None) -> DeliveryPage:
        """Return a page of a webhook's deliveries. Raises NotFound, InvalidInput."""

    async def deliveries_of(self, run: OwnedRun) -> Sequence[Delivery]:
        """Return who is told of a run's end, as far as its owner has asked for it."""

    async def due(self, now_ms: int, busy: Sequence[str]) -> Sequence[DueDelivery]:
        """Return deliveries whose time has come, but for those in ``busy``, a few of each user."""

    async def next_ms(self) -> int | None:
        """Return when the next delivery is due, or None if nothing waits."""

    async def attempted(self, results: Sequence[Attempted]) -> None:
        """Store what became of attempts."""
