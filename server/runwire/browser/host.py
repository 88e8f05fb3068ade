"""The door to the browsers of a server. Floor 4; every public method may be called from any thread.

The host's thread, loop and driver come into being with the first lease: a server that runs no browser pays nothing. The
thread is a daemon; should the process end without :meth:`BrowserHost.close`, the driver sees its pipe close and
takes every Chromium with it (within 0.8 s).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import asynccontextmanager
from functools import partial
from typing import Generic, TypeVar

import structlog

from runwire.browser.capacity import room_now, why_full
from runwire.browser.downloads import sweep_folders
from runwire.browser.executable import find_executable, why_unavailable
from runwire.browser.host_thread import HostThread, result_of, settled
from runwire.browser.page_lease import (
    OWN_FINISH_LIMIT_S,
    LeasedBrowser,
    LeasedContext,
    LeaseState,
    StandingClock,
    finish,
)
from runwire.browser.pool import ContextPool
from runwire.browser.ports import DriverPort, StartDriver
from runwire.browser.seat import Seat
from runwire.browser.settings import BrowserHostSettings
from runwire.browser.statistics import PoolStatistics
from runwire.contracts.browser import BrowserConfig, BrowserLease, OwnBrowser
from runwire.contracts.live_view import NO_PAGE, Show
from runwire.errors import BrowserLost, BrowserUnavailable, Conflict
from runwire.protocol.view import Input

T = TypeVar("T")
log = structlog.get_logger(__name__)

RECLAIM_S = 2.0
"""How long a run that has ended may take to close its context by itself: a little more than its own bound for that."""


class BrowserHost:
    """One thread, one driver, few browsers; implements :class:`runwire.contracts.browser.BrowserPool` and
    :class:`runwire.contracts.live_view.LiveViews`.
    """

    def __init__(
        self,
        settings: BrowserHostSettings,
        sample_origin: Callable[[], str | None] = lambda: None,
        start_driver: StartDriver | None = None,
    ) -> None:
        """``sample_origin`` tells the origin of the sample sites, asked at each use; ``start_driver`` is for
        doubles.
        """
        self._settings = settings
        self._sample_origin = sample_origin
        self._start_driver = start_driver
        self._starting = threading.Lock()
        """Held while the host is made, which takes its time: by who needs a browser, and by who ends the host."""
        self._lock = threading.Lock()
        """Held for a moment only, also on the server's loop; may be taken under the other one, not the other way."""
        self._thread: HostThread | None = None
        self._pool: ContextPool | None = None
        self._early: list[tuple[str, Show]] = []
        """Who watches already: nothing is started for that."""
        self._closed = False

    @property
    def sample_origin(self) -> str | None:
        """Origin that relative addresses resolve against."""
        return self._sample_origin()

    def unavailable_reason(self, *, whole: bool = False) -> str | None:
        """Return why no browser can be had here, with the one command that mends it, or None. Looks at files only."""
        if self._start_driver is not None:
            return None
        return why_unavailable(self._settings.executable, headless=self._settings.headless, whole=whole)

    def full_reason(self) -> str | None:
        """Return why one more browser run should stay queued for now, or None. Takes well under a millisecond."""
        return why_full(room_now(), self._settings.reserve_bytes, self._settings.reserve_descriptors)

    @asynccontextmanager
    async def lease(
        self, run_id: str, config: BrowserConfig, *, limit: asyncio.Timeout | None = None
    ) -> AsyncIterator[BrowserLease]:
        """Give ``run_id`` a fresh context; see the contract."""
        thread, pool = self._started()
        limit_s = self._settings.slot_timeout_s + 2 * (self._settings.start_timeout_s + self._settings.launch_timeout_s)

        async def acquire() -> Seat:
            seat = await pool.acquire(config)
            pool.show(seat, run_id)
            return seat

        seat = await _Claim(thread, acquire, lambda late: pool.release(late, fault=False)).taken(limit_s)
        lease = LeasedContext(thread, pool, seat)
        clock = None if limit is None else StandingClock(limit)
        if clock is not None:
            thread.post(partial(seat.turnstile.listen, clock.note))
        fault = False
        log.debug("browser.leased", run_id=run_id, browser=seat.shell.number)
        try:
            yield lease
        except BrowserLost:
            fault = True
            raise
        finally:
            if clock is not None:
                clock.end()
                thread.post(partial(seat.turnstile.ignore, clock.note))
            lease.ownership.advance(LeaseState.CLOSING)
            await finish(thread, lambda: pool.release(seat, fault=fault))
            lease.ownership.advance(LeaseState.CLOSED)

    @asynccontextmanager
    async def own(
        self, run_id: str, config: BrowserConfig, *, extensions: tuple[str, ...] = ()
    ) -> AsyncIterator[OwnBrowser]:
        """Give ``run_id`` a whole Chromium of its own; see the contract."""
        if self._start_driver is None and (reason := self.unavailable_reason(whole=True)) is not None:
            raise BrowserUnavailable(reason)
        thread, pool = self._started()
        limit_s = self._settings.slot_timeout_s + 2 * (self._settings.start_timeout_s + self._settings.launch_timeout_s)
        claim = _Claim(thread, partial(pool.acquire_own, run_id, config, extensions), pool.own.release)
        seat = await claim.taken(limit_s)
        log.debug("browser.owned", run_id=run_id, browser=seat.shell.number)
        fault = False
        try:
            yield LeasedBrowser(thread, seat)
        except BrowserLost:
            fault = True
            raise
        finally:
            await finish(thread, lambda: pool.own.release(seat, fault=fault), OWN_FINISH_LIMIT_S)

    def reclaim(self, run_id: str) -> None:
        """Take back, after a grace, what a run that has ended still holds; a run that ends well holds nothing by then.

        Any thread; does not wait.
        """
        if (started := self._current()) is not None:
            thread, pool = started
            thread.post_later(RECLAIM_S, lambda: pool.reclaim(run_id))

    async def watch(self, run_id: str, show: Show) -> None:
        """Show the run's current page until :meth:`unwatch`; see ``contracts.live_view``."""
        if self._current() is None and (reason := self.unavailable_reason()) is not None:
            raise BrowserUnavailable(reason)
        with self._lock:
            if self._closed:
                raise BrowserUnavailable("the server is stopping")
            if self._pool is None:
                self._early.append((run_id, show))
                return
        self._post(lambda pool: pool.screens.watch(run_id, show))

    def unwatch(self, run_id: str, show: Show) -> None:
        """Stop; idempotent."""
        with self._lock:
            self._early[:] = [one for one in self._early if one != (run_id, show)]
        self._post(lambda pool: pool.screens.unwatch(run_id, show))

    async def hold(self, run_id: str, limit_s: float) -> bool:
        """Keep the agent from its pages; see ``contracts.live_view``."""
        started = self._current()
        if started is None:
            raise Conflict(NO_PAGE)
        thread, pool = started
        return await thread.call(lambda: pool.screens.hold(run_id, limit_s), limit_s=limit_s)

    def release(self, run_id: str) -> None:
        """Let the agent go on; idempotent."""
        self._post(lambda pool: pool.screens.release(run_id))

    def use(self, run_id: str, what: Input) -> None:
        """Do to the current page what a person does; see ``contracts.live_view``."""
        self._post(lambda pool: pool.screens.use(run_id, what))

    def _current(self) -> tuple[HostThread, ContextPool] | None:
        with self._lock:
            return None if self._thread is None or self._pool is None else (self._thread, self._pool)

    def _post(self, call: Callable[[ContextPool], object]) -> None:
        if (started := self._current()) is not None:
            thread, pool = started
            thread.post(lambda: call(pool))

    def statistics(self) -> PoolStatistics:
        """Return a snapshot; all zero before the first lease and after the end. Raises TimeoutError if the host
        hangs.
        """
        with self._lock:
            thread, pool = self._thread, self._pool
        if thread is None or pool is None or not thread.alive:
            return PoolStatistics()

        async def snapshot() -> PoolStatistics:
            return pool.statistics()

        return thread.submit(snapshot).result(2.0)

    def close(self) -> None:
        """Close every browser and end the thread, within ``settings.close.total_s`` seconds. Idempotent; blocks."""
        with self._lock:
            self._closed = True
        with self._starting, self._lock:
            thread, pool, self._thread, self._pool = self._thread, self._pool, None, None
        if thread is None or pool is None:
            return
        total_s = self._settings.close.total_s
        try:
            thread.submit(pool.close).result(total_s * 0.85)
        except (FutureTimeout, BrowserLost) as error:
            log.warning("browser.host_close_incomplete", error=repr(error))
        thread.stop(total_s * 0.15)
        pool.fleet.kill()

    def _started(self) -> tuple[HostThread, ContextPool]:
        with self._starting:
            if self._closed:
                raise BrowserUnavailable("the server is stopping")
            if (started := self._current()) is not None:
                return started
            thread, pool = self._start()
            with self._lock:
                for run_id, show in self._early:
                    thread.post(partial(pool.screens.watch, run_id, show))
                self._early.clear()
                self._thread, self._pool = thread, pool
            return thread, pool

    def _start(self) -> tuple[HostThread, ContextPool]:
        if (reason := self.unavailable_reason()) is not None:
            raise BrowserUnavailable(reason)
        sweep_folders()
        executable = find_executable(self._settings.executable, headless=self._settings.headless)
        start_driver = self._start_driver or _start_playwright
        thread = HostThread("runwire-browsers")
        thread.start()

        async def make() -> ContextPool:
            return ContextPool(self._settings, str(executable or ""), start_driver, self._sample_origin)

        return thread, thread.submit(make).result(5.0)


