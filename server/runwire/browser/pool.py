"""Hands out fresh contexts: parked ones if there are any, within the number of slots. Floor 4; the host's loop only.

A context is used by one run and closed after it: what is reused is the browser process, never a page, a cookie or a
cache. Pages are parked per configuration (its options are fixed when a context is made), without any state.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

import structlog

from runwire.browser.closing import CloseCounts
from runwire.browser.egress import EgressProxy
from runwire.browser.egress_policy import policy_of
from runwire.browser.film import Films
from runwire.browser.fleet import Fleet
from runwire.browser.health import Health, Sign
from runwire.browser.own import OwnBrowsers, OwnSeat
from runwire.browser.owned import OwnedTasks
from runwire.browser.ports import EgressPort, PagePort, StartDriver
from runwire.browser.screen import Screens
from runwire.browser.seat import Seat, SeatPage
from runwire.browser.secrets import HttpSecret
from runwire.browser.settings import BrowserHostSettings
from runwire.browser.shell import Shell
from runwire.browser.statistics import PoolStatistics
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserError, BrowserTimeout, BrowserUnavailable

log = structlog.get_logger(__name__)

SETTLE_S = 0.2
"""How long the tasks of a closing pool get to end by themselves; the loop's own end cancels the rest."""
QUEUE_S = 1.0
"""How soon after a run has left its slot another one takes it if runs are queued; a guess, it takes milliseconds."""
OPEN_TRIES = 2
"""How often a context is tried: a browser that died unnoticed since its last probe costs one."""


