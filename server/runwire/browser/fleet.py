"""The browsers of a host and the driver that they hang on: launched, probed, removed. Floor 4; the host's loop only."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection

import structlog

from runwire.browser.breaker import CircuitBreaker
from runwire.browser.closing import CloseCounts, close_within
from runwire.browser.health import Health, Sign
from runwire.browser.owned import OwnedTasks
from runwire.browser.ports import DriverPort, LaunchSpec, StartDriver
from runwire.browser.processes import cpu_wait_s, is_alive, is_stopped, kill_group, kill_strays, remove_profile
from runwire.browser.settings import BrowserHostSettings
from runwire.browser.shell import Shell, probe, remove
from runwire.errors import BrowserUnavailable

log = structlog.get_logger(__name__)

SECOND_PROBE = 1.5
"""How much longer a silent browser gets the second time: on a starved machine the first limit is soon over. A guess
that keeps the time to a new page after a freeze below the goal (probe period + 1.4 s)."""
REAP_S = 0.2
"""How long a killed driver's pipes take to close; a guess, the kernel needs some milliseconds."""
STARVED_SHARE = 0.25
"""Share of a probe's time that browser, driver and host have waited for a processor from which on silence says nothing;
a guess: frozen ones wait for none at all."""
STARVED_S = 10.0
"""How long a starved browser is believed at most; a guess."""
WEIGH_EVERY = 10
"""Memory is measured at every tenth round of probes: it costs some ms of CPU in a process with many pages."""


