"""Conversations while runs live in them: ending what still runs before it is deleted. Floor 5; the server's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.conversations import ConversationStore
from runwire.contracts.event_log import Published
from runwire.contracts.run_store import RunStore
from runwire.engine.background import BackgroundPass
from runwire.engine.bridge import AgentWebSocketBridge
from runwire.errors import Conflict

INDEX_SETTLE_S = 0.25
"""How late an ended run becomes searchable, on an idle server; a guess. Runs that end meanwhile share a portion."""


class Conversations:
    """Deletes conversations and runs, and owns the passes that make them searchable and remove them from the disk."""

    def __init__(
        self,
        store: ConversationStore,
        runs: RunStore,
        bridge: AgentWebSocketBridge,
        cancel: Callable[[OwnedRun], Awaitable[object]],
        *,
        stop_timeout_s: float,
    ) -> None:
        """``cancel`` asks a run to stop; ``stop_timeout_s``: how long a deletion by force waits for the ends."""
        self.store = store
        self._runs = runs
        self._bridge = bridge
        self._cancel = cancel
        self._stop_timeout_s = stop_timeout_s
        self._indexing = BackgroundPass("search index", store.index, settle_s=INDEX_SETTLE_S)
        self._purging = BackgroundPass("purge", store.purge, settle_s=0.0)

    def start(self) -> None:
        """Start the passes, with what an earlier process left."""
        self._indexing.start()
        self._purging.start()

    async def close(self) -> None:
        """End the passes; before the storage is closed."""
        await self._indexing.close()
        await self._purging.close()

    def on_published(self, published: Published) -> None:
        """Note that a run has ended; the bridge calls this."""
        if published.ended:
            self._indexing.wake()

    async def delete(self, thread_id: str, user: User, *, force: bool) -> None:
        """Delete a conversation with everything in it; with ``force`` its live runs are cancelled first.

        Raises:
            NotFound: there is none.
            Conflict: runs of it live, or did not stop in time.
        """
        if force:
            await self._end_runs(thread_id, user)
        await self.store.delete(thread_id, user)
        self._purging.wake()

    async def _end_runs(self, thread_id: str, user: User) -> None:
        """Cancel every live run of a thread and wait until all have ended."""
        live = await self.store.live_runs(thread_id, user)
        moved = asyncio.Event()
        with ExitStack() as stack:
            for run_id in live:
                stack.callback(self._bridge.unfollow, self._bridge.follow(run_id, moved.set))
            for run_id in live:
                await self._cancel(await self._runs.get(run_id, user))
            try:
                async with asyncio.timeout(self._stop_timeout_s):
                    while await self.store.live_runs(thread_id, user):
                        await moved.wait()
                        moved.clear()
            except TimeoutError as error:
                raise Conflict("runs of the thread are still stopping; ask again") from error

    async def delete_run(self, run: OwnedRun) -> None:
        """Delete one ended run with everything in it. Raises Conflict, NotFound."""
        await self.store.delete_run(run)
        self._purging.wake()
