"""The few primitives through which threads meet. Floor 1; every other module names the one thread that runs it.

Four meetings exist: a producer hands values to a loop (:class:`LoopMailbox`, one wake-up for whatever gathers), or
only the newest of them (:class:`NewestSlot`), producers hand work to a thread (:class:`WorkQueue`, taken in batches),
and a thread has an owner that ends it (:class:`OwnedThread`).
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class LoopMailbox(Generic[T]):
    """Hands values from any thread to one loop, in order, with one wake-up for all that gathers between two turns.

    A ``call_soon_threadsafe`` for each value costs 3.4 µs; a deque and one wake-up costs 0.1 µs a value. Unbounded by
    itself: each user states what bounds it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[T], None]) -> None:
        """``deliver`` is called on the loop with each value."""
        self._loop = loop
        self._deliver = deliver
        self._values: deque[T] = deque()
        self._awake = False
        self._lock = threading.Lock()

    def put(self, value: T) -> None:
        """Add a value; any thread. After the loop has closed the value is dropped: nobody is left to take it."""
        with self._lock:
            self._values.append(value)
            if self._awake:
                return
            self._awake = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop is closed: the process is ending, and no socket is left
            self._values.clear()

    def _drain(self) -> None:
        with self._lock:
            values, self._values = self._values, deque()
            self._awake = False
        try:
            while values:
                self._deliver(values.popleft())
        finally:
            if values:  # deliver() raised: the loop reports that, and the others' values are not lost with it
                with self._lock:
                    self._values.extendleft(reversed(values))
                    wake, self._awake = not self._awake, True
                if wake:
                    self._loop.call_soon(self._drain)


class NewestSlot(Generic[T]):
    """Hands the newest value from any thread to one loop: one that was not taken yet gives way to the next.

    Holds one value at most, however slow its taker is; one wake-up for each value that is taken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        """``wake`` is called on the loop when there is a value and was none."""
        self._loop = loop
        self._wake = wake
        self._value: T | None = None
        self._lock = threading.Lock()

    def put(self, value: T) -> None:
        """Replace what waits; any thread. After the loop has closed the value is dropped."""
        with self._lock:
            waited, self._value = self._value is not None, value
        if waited:
            return
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed: nobody is left to take it
            return

    def take(self) -> T | None:
        """Return what waits and empty the slot; None if nothing does. On the loop."""
        with self._lock:
            value, self._value = self._value, None
        return value


class WorkQueue(Generic[T]):
    """Hands work from any thread to one thread, which takes all that has gathered at once.

    Unbounded by itself: each user states what bounds it.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[T] = queue.SimpleQueue()

    def put(self, item: T) -> None:
        """Add one item; never blocks."""
        self._queue.put(item)

    @property
    def waiting(self) -> bool:
        """Whether something is there to be taken."""
        return not self._queue.empty()

    def take(self, timeout_s: float | None = None) -> T | None:
        """Return the next item, waiting for one; None when ``timeout_s`` seconds have passed."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def take_all(self, at_most: int, timeout_s: float | None = None) -> list[T]:
        """Return everything that waits, at most ``at_most`` items, waiting for the first; empty after ``timeout_s``."""
        try:
            items = [self._queue.get(timeout=timeout_s)]
        except queue.Empty:
            return []
        while len(items) < at_most:
            try:
                items.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return items


class OwnedThread:
    """A daemon thread with an owner, a name and a bounded end."""

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=target, name=name, daemon=True)

    def start(self) -> None:
        """Start it, once."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` seconds for its end; return whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on it."""
        return threading.get_ident() == self._thread.ident


class CrossLoopSignal:
    """Wakes coroutines of one loop from another thread: level-triggered, spurious wake-ups are possible.

    Any number of waiters; :meth:`notify` from any thread wakes all that wait at that moment.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()

    def prepare(self) -> Awaitable[None]:
        """Register interest and await the result. Call it *before* looking at the guarded state, or under the lock
        under which that state is changed: a change in between would wake nobody.
        """
        waiter = self._loop.create_future()
        with self._lock:
            self._waiters.append(waiter)
        return waiter

    def notify(self) -> None:
        """Wake every registered waiter; any thread."""
        if not self._waiters:  # whoever registers after this look has not looked at the changed state yet
            return
        with self._lock:
            waiters, self._waiters = self._waiters, []
        try:
            self._loop.call_soon_threadsafe(_wake, waiters)
        except RuntimeError:  # the run's loop is closed: nobody waits any more
            return


class Doorbell:
    """Tells an attempt's thread that something has come for it; whether it has a loop or not.

    Rings are counted, so that none is lost between a look and the wait behind it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._rings = 0
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def rings(self) -> int:
        """How often it has rung; read it *before* looking for what may have come."""
        return self._rings

    def ring(self) -> None:
        """Wake whoever waits; any thread."""
        with self._changed:
            self._rings += 1
            waiters, self._waiters = self._waiters, set()
            self._changed.notify_all()
        if waiters:
            try:
                next(iter(waiters)).get_loop().call_soon_threadsafe(_wake, list(waiters))
            except RuntimeError:  # the run's loop is closed: nobody waits any more
                return

    async def wait(self, seen: int) -> int:
        """Wait for a ring after the first ``seen``; return how often it has rung then. One loop in its whole life."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            with self._changed:
                if self._rings > seen:
                    return self._rings
                self._waiters.add(waiter)
            await waiter
        finally:
            with self._changed:
                self._waiters.discard(waiter)
        return self._rings

    def wait_blocking(self, seen: int, timeout_s: float) -> int:
        """The same for a thread without a loop; after ``timeout_s`` seconds it may return ``seen``."""
        with self._changed:
            self._changed.wait_for(lambda: self._rings > seen, timeout_s)
            return self._rings


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


class LoopReply(Generic[T]):
    """One result that a coroutine waits for and another thread delivers. Made on the loop that waits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._loop.create_future()

    def resolve(self, value: T | None, error: BaseException | None) -> None:
        """Deliver the result; any thread, once. Dropped if the waiter was cancelled or its loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self.deliver, value, error)
        except RuntimeError:  # the loop is closed: nobody waits
            return

    def deliver(self, value: T | None, error: BaseException | None) -> None:
        """Deliver the result; on the loop that waits, for a caller that has come there with more than this."""
        if self._future.done():
            return
        if error is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(value)  # type: ignore[arg-type]  # a T when there is no error

    async def wait(self) -> T:
        """Return the value or raise the error."""
        return await self._future


class LoopCaller:
    """Calls coroutines of one loop from other threads, with or without a loop of their own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the coroutine returns there; cancelling this one cancels that one."""
        return await asyncio.wrap_future(self.submit(make))

    def submit(self, make: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """The same for a thread without a loop: the future can be waited for and cancelled there."""
        coroutine = make()
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed: the process is ending
            coroutine.close()
            raise


class ReplyBox(Generic[T]):
    """One result that another thread waits for, blocking, with a deadline."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    def resolve(self, value: T | None, error: BaseException | None) -> None:
        """Deliver the result; called once."""
        self._value, self._error = value, error
        self._ready.set()

    @property
    def ready(self) -> bool:
        """Whether the result has come."""
        return self._ready.is_set()

    def wait(self, timeout_s: float | None) -> T:
        """Return the value or raise the error. Raises TimeoutError after ``timeout_s`` seconds; None waits for as long
        as it takes, for somebody who bounds it otherwise.
        """
        if not self._ready.wait(timeout_s):
            raise TimeoutError(f"no answer within {timeout_s} s")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # resolve() gave a T when it gave no error
