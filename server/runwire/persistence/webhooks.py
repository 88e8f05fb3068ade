"""Webhooks and their outbox in SQL. Floor 4. Coroutines on the server's loop; functions that take a ``Transaction`` on
the writer, those that take a connection on a reader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from runwire.clock import Clock
from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.webhooks import Attempted, Delivery, DeliveryPage, DeliveryStatus, DueDelivery, Webhook
from runwire.errors import Conflict, NotFound
from runwire.ids import new_id
from runwire.persistence.reader import ReaderPool
from runwire.persistence.run_store import parse_mark
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import LogWriter
from runwire.protocol.webhooks import AddWebhook, new_webhook_secret
from runwire.runs.record import RunRecord

T = TypeVar("T")
RecordOf = Callable[[sa.Connection, str], RunRecord | None]

MOST_WEBHOOKS = 20
"""Webhooks of one user; a guess."""

DUE_OF_A_USER, DUE_AT_ONCE = 2, 8
"""Deliveries of one user, and of all, that are under way at once: a receiver that hangs holds up its owner alone."""

_COLUMNS = "id, owner_id, name, url, statuses, agents, everyone, created_ms"
_INSERT = f"INSERT INTO webhooks ({_COLUMNS}, secret) VALUES (?,?,?,?,?,?,?,?,?)"
_LIST = f"SELECT {_COLUMNS} FROM webhooks WHERE owner_id = ? ORDER BY name"
_NAMES = "SELECT name FROM webhooks WHERE owner_id = ?"
_OWN = "SELECT 1 FROM webhooks WHERE id = ? AND owner_id = ?"
_DELETE = "DELETE FROM webhooks WHERE id = ?"
_DELETE_DELIVERIES = "DELETE FROM webhook_deliveries WHERE webhook_id = ?"
_DELIVERY = "id, run_id, webhook_id, status, attempts, next_ms, answer, error, created_ms, done_ms"
_OF_WEBHOOK = f"SELECT {_DELIVERY} FROM webhook_deliveries WHERE webhook_id = ?"
_OF_RUN = f"SELECT {_DELIVERY} FROM webhook_deliveries WHERE run_id = ? AND owner_id = ? ORDER BY id"
_DUE = (
    "SELECT d.id, d.owner_id, d.attempts, coalesce(w.url, s.url), coalesce(w.secret, s.secret), d.run_id FROM ("
    "SELECT *, row_number() OVER (PARTITION BY owner_id ORDER BY next_ms) AS place FROM webhook_deliveries"
    " WHERE status = 'PENDING' AND next_ms <= ?) d"
    " LEFT JOIN webhooks w ON w.id = d.webhook_id LEFT JOIN run_webhooks s ON s.run_id = d.run_id"
    f" WHERE place <= {DUE_OF_A_USER} ORDER BY next_ms LIMIT {4 * DUE_AT_ONCE}"
)
_NEXT = "SELECT min(next_ms) FROM webhook_deliveries WHERE status = 'PENDING'"
_ATTEMPTED = (
    "UPDATE webhook_deliveries SET status = ?, attempts = attempts + 1, next_ms = ?, answer = ?, error = ?, done_ms = ?"
    " WHERE id = ?"
)


class SqlWebhookStore:
    """Implements ``contracts.webhooks.WebhookStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool, clock: Clock, record_of: RecordOf) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._record_of = record_of

    @property
    def has_receivers(self) -> bool:
        """Whether anybody was ever to be told."""
        return self._writer.receivers.some

    async def add(self, owner: User, wanted: AddWebhook) -> tuple[Webhook, str]:
        """Store a webhook and return it with its secret."""
        secret = new_webhook_secret()
        webhook = Webhook(
            new_id(),
            owner.id,
            wanted.name,
            wanted.url,
            wanted.statuses,
            wanted.agents,
            wanted.everyone,
            self._clock.now_ms(),
        )

        def apply(tx: Transaction) -> None:
            names = [row[0] for row in tx.run(_NAMES, (owner.id,))]
            if webhook.name in names:
                raise Conflict(f"you have a webhook called {webhook.name}; delete it first, or choose another name")
            if len(names) >= MOST_WEBHOOKS:
                raise Conflict(f"you have {len(names)} webhooks, the limit; delete one")
            lists = (_encoded(webhook.statuses), _encoded(webhook.agents))
            facts = (webhook.id, owner.id, webhook.name, webhook.url, *lists, webhook.everyone, webhook.created_ms)
            tx.receivers.some = True
            tx.run(_INSERT, (*facts, secret))

        await self._writer.write(apply)
        return webhook, secret

    async def list(self, owner: User) -> Sequence[Webhook]:
        """Return the owner's webhooks."""
        rows = await self._readers.run(lambda connection: connection.exec_driver_sql(_LIST, (owner.id,)).all())
        return [_webhook(row) for row in rows]

    async def delete(self, owner: User, webhook_id: str) -> None:
        """Remove a webhook and what was still to be delivered to it."""

        def apply(tx: Transaction) -> None:
            if tx.run(_OWN, (webhook_id, owner.id)).fetchone() is None:
                raise NotFound(f"no webhook {webhook_id[:64]}")
            tx.run(_DELETE, (webhook_id,))
            tx.run(_DELETE_DELIVERIES, (webhook_id,))

        await self._writer.write(apply)

    async def deliveries(self, owner: User, webhook_id: str, *, limit: int, before: str | None) -> DeliveryPage:
        """Return a page of a webhook's deliveries."""
        return await self._readers.run(partial(_deliveries, owner, webhook_id, limit, before))

    async def deliveries_of(self, run: OwnedRun) -> Sequence[Delivery]:
        """Return who is told of a run's end, as far as its owner has asked for it."""
        values = (run.run_id, run.record.owner_id)
        rows = await self._readers.run(lambda connection: connection.exec_driver_sql(_OF_RUN, values).all())
        return [_delivery(row) for row in rows]

    # For whoever delivers

    async def due(self, now_ms: int, busy: Sequence[str]) -> Sequence[DueDelivery]:
        """Return deliveries whose time has come."""
        return await self._readers.run(partial(self._due, now_ms, frozenset(busy)))

    def _due(self, now_ms: int, busy: frozenset[str], connection: sa.Connection) -> Sequence[DueDelivery]:
        found = []
        for delivery_id, owner_id, attempts, url, secret, run_id in connection.exec_driver_sql(_DUE, (now_ms,)).all():
            record = None if delivery_id in busy or url is None else self._record_of(connection, run_id)
            if record is not None:
                found.append(DueDelivery(delivery_id, owner_id, attempts, url, secret, record))
        return found

    async def next_ms(self) -> int | None:
        """Return when the next delivery is due, or None if nothing waits."""
        return await self._readers.run(lambda connection: connection.exec_driver_sql(_NEXT).scalar())

    async def attempted(self, results: Sequence[Attempted]) -> None:
        """Store what became of attempts."""

        def apply(tx: Transaction) -> None:
            for one in results:
                done_ms = None if one.status is DeliveryStatus.PENDING else tx.now_ms
                tx.run(_ATTEMPTED, (one.status.value, one.next_ms, one.answer, one.error, done_ms, one.delivery_id))

        await self._writer.write(apply)


