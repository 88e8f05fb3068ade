"""One daemon thread with an event loop, and the hop to it. Floor 4; the methods may be called from any thread.

A call is made of a function that builds its coroutine *on the host's loop*: a coroutine that was built and then refused
would have begun, or warn that it never ran.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError as CancelledHere
from concurrent.futures import Future
from typing import TypeVar

from runwire.errors import BrowserLost
from runwire.threads import OwnedThread, ReplyBox

T = TypeVar("T")

HOP_GRACE_S = 1.0
"""How much longer than the host's own limit a caller waits before it takes the host for dead; a guess."""


class HostThread:
    """Owns the thread and its loop. Started once, stopped once."""

    def __init__(self, name: str) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: ReplyBox[asyncio.AbstractEventLoop] = ReplyBox()
        self._thread = OwnedThread(name, self._main)

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on the host's thread."""
        return self._thread.is_current

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.alive

    def start(self, timeout_s: float = 5.0) -> None:
        """Start the thread and wait until its loop exists. Raises TimeoutError."""
        self._thread.start()
        self._loop = self._ready.wait(timeout_s)

    def submit(self, make: Callable[[], Awaitable[T]]) -> Future[T]:
        """Run ``make()`` on the host's loop; cancelling the future cancels the task there.

        Raises:
            BrowserLost: the host has ended.
        """
        if self._loop is None:
            raise BrowserLost("the browser host was not started")
        call = _built_there(make)
        try:
            return asyncio.run_coroutine_threadsafe(call, self._loop)
        except RuntimeError as error:  # the loop is closed
            call.close()
            raise BrowserLost("the browser host has ended") from error

    def post(self, call: Callable[[], object]) -> None:
        """Have the loop make a plain call; after its end there is nothing to call for."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(call)

    def post_later(self, delay_s: float, call: Callable[[], object]) -> None:
        """Have the loop make a plain call after ``delay_s`` seconds; not after its end."""
        loop = self._loop
        if loop is not None:
            self.post(lambda: loop.call_later(delay_s, call))

    async def call(
        self,
        make: Callable[[], Awaitable[T]],
        *,
        limit_s: float,
        more: Callable[[], Awaitable[float]] | None = None,
    ) -> T:
        """Run ``make()`` on the host's loop and return its result to the caller's loop.

        Cancelling the call cancels the task there. When the limit has passed, ``more()`` is asked there for how many
        seconds longer it may take. Raises what ``make()`` raises, BrowserLost if the host has ended or does not answer
        within ``limit_s`` seconds and a grace.
        """
        answer = self.submit(make)
        granted = limit_s
        try:
            while not await settled(answer, granted + HOP_GRACE_S):
                granted = 0.0 if more is None else await self.call(more, limit_s=0.0)
                if granted <= 0.0:
                    raise BrowserLost(f"the browser host did not answer within {limit_s + HOP_GRACE_S:g} s")
        except BaseException:
            answer.cancel()
            raise
        return result_of(answer)

    def stop(self, timeout_s: float) -> bool:
        """End the loop and wait at most ``timeout_s`` seconds for the thread; return whether it has ended."""
        if self._loop is not None:
            self.post(self._loop.stop)
        return self._thread.join(timeout_s)

    def _main(self) -> None:
        loop = asyncio.new_event_loop()
        self._ready.resolve(loop, None)
        try:
            loop.run_forever()
            _clear(loop)
        finally:
            loop.close()


async def settled(answer: Future[T], limit_s: float) -> bool:
    """Wait on the caller's loop at most ``limit_s`` seconds for a future of the host; return whether it is done.

    Unlike ``asyncio.wrap_future`` it never cancels the future: a result that arrives while the caller is being
    cancelled must not be lost, somebody has to close it.
    """
    loop = asyncio.get_running_loop()
    arrived = loop.create_future()

    def arrive() -> None:
        if not arrived.done():
            arrived.set_result(None)

    def tell(_: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):  # the caller's loop is closed: nobody waits
            loop.call_soon_threadsafe(arrive)

    answer.add_done_callback(tell)
    await asyncio.wait([arrived], timeout=limit_s)
    return answer.done()


def result_of(answer: Future[T]) -> T:
    """Return a settled future's result, or raise its error; a task that the ending host cancelled is BrowserLost."""
    try:
        return answer.result(0)
    except CancelledHere as error:
        raise BrowserLost("the browser host is ending") from error


async def _built_there(make: Callable[[], Awaitable[T]]) -> T:
    return await make()


def _clear(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left and give it 0.5 s; a task that swallows its cancellation is abandoned."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=0.5))
    with contextlib.suppress(TimeoutError):
        loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), 0.5))