class ContextPool:
    """The contexts of one host. ``sample_origin`` is asked at each lease: a server knows its port only once it
    listens. ``now`` is the monotonic clock, seconds.
    """

    def __init__(
        self,
        settings: BrowserHostSettings,
        executable: str,
        start_driver: StartDriver,
        sample_origin: Callable[[], str | None],
        make_proxy: Callable[[], EgressPort] = EgressProxy,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self.trace = settings.trace
        self._sample_origin = sample_origin
        self._make_proxy = make_proxy
        self._now = now
        self._tasks = OwnedTasks()
        self._counts = CloseCounts()
        self.fleet = Fleet(settings, executable, start_driver, self._tasks, self._counts, now)
        self.own = OwnBrowsers(settings, self.fleet, self._tasks, self._counts, make_proxy, sample_origin)
        self.screens = Screens(self._tasks.spawn)
        self.films = Films(settings.video, self._tasks.spawn)
        self._slots = asyncio.Semaphore(settings.slots)
        self._parked: dict[BrowserConfig, deque[Seat]] = {}
        self._parking: Counter[BrowserConfig] = Counter()
        self._leased: set[Seat] = set()
        self._released_at = -math.inf
        self._waiting = 0
        self._leases = 0
        self._warm = 0
        self._lost_runs = 0
        self._closing = False
        self._watch: asyncio.Task[None] | None = None

    async def acquire(self, config: BrowserConfig) -> Seat:
        """Return a fresh context; :meth:`release` must follow.

        Raises:
            BrowserUnavailable: no slot within ``slot_timeout_s``, no browser can be started, or the host is closing.
            BrowserLost, BrowserTimeout: a browser was there but did not open a context.
        """
        await self._take_slot()
        try:
            seat = await self._seat(config)
            if self._closing:
                self._tasks.spawn(self._discard(seat), "discard seat")
                raise BrowserUnavailable("the server is stopping")
        except BaseException:  # cancelled or failed: the slot must not go with it
            self._slots.release()
            raise
        seat.proxy.admit(policy_of(self._settings.allow_hosts, self._sample_origin(), config.only_hosts))
        self._leased.add(seat)
        seat.shell.seats.add(seat)
        self._leases += 1
        # A little later: the run shall have its page first, and making pages keeps this thread busy.
        asyncio.get_running_loop().call_later(self._settings.refill_after_s, self._refill, seat.config)
        return seat

    async def release(self, seat: Seat, *, fault: bool) -> None:
        """Free the slot, then close the context within its bound. ``fault``: the run lost its browser. Idempotent."""
        if seat not in self._leased:
            return
        self._leased.discard(seat)
        if seat.screen is not None:
            seat.cut_film()  # a viewer would keep the screen
            self.screens.leave(seat.screen)
        self._released_at = self._now()
        self._slots.release()  # first: a context that does not close keeps no other run waiting
        try:
            if not await seat.close(self._counts, self._settings.close):
                seat.shell.see(Sign.HUNG)
        finally:
            seat.shell.seats.discard(seat)
        seat.shell.run_ended(fault=fault)
        if fault:
            self._lost_runs += 1
            self._tasks.spawn(self.watch_once(), "look after a loss")  # others need not learn it one by one
        if self._settings.isolation == "browser" or (seat.shell.health is Health.DRAINING and not seat.shell.seats):
            await self._give_up(seat.shell)
        elif seat.shell.health is Health.HEALTHY:
            self._refill(seat.config)

    async def acquire_own(self, run_id: str, config: BrowserConfig, extensions: tuple[str, ...]) -> OwnSeat:
        """Return a whole browser for one run; ``own.release`` must follow. Raises BrowserUnavailable."""
        if self._closing:
            raise BrowserUnavailable("the server is stopping")
        self._start_watch()
        return await self.own.acquire(run_id, config, extensions)

    def show(self, seat: Seat, run_id: str) -> None:
        """Make what the seat's pages show visible as the run's."""
        seat.screen = self.screens.enter(run_id)
        seat.turnstile = seat.screen.turnstile

    def reclaim(self, run_id: str) -> None:
        """Close what a run which has ended still holds: its thread hangs, or is gone without a word."""
        self.own.reclaim(run_id)
        for seat in tuple(self._leased):
            if seat.screen is not None and seat.screen.run_id == run_id:
                log.warning("browser.reclaimed", run_id=run_id, browser=seat.shell.number)
                self._tasks.spawn(self.release(seat, fault=False), "reclaim")

    async def open_page(self, seat: Seat) -> SeatPage:
        """Return a page for one operation. Raises BrowserLost or BrowserTimeout."""
        page = await seat.open_page(self._settings.open_timeout_s)
        if seat.ended_pages and seat.ahead is None:  # one page after the other: the next shall not be waited for
            seat.ahead = self._tasks.spawn(_new_page(seat), "page ahead")
        return page

    def end_page(self, page: SeatPage) -> None:
        """Begin to close it; its context waits for that within the page's bound."""
        closing = self._tasks.spawn(self.close_page(page), "close page")
        page.seat.closing.add(closing)
        closing.add_done_callback(page.seat.closing.discard)

    async def close_page(self, page: SeatPage) -> None:
        """Close it within its bound. Raises nothing."""
        await page.close(self._counts, self._settings.close)

    async def close(self) -> None:
        """Close everything in the order page → context → browser → driver, each within its bound. Idempotent."""
        self._closing = True
        self.screens.close()
        if self._watch is not None:
            self._watch.cancel()
        seats = [*self._leased, *(seat for seats in self._parked.values() for seat in seats)]
        self._parked.clear()
        # Shorter than usual: the browsers close next, and what hangs in them goes with them.
        bounds = replace(self._settings.close, context_s=self._settings.close.browser_s)
        await asyncio.gather(self.own.close(), *(seat.close(self._counts, bounds) for seat in seats))
        await self.fleet.stop()
        await self._tasks.settle(SETTLE_S)

    def statistics(self) -> PoolStatistics:
        """Return a snapshot."""
        fleet = self.fleet
        return PoolStatistics(
            leased=len(self._leased) + len(self.own.seats),
            waiting=self._waiting,
            parked=sum(len(seats) for seats in self._parked.values()),
            leases=self._leases,
            warm=self._warm,
            launches=fleet.launches,
            failed_launches=fleet.failed_launches,
            drivers=fleet.drivers,
            circuit=fleet.breaker.state.value,
            removed=dict(fleet.removed),
            closed=self._counts.closed,
            hung_closes=dict(self._counts.hung),
            close_mean_s=self._counts.mean_s,
            close_longest_s=self._counts.longest_s,
            close_s=tuple(self._counts.times.items()),
            lost_runs=self._lost_runs + self.own.lost_runs,
            tasks=len(asyncio.all_tasks()),
            browsers=tuple(shell.statistics(self._now()) for shell in fleet.shells),
        )

    async def _take_slot(self) -> None:
        if self._closing:
            raise BrowserUnavailable("the server is stopping")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._settings.slot_timeout_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise BrowserUnavailable(
                f"all {self._settings.slots} browser slots were busy for {self._settings.slot_timeout_s:g} s"
            ) from error
        finally:
            self._waiting -= 1

    async def _seat(self, config: BrowserConfig) -> Seat:
        self._start_watch()
        key = _parking_key(config)
        self._secret(key.http_auth)  # what the server does not have is no browser's fault
        if (seat := self._take_parked(key)) is not None:
            self._warm += 1
            return seat
        for attempt in range(1, OPEN_TRIES + 1):
            shell = await self._shell()
            try:
                return await self._open(shell, key)
            except BrowserError:
                shell.run_ended(fault=True)
                if self._settings.isolation == "browser":
                    await self._give_up(shell)
                if attempt == OPEN_TRIES:
                    raise
                await self.watch_once()
        raise AssertionError("unreachable")

    async def _shell(self) -> Shell:
        if self._settings.isolation == "context":
            return await self.fleet.shell()
        limit_s = self._settings.start_timeout_s + self._settings.launch_timeout_s + 2.0
        try:
            return await self.fleet.launch_own(limit_s)
        except TimeoutError as error:
            raise BrowserUnavailable(f"no browser started within {limit_s:g} s") from error

    async def _open(self, shell: Shell, key: BrowserConfig) -> Seat:
        limit_s = self._settings.open_timeout_s
        try:
            return await self._tasks.wanted(self._make(shell, key), name="context", limit_s=limit_s, adopt=self._keep)
        except TimeoutError as error:
            raise BrowserTimeout(f"the browser opened no page within {limit_s:g} s") from error

    async def _make(self, shell: Shell, key: BrowserConfig) -> Seat:
        """Make proxy, context and page; what was made is closed again if the next one fails."""
        secret = self._secret(key.http_auth)
        proxy = self._make_proxy()
        await proxy.start()
        try:
            context = await shell.port.new_context(key, proxy.url, secret)
        except BaseException:
            await proxy.close()
            raise
        seat = Seat(shell, key, context, proxy, None, parked_at=self._now())
        try:
            seat.first_page = await context.new_page()
        except BaseException:
            await self._discard(seat)
            raise
        return seat

    def _secret(self, name: str | None) -> HttpSecret | None:
        if name is None:
            return None
        if name not in self._settings.secrets:
            raise BrowserUnavailable(f"this server has no secret {name!r}; an administrator can add it")
        return self._settings.secrets[name]

    async def _keep(self, seat: Seat) -> None:
        """Park a context that came too late for its run: nobody has used it. Close it if there are enough."""
        parked = self._parked.setdefault(seat.config, deque())
        usable = seat.shell.health is Health.HEALTHY and self._parks(seat.config)
        if usable and len(parked) < self._settings.parked_pages:
            parked.append(seat)
            await self._bound_parked()
        else:
            await self._discard(seat)

    def _parks(self, key: BrowserConfig) -> bool:
        """Return whether pages of this configuration wait for a run: never with what logs somebody in, nor where each
        page is a window.
        """
        wanted = self._settings.isolation == "context" and self._settings.headless
        return wanted and key.storage_state is None and not self._closing

    async def _bound_parked(self) -> None:
        """Close the pages that have waited longest, of whatever configuration, beyond what all may be together."""
        waiting = sorted((s for seats in self._parked.values() for s in seats), key=lambda seat: seat.parked_at)
        for seat in waiting[: max(0, len(waiting) - self._settings.parked_in_all)]:
            self._parked[seat.config].remove(seat)
            await self._discard(seat)

    async def _discard(self, seat: Seat) -> None:
        if not await seat.close(self._counts, self._settings.close):
            seat.shell.see(Sign.HUNG)

    def _take_parked(self, key: BrowserConfig) -> Seat | None:
        seats = self._parked.get(key)
        for _ in range(len(seats) if seats else 0):
            seat = seats.popleft()  # type: ignore[union-attr]  # the range is empty when there are none
            if seat.shell.health is Health.HEALTHY and not seat.shell.is_gone():
                return seat
            self._tasks.spawn(self._discard(seat), "discard parked")
        return None

    def _refill(self, key: BrowserConfig) -> None:
        """Park pages for the next runs of this configuration, in parallel, as far as slots are free to use them."""
        if not self._parks(key):
            return
        free = self._settings.slots - len(self._leased)
        if not free and self._now() - self._released_at < QUEUE_S:
            free = 1  # a slot that is taken again at once has a queue behind it: its next run shall find a page too
        have = len(self._parked.get(key, ())) + self._parking[key]
        for _ in range(min(self._settings.parked_pages, free) - have):
            self._parking[key] += 1
            self._tasks.spawn(self._park(key), "park")

    async def _park(self, key: BrowserConfig) -> None:
        try:
            seat = await self._open(await self.fleet.shell(), key)
        except BrowserError as error:
            log.debug("browser.park_failed", error=error.message)
            return
        finally:
            self._parking[key] -= 1
        await self._keep(seat)

    def _start_watch(self) -> None:
        if self._watch is None or self._watch.done():
            self._watch = self._tasks.spawn(self._watching(), "watch")

    async def _watching(self) -> None:
        while not self._closing:
            await asyncio.sleep(self._settings.probe_period_s)
            try:
                await self.watch_once()
            except Exception:  # the watch must outlive whatever one browser does to it
                log.exception("browser.watch_failed")

    async def watch_once(self) -> None:
        """Probe every browser, remove what is bad or worn, reap what nobody took. The watch's one round."""
        for shell in await self.fleet.watch_round():
            self._tasks.spawn(self._give_up(shell), "remove browser")
        for shell in tuple(self.fleet.shells):
            if shell.health is Health.DRAINING and not shell.seats:
                self._tasks.spawn(self._give_up(shell), "retire browser")
        self._reap()

    def _reap(self) -> None:
        """Close parked pages that nobody took for a while, and those whose browser takes no more runs."""
        oldest = self._now() - self._settings.parked_idle_s
        for key, seats in tuple(self._parked.items()):
            kept = deque(
                s for s in seats if s.parked_at > oldest and s.shell.health in (Health.HEALTHY, Health.SUSPECT)
            )
            for seat in seats:
                if seat not in kept:
                    self._tasks.spawn(self._discard(seat), "reap")
            self._parked[key] = kept
            if not kept and not self._parking[key]:
                del self._parked[key], self._parking[key]

    async def _give_up(self, shell: Shell) -> None:
        """Remove a browser; its runs learn it from their next call."""
        for seats in self._parked.values():
            for seat in [seat for seat in seats if seat.shell is shell]:
                seats.remove(seat)
                await seat.proxy.close()
        await self.fleet.remove(shell)


async def _new_page(seat: Seat) -> PagePort:
    return await seat.context.new_page()


def _parking_key(config: BrowserConfig) -> BrowserConfig:
    """Return what a context's making depends on: where the run may go is the proxy's business, set at the lease."""
    return replace(config, only_hosts=())