def _encoded(names: tuple[str, ...] | None) -> str | None:
    return None if names is None else msgspec.json.encode(names).decode()


def _webhook(row: Any) -> Webhook:
    webhook_id, owner_id, name, url, statuses, agents, everyone, created_ms = row
    lists = [None if names is None else tuple(msgspec.json.decode(names)) for names in (statuses, agents)]
    return Webhook(webhook_id, owner_id, name, url, lists[0], lists[1], bool(everyone), created_ms)


def _delivery(row: Any) -> Delivery:
    delivery_id, run_id, webhook_id, status, *facts = row
    return Delivery(delivery_id, run_id, webhook_id or None, DeliveryStatus(status), *facts)


def _deliveries(
    owner: User, webhook_id: str, limit: int, before: str | None, connection: sa.Connection
) -> DeliveryPage:
    if connection.exec_driver_sql(_OWN, (webhook_id, owner.id)).first() is None:
        raise NotFound(f"no webhook {webhook_id[:64]}")
    statement, parameters = _OF_WEBHOOK, [webhook_id]
    values: list[Any] = [*parameters]
    if before is not None:
        statement += " AND (created_ms, id) < (?, ?)"
        values += parse_mark(before)
    statement += " ORDER BY created_ms DESC, id DESC LIMIT ?"
    rows = connection.exec_driver_sql(statement, (*values, limit + 1)).all()
    page = [_delivery(row) for row in rows[:limit]]
    more = len(rows) > limit
    return DeliveryPage(page, f"{page[-1].created_ms}.{page[-1].id}" if more else None)