class _Claim(Generic[T]):
    """One caller's wish for something of the pool's: withdrawn with the caller, and what comes too late goes back."""

    def __init__(
        self, thread: HostThread, acquire: Callable[[], Awaitable[T]], give_back: Callable[[T], Awaitable[None]]
    ) -> None:
        self._thread = thread
        self._acquire = acquire
        self._give_back = give_back
        self._task: asyncio.Task[T] | None = None

    async def taken(self, limit_s: float) -> T:
        """Return it, on the caller's loop."""
        taken = self._thread.submit(self._take)
        try:
            if not await settled(taken, limit_s):
                raise BrowserUnavailable(f"the browser host gave no page within {limit_s:g} s")
        except BaseException:
            self._thread.post(self._withdraw)
            taken.add_done_callback(self._return)
            raise
        return result_of(taken)

    async def _take(self) -> T:
        self._task = asyncio.current_task()
        return await self._acquire()

    def _withdraw(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _return(self, taken: Future[T]) -> None:
        if taken.cancelled() or taken.exception() is not None:
            return
        late = taken.result()
        with contextlib.suppress(BrowserLost):  # the host has ended, and what it gave with it
            self._thread.submit(lambda: self._give_back(late))


async def _start_playwright() -> DriverPort:
    # Imported with the first lease: Playwright is an optional extra, and its import takes 0.2 s.
    from runwire.browser.chromium import start_driver

    return await start_driver()