class Fleet:
    """At most ``settings.browsers`` browsers that runs share, and ``settings.slots`` that are a run's own, on one
    driver.
    """

    def __init__(
        self,
        settings: BrowserHostSettings,
        executable: str,
        start_driver: StartDriver,
        tasks: OwnedTasks,
        counts: CloseCounts,
        now: Callable[[], float] = time.monotonic,
        cpu_wait_s: Callable[[Collection[int]], float] = cpu_wait_s,
    ) -> None:
        """``now`` is the monotonic clock, seconds; ``cpu_wait_s`` tells how long processes have waited to run."""
        self._settings = settings
        self.spec = LaunchSpec(
            executable=executable,
            headless=settings.headless,
            # Chromium refuses its sandbox as root; a wrapper drops to an unprivileged user, then it may stay on.
            sandbox=os.geteuid() != 0 or bool(settings.wrapper),
            wrapper=settings.wrapper,
            timeout_s=settings.launch_timeout_s,
            secrets=settings.secrets,
            downloads=settings.downloads,
        )
        self._start_driver = start_driver
        self._tasks = tasks
        self._counts = counts
        self._now = now
        self._cpu_wait_s = cpu_wait_s
        self._driver: DriverPort | None = None
        self._launching: asyncio.Task[Shell] | None = None
        self._lock = asyncio.Lock()
        self._room = asyncio.Semaphore(settings.slots)
        self._own: set[Shell] = set()
        self._stopping = False
        self._rounds = 0
        self._strays = False
        self.breaker = CircuitBreaker()
        self._whole_breaker = CircuitBreaker()
        """Of those that are not like the others: what ails them says nothing about those."""
        self.shells: list[Shell] = []
        self._leaving: set[Shell] = set()
        self.removed: Counter[str] = Counter()
        self.launches = 0
        self.failed_launches = 0
        self.drivers = 0

    async def shell(self) -> Shell:
        """Return the healthy browser with the fewest runs, launching one if none has room.

        Cancelling a caller never cancels the launch: the browser joins the fleet for the next one.

        Raises:
            BrowserUnavailable: none can be launched now; the message says why.
        """
        shared = [shell for shell in self.shells if shell not in self._own]
        healthy = [shell for shell in shared if shell.health is Health.HEALTHY]
        best = min(healthy, key=lambda shell: len(shell.seats), default=None)
        full = best is None or len(best.seats) >= self._settings.runs_per_browser
        if best is not None and (not full or len(shared) >= self._settings.browsers):
            return best
        return await self.launch_shared()

    async def launch_shared(self) -> Shell:
        """Launch a browser, or join the launch that is under way. Raises BrowserUnavailable."""
        if self._launching is None or self._launching.done():
            self._launching = self._tasks.spawn(self.launch(), "launch")
        return await asyncio.shield(self._launching)

    async def launch_own(self, limit_s: float, whole: LaunchSpec | None = None) -> Shell:
        """Launch a browser for one run, once fewer than ``settings.slots`` of such are launching, alive or closing:
        those that cancelled runs have left behind count until they are gone. ``whole``: not one like the others.

        Raises BrowserUnavailable; TimeoutError after ``limit_s`` seconds in the queue, or as many of launching.
        """
        async with asyncio.timeout(limit_s):
            await self._room.acquire()
        return await self._tasks.wanted(self._launch_in_room(whole), name="launch", limit_s=limit_s, adopt=self.remove)

    async def _launch_in_room(self, whole: LaunchSpec | None) -> Shell:
        try:
            shell = await self.launch(whole)
        except BaseException:
            self._room.release()
            raise
        self._own.add(shell)
        return shell

    async def launch(self, whole: LaunchSpec | None = None) -> Shell:
        """Launch one browser, by default one of those that runs share. To be run as an owned task: never cancelled.

        Raises:
            BrowserUnavailable: the circuit is open, the driver or the browser does not start.
        """
        now, breaker = self._now(), self.breaker if whole is None else self._whole_breaker
        if (wait_s := breaker.wait_s(now)) > 0:
            raise BrowserUnavailable(f"browsers failed to start several times; the next try is in {wait_s:.0f} s")
        try:
            driver = await self._ready_driver()
            limit_s = self._settings.launch_timeout_s + 1.0
            port = await self._tasks.wanted(
                driver.launch(whole or self.spec), name="chromium", limit_s=limit_s, adopt=lambda late: late.close()
            )
        except TimeoutError as error:
            self._failed("silent", breaker)
            await self.lose_driver("silent")
            raise BrowserUnavailable(f"no browser started within {self._settings.launch_timeout_s:g} s") from error
        except Exception as error:
            self._failed(type(error).__name__, breaker)
            raise
        breaker.succeeded()
        self.launches += 1
        shell = Shell(self.launches, port, self._free_slot(), born_at=self._now())
        self.shells.append(shell)
        log.info("browser.start", browser=shell.number, pid=port.pid, took_ms=round((self._now() - now) * 1000))
        if self._stopping:
            await self.remove(shell)
            raise BrowserUnavailable("the server is stopping")
        return shell

    def _free_slot(self) -> int:
        taken = {shell.slot for shell in self.shells}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    async def remove(self, shell: Shell) -> None:
        """Take a browser out and clean it up within its bounds. Idempotent."""
        if shell not in self.shells:
            return
        self.shells.remove(shell)  # first: nobody may get it while it is cleaned up
        self._leaving.add(shell)
        reason = shell.removed_for or "closed"
        self.removed[reason] += 1
        log.info("browser.stop", browser=shell.number, pid=shell.port.pid, reason=reason, runs=shell.runs)
        try:
            await remove(shell, self._counts, self._settings.close.browser_s)
        finally:
            self._leaving.discard(shell)
            if shell in self._own:
                self._own.discard(shell)
                self._room.release()

    async def watch_round(self) -> list[Shell]:
        """Probe every browser once; return those that are bad now. A silent one is asked twice at once."""
        self._rounds += 1
        await self._kill_strays()
        await asyncio.gather(*(self._examine(shell) for shell in tuple(self.shells)))
        if self._rounds % WEIGH_EVERY == 1:
            await asyncio.gather(*(asyncio.to_thread(shell.weigh) for shell in tuple(self.shells)))
        for shell in self.shells:
            if shell.health is Health.HEALTHY and shell.is_worn(self._settings, self._now()):
                shell.see(Sign.WORN)
        return [shell for shell in self.shells if shell.health is Health.BAD]

    async def lose_driver(self, reason: str) -> None:
        """Give up the driver and all that hangs on it; the next launch starts another."""
        driver, self._driver = self._driver, None
        if driver is None:
            return
        log.warning("browser.driver_lost", pid=driver.pid, reason=reason)
        for shell in tuple(self.shells):
            shell.see(Sign.LOST)
            await self.remove(shell)
        if driver.pid is not None and is_alive(driver.pid):
            kill_group(driver.pid)
        await self._stop_driver(driver)

    async def stop(self) -> None:
        """Close every browser, then the driver, each within its bound; kill what stays."""
        self._stopping = True
        await asyncio.gather(*(self.remove(shell) for shell in tuple(self.shells)))
        driver, self._driver = self._driver, None
        if driver is not None:
            await self._stop_driver(driver)

    def kill(self) -> None:
        """Kill whatever is left and remove its profiles, without asking anybody. For when the host's loop has ended."""
        for shell in (*self.shells, *self._leaving):
            if shell.port.pid is not None and is_alive(shell.port.pid):
                kill_group(shell.port.pid)
            shell.port.discard()
            if shell.profile is not None:
                remove_profile(shell.profile)
        if self._driver is not None and self._driver.pid is not None and is_alive(self._driver.pid):
            kill_group(self._driver.pid)

    async def _stop_driver(self, driver: DriverPort) -> None:
        """End the driver; one that does not end in time is killed, and then has its pipes closed after all."""
        stopping = asyncio.ensure_future(driver.stop())
        await close_within(self._counts, "driver", lambda: asyncio.shield(stopping), self._settings.close.driver_s)
        if not stopping.done():
            if driver.pid is not None:
                kill_group(driver.pid)
            await asyncio.wait([stopping], timeout=REAP_S)
            stopping.cancel()

    async def _ready_driver(self) -> DriverPort:
        async with self._lock:
            if self._driver is not None and self._driver.pid is not None and not is_alive(self._driver.pid):
                await self.lose_driver("gone")
            if self._driver is None:
                self._driver = await self._tasks.wanted(
                    _awaited(self._start_driver),
                    name="driver",
                    limit_s=self._settings.start_timeout_s,
                    adopt=lambda late: late.stop(),
                )
                self.drivers += 1
            return self._driver

    async def _examine(self, shell: Shell) -> None:
        limit_s = self._settings.probe_timeout_s
        if shell.see(await probe(shell, limit_s)) is Health.SUSPECT:
            shell.see(await self._ask_again(shell, limit_s * SECOND_PROBE))
        if shell.health is Health.BAD and not await self._driver_answers():
            await self.lose_driver("silent")

    async def _ask_again(self, shell: Shell, limit_s: float) -> Sign:
        """Ask a silent browser once more, and again as long as it is the machine that has no time to answer."""
        parts = (shell.port, self._driver)
        theirs = [part.pid for part in parts if part is not None and part.pid is not None]
        pids = [threading.get_native_id(), *theirs]
        end = self._now() + STARVED_S
        while True:
            began, waited_s = self._now(), self._cpu_wait_s(pids)
            sign = await probe(shell, limit_s)
            starved = self._cpu_wait_s(pids) - waited_s >= STARVED_SHARE * (self._now() - began)
            if sign is not Sign.SILENT or not starved or any(map(is_stopped, theirs)) or self._now() >= end:
                return sign
            log.info("browser.starved", browser=shell.number, pid=shell.port.pid)

    async def _driver_answers(self) -> bool:
        driver = self._driver
        if driver is None:
            return True
        try:
            async with asyncio.timeout(self._settings.probe_timeout_s):
                await driver.probe()
        except Exception:  # silent or broken: both mean that nothing can be driven any more
            return False
        return True

    async def _kill_strays(self) -> None:
        """Kill what failed launches have left: the driver asks a frozen browser to close, for half a minute."""
        if self._strays and self._driver is not None and self._driver.pid is not None:
            known = [shell.port.pid for shell in (*self.shells, *self._leaving) if shell.port.pid is not None]
            limit_s = self._settings.launch_timeout_s
            self._strays = await asyncio.to_thread(kill_strays, self._driver.pid, known, limit_s)

    def _failed(self, why: str, breaker: CircuitBreaker) -> None:
        self.failed_launches += 1
        self._strays = True
        log.error("browser.failed", why=why, failed=self.failed_launches)
        breaker.failed(self._now())


async def _awaited(start: StartDriver) -> DriverPort:
    return await start()
