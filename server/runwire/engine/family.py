"""A run and its relatives, all of the same owner. Floor 5; asked on the run's own thread, done on the server's loop.

What goes in and out is JSON or bytes, so that a run in a process of its own asks the same over its link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from runwire.contracts.actors import User
from runwire.contracts.event_log import EventLog
from runwire.contracts.run_store import Created, RunStore
from runwire.engine.cancellation import StopToken
from runwire.engine.idle_watch import IdleWatch
from runwire.engine.run_ends import RunEnds
from runwire.errors import NotFound
from runwire.ids import id_from, new_id
from runwire.protocol.commands import StartRun, convert
from runwire.runs.record import ClaimedRun
from runwire.threads import LoopCaller

PAGE_ENTRIES = 256
PAGE_BYTES = 1_048_576
FAMILY_SERVICES = ("family.page", "family.start", "family.outcome")


class Family(Protocol):
    """What a context reaches its run's relatives through: a service of :class:`AttemptFamily`, by name."""

    async def ask(self, service: str, **arguments: Any) -> Any:
        """Return what the service returns; cancelling ends it there."""

    def ask_blocking(self, service: str, **arguments: Any) -> Any:
        """The same for a thread without a loop. Raises CancelledError when the run is to stop."""


@dataclass(frozen=True, slots=True)
class FamilyServices:
    """What every run needs to reach others."""

    server: LoopCaller
    store: RunStore
    event_log: EventLog
    ends: RunEnds
    start: Callable[[ClaimedRun, StartRun], Coroutine[Any, Any, Created]]
    """Starts a child of a run that is executed here."""
    idle: Callable[[], IdleWatch]


class AttemptFamily:
    """One attempt's relatives. Implements :class:`Family` on the server."""

    def __init__(self, claimed: ClaimedRun, services: FamilyServices, stop: StopToken) -> None:
        self._claimed = claimed
        self._services = services
        self._stop = stop

    async def ask(self, service: str, **arguments: Any) -> Any:
        """Return what the service returns."""
        return await self._services.server.call(lambda: self._served[service](**arguments))

    def ask_blocking(self, service: str, **arguments: Any) -> Any:
        """The same for a thread without a loop."""
        future = self._services.server.submit(lambda: self._served[service](**arguments))

        def give_up() -> None:
            future.cancel()

        self._stop.arm(give_up)
        try:
            return future.result()
        except CancelledError as error:
            raise asyncio.CancelledError("the run was asked to stop") from error
        finally:
            self._stop.arm(None)

    @property
    def _served(self) -> dict[str, Callable[..., Coroutine[Any, Any, Any]]]:
        return dict(zip(FAMILY_SERVICES, (self._page, self._start, self._outcome), strict=True))

    # On the server's loop

    async def _start(self, command: dict[str, Any], key: str | None) -> str:
        """Start a child and return its id."""
        if key is not None:
            command = {**command, "run_id": id_from("child", self._claimed.run_id, key)}
        return (await self._services.start(self._claimed, convert(command, StartRun))).run.run_id

    async def _outcome(self, run_id: str) -> dict[str, Any]:
        """Wait for the end of a child and return how it ended."""
        store, parent, owner = self._services.store, self._claimed, User(self._claimed.owner_id)
        with self._services.ends.expected(run_id) as ended:
            record = (await store.get(run_id, owner)).record
            if record.parent_id != parent.run_id:
                raise NotFound(f"the run {run_id[:64]} is no child of this one")
            if not record.ended:
                wait_id = new_id()
                store.wait_for_child(parent.run_id, parent.fence, run_id, wait_id)
                try:
                    with self._services.idle().waiting(parent.run_id):
                        await ended
                finally:
                    store.leave_child(parent.run_id, wait_id)
                record = (await store.get(run_id, owner)).record
        ending = msgspec.json.decode(record.terminal or b"{}")
        return {**ending, "run_id": record.id, "agent": record.agent}

    async def _page(self, after: int) -> list[bytes]:
        """Return the entries behind ``after`` of the run that this one is a fork of, as they are stored."""
        original, seq = self._claimed.retry_of, self._claimed.from_seq
        if original is None or seq is None:
            raise NotFound("this run is no fork")
        run = await self._services.store.get(original, User(self._claimed.owner_id))
        entries = min(PAGE_ENTRIES, seq - after)
        return (await self._services.event_log.read(run, after, entries=entries, size_bytes=PAGE_BYTES)).frames
