"""``Runwire``: the same client for programs without an event loop. Any thread; one private thread runs the loop.

It holds no logic of its own: each method hands the asynchronous one to the loop and waits for its end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from runwire_client.blocking_parts import (
    BlockingArtifacts,
    BlockingConversations,
    BlockingFiles,
    BlockingOperator,
    BlockingReadings,
    BlockingSchedules,
    BlockingShares,
    BlockingWebhooks,
)
from runwire_client.blocking_tests import BlockingBrowserConfigs, BlockingSuites, BlockingTests
from runwire_client.client import AsyncRunwire
from runwire_client.credentials import TokenSource
from runwire_client.entries import Item
from runwire_client.errors import ClientClosed
from runwire_client.live_view import LiveView, Picture
from runwire_client.queueing import QueueStatus
from runwire_client.records import Run, RunRecord, RunResult
from runwire_client.timing import Timing
from runwire_client.usage import Usage

T = TypeVar("T")

_JOIN_S: Final = 5.0
"""The loop has only to leave ``run_forever``; more would be a defect, and the thread is a daemon anyway."""


class Runwire:
    """A client of one server; use it as ``with Runwire() as runwire``. Arguments and errors are those of AsyncRunwire.

    Ctrl-C in a waiting method cancels what it waits for, so no socket stays behind; the run itself goes on.
    """

    def __init__(self, base_url: str | None = None, token: TokenSource = None, *, timing: Timing | None = None) -> None:
        self._async = AsyncRunwire(base_url, token, timing=timing)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="runwire-client", daemon=True)
        self._loop, self._thread = loop, thread
        thread.start()
        try:
            self._wait(self._async.__aenter__())
        except BaseException:
            self._stop(loop, thread)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        try:
            self._wait(self._async.__aexit__(kind, error, trace))
            self._wait(loop.shutdown_asyncgens())
        finally:
            self._stop(loop, thread)

    def _stop(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        self._loop = self._thread = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_JOIN_S)
        if not thread.is_alive():
            loop.close()

    def start(self, agent: str, input: Any, **options: Any) -> Run:
        """Start a run; ``options`` are those of AsyncRunwire.start."""
        return self._wait(self._async.start(agent, input, **options))

    def follow(self, run_id: str, *, after: int = 0, epoch: str | None = None) -> Iterator[Item]:
        """Yield each entry exactly once, as AsyncRunwire.follow does; closing the iterator closes the socket."""
        return self._each(self._async.follow(run_id, after=after, epoch=epoch))

    def view(self, run_id: str) -> Iterator[Picture]:
        """Yield pictures of the run's browser until the run ends, as AsyncRunwire.view does; newer ones win."""
        opening = self._async.view(run_id)
        view = self._wait(opening.__aenter__())
        try:
            while (picture := self._wait(_next_picture(view))) is not None:
                yield picture
        finally:
            self._wait(opening.__aexit__(None, None, None))

    def result(self, run_id: str, timeout_s: float | None = None) -> RunResult:
        """Wait for the run's end, as AsyncRunwire.result does."""
        return self._wait(self._async.result(run_id, timeout_s))

    def get(self, run_id: str) -> RunRecord:
        """Return the run, as AsyncRunwire.get does."""
        return self._wait(self._async.get(run_id))

    def delete(self, run_id: str) -> None:
        """Delete an ended run, as AsyncRunwire.delete does."""
        self._wait(self._async.delete(run_id))

    def send(
        self, run_id: str, message: Any, *, message_id: str | None = None
    ) -> Literal["delivered", "queued_for_next_turn"]:
        """Say something into a live run, as AsyncRunwire.send does."""
        return self._wait(self._async.send(run_id, message, message_id=message_id))

    def respond(self, run_id: str, request_id: str, payload: Any) -> None:
        """Answer what the run has asked, as AsyncRunwire.respond does."""
        self._wait(self._async.respond(run_id, request_id, payload))

    def retry(self, run_id: str, *, from_seq: int | None = None, new_run_id: str | None = None) -> Run:
        """Start a new run that repeats an ended one, as AsyncRunwire.retry does."""
        return self._wait(self._async.retry(run_id, from_seq=from_seq, new_run_id=new_run_id))

    def cancel(self, run_id: str) -> None:
        """Ask for the run's end, as AsyncRunwire.cancel does."""
        self._wait(self._async.cancel(run_id))

    def queue(self) -> QueueStatus:
        """Return the queue, as AsyncRunwire.queue does."""
        return self._wait(self._async.queue())

    @property
    def tests(self) -> BlockingTests:
        """The user's saved browser tests, and their runs."""
        return BlockingTests(self._async.tests, self._wait, self._each)

    @property
    def browser_configs(self) -> BlockingBrowserConfigs:
        """The user's browser configurations."""
        return BlockingBrowserConfigs(self._async.browser_configs, self._wait, self._each)

    @property
    def suites(self) -> BlockingSuites:
        """Many browser tests as one request."""
        return BlockingSuites(self._async.suites, self._wait, self._each)

    @property
    def operator(self) -> BlockingOperator:
        """What operators do to the queue."""
        return BlockingOperator(self._async.operator, self._wait)

    def status(self) -> dict[str, Any]:
        """Return what the server does right now, as AsyncRunwire.status does."""
        return self._wait(self._async.status())

    def browsers(self) -> dict[str, Any]:
        """Return the server's browsers, as AsyncRunwire.browsers does."""
        return self._wait(self._async.browsers())

    def usage(self) -> Usage:
        """Return what your ended runs have used, as AsyncRunwire.usage does."""
        return self._wait(self._async.usage())

    @property
    def conversations(self) -> BlockingConversations:
        """The user's conversations."""
        return BlockingConversations(self._async.conversations, self._wait, self._each)

    @property
    def artifacts(self) -> BlockingArtifacts:
        """What the user's runs have stored."""
        return BlockingArtifacts(self._async.artifacts, self._wait, self._each)

    @property
    def files(self) -> BlockingFiles:
        """The user's files."""
        return BlockingFiles(self._async.files, self._wait, self._each)

    @property
    def webhooks(self) -> BlockingWebhooks:
        """Whom the server tells of the ends of the user's runs."""
        return BlockingWebhooks(self._async.webhooks, self._wait, self._each)

    @property
    def schedules(self) -> BlockingSchedules:
        """Runs that start again and again."""
        return BlockingSchedules(self._async.schedules, self._wait)

    @property
    def readings(self) -> BlockingReadings:
        """What models have made of the free words in the user's browser tests."""
        return BlockingReadings(self._async.readings, self._wait, self._each)

    @property
    def shares(self) -> BlockingShares:
        """Read-only links for people without a token."""
        return BlockingShares(self._async.shares, self._wait)

    def _each(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """Yield what an asynchronous generator yields; it is closed with this one."""
        try:
            while (item := self._wait(anext(items, None))) is not None:
                yield item
        finally:
            self._wait(items.aclose())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            work.close()
            raise ClientClosed("the client is not open: use `with`")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


async def _next_picture(view: LiveView) -> Picture | None:
    async for picture in view:
        return picture
    return None
