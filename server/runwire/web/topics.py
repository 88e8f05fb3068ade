"""What a command socket follows beside runs: the queue and conversations (protocol, section 4). Floor 6; the server's
loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runwire.contracts.actors import User
from runwire.contracts.run_store import RunFilter
from runwire.errors import Conflict
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.frames import Frame, RunMoved
from runwire.runs.tally import Move
from runwire.web.connection import SocketConnection
from runwire.web.services import Services

SHOWN_RUNS = 50
"""Runs of a conversation that the reply to ``thread.follow`` lists: the newest."""

MOST_PENDING = 1_000
"""Runs whose new status waits for a full buffer; a socket that is further behind is cut, as any slow reader is."""


class Topics:
    """The queue and the conversations that one command socket follows."""

    __slots__ = ("_connection", "_held", "_pending", "_queue", "_services", "_threads", "_user")

    def __init__(self, connection: SocketConnection, services: Services, user: User) -> None:
        self._connection = connection
        self._services = services
        self._user = user
        self._queue: Callable[[], None] | None = None
        self._threads: dict[str, Callable[[], None]] = {}
        self._pending: dict[str, RunMoved] = {}
        self._held = False

    def __bool__(self) -> bool:
        return self._queue is not None or bool(self._threads)

    def follow_queue(self) -> dict[str, object]:
        """Begin to send overviews of the queue; return the reply. A second follow begins anew."""
        self.unfollow_queue()
        self._queue = self._services.waiting.places.follow_queue(self._user.id, self._overview)
        return {}

    def unfollow_queue(self) -> dict[str, object]:
        """Send no more of them; return the reply."""
        unfollow, self._queue = self._queue, None
        if unfollow is not None:
            unfollow()
        return {"followed": unfollow is not None}

    async def follow_thread(self, thread_id: str) -> dict[str, object]:
        """Begin to send the moves of a conversation's runs; return the reply, with what the newest of them are now.

        Raises NotFound, and Conflict where the socket follows too many.
        """
        most = self._services.settings.follows_per_socket
        if thread_id not in self._threads and len(self._threads) >= most:
            raise Conflict(
                f"this socket follows {most} conversations, its limit; unfollow one", limit="follows_per_socket"
            )
        store = self._services.store
        await store.check_thread(thread_id, self._user)
        self.unfollow_thread(thread_id)
        unfollow = self._services.waiting.threads.follow(thread_id, self._user.id, self._moved)
        self._threads[thread_id] = unfollow  # before the look: what moves meanwhile is told twice rather than never
        page = await store.list(self._user, RunFilter(limit=SHOWN_RUNS, thread_id=thread_id))
        runs = [{"run_id": record.id, "status": record.status.value} for record in page.runs]
        return {"thread_id": thread_id, "runs": runs}

    def unfollow_thread(self, thread_id: str) -> dict[str, object]:
        """Send no more of them; return the reply."""
        unfollow = self._threads.pop(thread_id, None)
        if unfollow is not None:
            unfollow()
        return {"thread_id": thread_id, "followed": unfollow is not None}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep back what moves inside the block: the reply to a command comes before what it leads to."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self.pump()

    def pump(self) -> None:
        """Send what was kept back: by a full buffer, or until a reply was out."""
        while self._pending and not self._held and self._connection.sink.writable:
            self._connection.send(self._pending.pop(next(iter(self._pending))))

    def stop(self) -> None:
        """Follow nothing any more. Idempotent."""
        self.unfollow_queue()
        for thread_id in tuple(self._threads):
            self.unfollow_thread(thread_id)
        self._pending.clear()

    def _overview(self, frame: Frame) -> None:
        """Send an overview; a full buffer gets none, the next one says more."""
        if self._connection.sink.writable:
            self._connection.send(frame)

    def _moved(self, move: Move) -> None:
        """Send a run's new status, or keep it until the buffer takes it; the newest of each run."""
        self._pending.pop(move.run_id, None)
        self._pending[move.run_id] = RunMoved(thread_id=move.thread_id, run_id=move.run_id, status=move.status)
        self.pump()
        if len(self._pending) > MOST_PENDING:
            self._connection.cut(CloseCode.SLOW_READER, f"{MOST_PENDING} runs have moved unread")
            self.stop()
