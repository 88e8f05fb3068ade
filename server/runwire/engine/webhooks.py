"""Delivers the outbox: what ends of runs have stored is sent until it is taken or given up. Floor 5; the server's loop.

It sleeps until a run ends or the next attempt is due, whichever comes first. At least once: an attempt that was made
but not stored, because the server was killed in between, is made again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog

from runwire.clock import Clock
from runwire.contracts.event_log import Published
from runwire.contracts.webhooks import Attempted, DeliveryStatus, DueDelivery, WebhookStore
from runwire.engine.webhook_sender import Answer, WebhookSender
from runwire.protocol.webhooks import body_of, headers_of, retry_after_s

log = structlog.get_logger(__name__)

AT_ONCE = 8
"""Attempts under way at once."""

GONE = 410
"""The receiver asks never to be told again (RFC 9110, section 15.5.11)."""

FAILED_LOOK_S = 5.0
"""Pause after a look at the outbox that failed: the storage is away."""


class WebhookDelivery:
    """Sends what is due, a few at once, each user's share bounded by the store."""

    def __init__(
        self,
        store: WebhookStore,
        sender: WebhookSender,
        clock: Clock,
        *,
        attempts: int,
        first_retry_s: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``attempts`` bounds the tries of one delivery, ``first_retry_s`` is the pause behind the first, seconds."""
        self._store = store
        self._sender = sender
        self._clock = clock
        self._attempts = attempts
        self._first_retry_s = first_retry_s
        self._jitter = jitter
        self._woken = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with what an earlier process has left."""
        self._task = asyncio.get_running_loop().create_task(self._work(), name="webhooks")

    async def close(self) -> None:
        """Stop; what is under way is sent again by the next process. Idempotent."""
        tasks = [*self._under_way.values(), *([self._task] if self._task is not None else [])]
        self._task = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._sender.close()

    def on_published(self, published: Published) -> None:
        """Note that a run has ended; the bridge calls this."""
        if published.ended and self._store.has_receivers:
            self._woken.set()

    async def _work(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait_s = await self._look()
            except Exception:  # the edge of a background task: it goes on when the trouble is over
                log.exception("webhooks.look_failed")
                wait_s = FAILED_LOOK_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _look(self) -> float | None:
        """Begin what is due; return after how many seconds to look again, None: when something happens."""
        now_ms = self._clock.now_ms()
        for due in await self._store.due(now_ms, list(self._under_way)):
            if len(self._under_way) >= AT_ONCE:
                return None  # an attempt that ends wakes this
            task = asyncio.get_running_loop().create_task(self._attempt(due))
            self._under_way[due.id] = task
            task.add_done_callback(lambda _task, delivery_id=due.id: self._ended(delivery_id))  # type: ignore[misc]
        next_ms = await self._store.next_ms()
        if next_ms is None or (next_ms <= now_ms and self._under_way):
            return None
        return (next_ms - now_ms) / 1000 if next_ms > now_ms else FAILED_LOOK_S

    def _ended(self, delivery_id: str) -> None:
        self._under_way.pop(delivery_id, None)
        self._woken.set()

    async def _attempt(self, due: DueDelivery) -> None:
        try:
            body = body_of(due.run)
            headers = headers_of(due.id, self._clock.now_ms() // 1000, body, due.secret)
            result = self._result(due, await self._sender.post(due.url, headers, body))
            await self._store.attempted([result])
        except Exception:  # the edge of a background task; the delivery stays due
            log.exception("webhooks.attempt_failed", delivery=due.id)
            await asyncio.sleep(FAILED_LOOK_S)

    def _result(self, due: DueDelivery, answer: Answer) -> Attempted:
        now_ms, attempts = self._clock.now_ms(), due.attempts + 1
        if answer.status is not None and 200 <= answer.status < 300:
            return Attempted(due.id, DeliveryStatus.DELIVERED, now_ms, answer.status, None)
        error = answer.error or _reason(answer.status)
        if attempts >= self._attempts or answer.status == GONE:
            log.warning("webhook.given_up", delivery=due.id, attempts=attempts, error=error)
            return Attempted(due.id, DeliveryStatus.FAILED, now_ms, answer.status, error)
        pause_s = retry_after_s(attempts, self._first_retry_s) * (1 + 0.2 * self._jitter())
        return Attempted(due.id, DeliveryStatus.PENDING, now_ms + int(pause_s * 1000), answer.status, error)


def _reason(status: int | None) -> str:
    if status is not None and 300 <= status < 400:
        return f"answered {status}; redirects are not followed"
    return f"answered {status}"
