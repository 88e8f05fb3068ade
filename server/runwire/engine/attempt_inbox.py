"""``ctx.inbox``: what people say into a live run, in its agent's hands. Floor 5; the run's own thread.

Where messages come from is a source: the store and its bell, or the link of a run in a process of its own. A source
knows when it may hold something, so that an inbox that nothing has come to costs nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from time import monotonic
from typing import Protocol

from runwire.contracts.inbox import Deliver
from runwire.contracts.steering import InboxMessage
from runwire.engine.cancellation import StopToken
from runwire.engine.waits import LOOK_S, BlockingWaits, answered
from runwire.protocol.messages import message_events
from runwire.threads import Doorbell

Take = Callable[[Deliver[InboxMessage]], None]


class LiveSource(Protocol):
    """Where an asynchronous agent's messages come from."""

    @property
    def may_hold(self) -> bool:
        """Whether it is worth asking."""

    async def take(self) -> InboxMessage | None:
        """Take the next message; None if there is none."""

    async def wait(self) -> None:
        """Wait until it may hold something."""


class BlockingSource(Protocol):
    """The same for a plain function; each raises CancelledError when the run is to stop."""

    @property
    def may_hold(self) -> bool:
        """Whether it is worth asking."""

    def take(self) -> InboxMessage | None:
        """Take the next message; None if there is none."""

    def wait(self, timeout_s: float) -> None:
        """Wait until it may hold something, at most ``timeout_s`` seconds."""


class StoredMessages:
    """The store as a source: a ring since the last look that found nothing, or no look yet."""

    def __init__(self, bell: Doorbell, take: Take, spend: Callable[[int], None], stop: StopToken) -> None:
        """``spend`` counts the events that a taken message becomes."""
        self._bell = bell
        self._take = take
        self._spend = spend
        self._waits = BlockingWaits(bell, stop)
        self._empty_at = -1

    @property
    def may_hold(self) -> bool:
        """Whether it is worth asking."""
        return self._bell.rings > self._empty_at

    async def take(self) -> InboxMessage | None:
        """Take the next message."""
        rings = self._bell.rings
        return self._noted(rings, await answered(self._take))

    async def wait(self) -> None:
        """Wait until it may hold something."""
        await self._bell.wait(self._empty_at)

    def take_blocking(self) -> InboxMessage | None:
        """Take the next message on a thread without a loop."""
        rings = self._bell.rings
        with self._waits.armed():
            return self._noted(rings, self._waits.answered(self._take))

    def wait_blocking(self, timeout_s: float) -> None:
        """Wait until it may hold something on a thread without a loop."""
        with self._waits.armed():
            self._bell.wait_blocking(self._empty_at, timeout_s)
            self._waits.leave_if_stopped()

    def _noted(self, rings: int, message: InboxMessage | None) -> InboxMessage | None:
        if message is None:
            self._empty_at = rings
        else:
            self._spend(len(message_events(message.id, message.content, message.sender, message.sent_ms)))
        return message


class BlockingStoredMessages:
    """Implements :class:`BlockingSource` on the store."""

    def __init__(self, stored: StoredMessages) -> None:
        self._stored = stored
        self.take = stored.take_blocking
        self.wait = stored.wait_blocking

    @property
    def may_hold(self) -> bool:
        """Whether it is worth asking."""
        return self._stored.may_hold


class LiveInbox:
    """Implements ``contracts.steering.RunInbox``."""

    def __init__(self, source: LiveSource, close_message: Callable[[], Awaitable[None]]) -> None:
        """``close_message`` ends the answer that the agent is giving, so that what the person said stands behind it."""
        self._source = source
        self._close_message = close_message
        self._kept: deque[InboxMessage] = deque()

    async def __aiter__(self) -> AsyncIterator[InboxMessage]:
        """Yield messages as they come, until the run is stopped."""
        while True:
            message = await self.receive()
            if message is not None:
                yield message

    async def receive(self, timeout_s: float | None = None) -> InboxMessage | None:
        """Wait for the next message; None after ``timeout_s`` seconds."""
        deadline = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        while True:
            message = await self.poll()
            if message is not None:
                return message
            try:
                async with asyncio.timeout_at(deadline):
                    await self.arrival()
            except TimeoutError:
                return None

    async def arrival(self) -> None:
        """Wait until something may have come; takes nothing."""
        if not self._kept:
            await self._source.wait()

    async def poll(self) -> InboxMessage | None:
        """Return the next message if one is there; costs nothing while none has come."""
        if self._kept:
            return self._kept.popleft()
        if not self._source.may_hold:
            return None
        await self._close_message()
        taking = asyncio.ensure_future(self._source.take())
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(self._keep)
            raise

    def _keep(self, taking: asyncio.Future[InboxMessage | None]) -> None:
        """Keep what was taken for a wait that was cancelled: the next one gets it."""
        if not taking.cancelled() and taking.exception() is None and (message := taking.result()) is not None:
            self._kept.append(message)


class BlockingInbox:
    """Implements ``contracts.steering.SyncRunInbox``."""

    def __init__(self, source: BlockingSource, close_message: Callable[[], None]) -> None:
        """``close_message`` ends the answer that the agent is giving."""
        self._source = source
        self._close_message = close_message

    def __iter__(self) -> Iterator[InboxMessage]:
        """Yield messages as they come."""
        while True:
            message = self.receive()
            if message is not None:
                yield message

    def receive(self, timeout_s: float | None = None) -> InboxMessage | None:
        """Wait for the next message; None after ``timeout_s`` seconds. Raises CancelledError when the run is to
        stop.
        """
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while (message := self.poll()) is None:
            left_s = LOOK_S if deadline is None else deadline - monotonic()
            if left_s <= 0:
                return None
            self._source.wait(min(left_s, LOOK_S))
        return message

    def poll(self) -> InboxMessage | None:
        """Return the next message if one is there."""
        if not self._source.may_hold:
            return None
        self._close_message()
        return self._source.take()
