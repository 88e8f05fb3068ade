"""Whole browsers that belong to one run each, for agents that speak CDP. Floor 4; the host's loop only.

The browser is in the fleet like every other: launched by the driver, probed, removed within bounds. Its way out is a
proxy of its own, which is there before the browser is and lets nothing pass before the run has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import structlog

from runwire.browser.closing import CloseCounts, close_within
from runwire.browser.debugging_port import marked
from runwire.browser.egress_policy import EgressPolicy, check_page_address, policy_of
from runwire.browser.executable import find_executable
from runwire.browser.fleet import Fleet
from runwire.browser.owned import OwnedTasks
from runwire.browser.ports import EgressPort, OwnSpec
from runwire.browser.settings import BrowserHostSettings
from runwire.browser.shell import Shell
from runwire.browser.whole import ERRANDS
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserUnavailable

log = structlog.get_logger(__name__)

LISTEN_LIMIT_S = 5.0
"""How long a launched browser may take until it listens for CDP; a guess, mostly it has begun to with the launch."""


@dataclass(eq=False, slots=True)
class OwnSeat:
    """A run's own browser, its way out and its address. ``ended`` is set once it is being given back; ``mark`` keeps
    all runs' pages away from its port.
    """

    run_id: str
    shell: Shell
    proxy: EgressPort
    cdp_url: str = ""
    ended: bool = False
    mark: ExitStack = field(default_factory=ExitStack)

    async def check(self, url: str) -> None:
        """Raises BrowserError, with the reason, if a page at ``url`` could not be reached."""
        check_page_address(url)
        await self.proxy.check(url)


class OwnBrowsers:
    """The own browsers of a host's runs, at most ``settings.slots``."""

    def __init__(
        self,
        settings: BrowserHostSettings,
        fleet: Fleet,
        tasks: OwnedTasks,
        counts: CloseCounts,
        make_proxy: Callable[[], EgressPort],
        sample_origin: Callable[[], str | None],
    ) -> None:
        self._settings = settings
        self._fleet = fleet
        self._tasks = tasks
        self._counts = counts
        self._make_proxy = make_proxy
        self._sample_origin = sample_origin
        self.seats: set[OwnSeat] = set()
        self.lost_runs = 0

    async def acquire(self, run_id: str, config: BrowserConfig, extensions: tuple[str, ...]) -> OwnSeat:
        """Return a browser for this run; :meth:`release` must follow.

        Cancelling the caller cancels no launch: the browser is closed once it is there.

        Raises:
            BrowserUnavailable: none can be launched now; the message says why.
        """
        policy = policy_of(self._settings.allow_hosts, self._sample_origin(), config.only_hosts)
        settings = self._settings
        limit_s = settings.slot_timeout_s + settings.start_timeout_s + settings.launch_timeout_s
        making = self._make(run_id, config, extensions, policy, limit_s)
        try:
            return await self._tasks.wanted(
                making, name="own browser", limit_s=limit_s + LISTEN_LIMIT_S, adopt=self.release
            )
        except TimeoutError as error:
            raise BrowserUnavailable(f"no browser started within {limit_s:g} s") from error

    async def _make(
        self, run_id: str, config: BrowserConfig, extensions: tuple[str, ...], policy: EgressPolicy, limit_s: float
    ) -> OwnSeat:
        executable = find_executable(self._settings.executable, headless=False)
        proxy = self._make_proxy()
        await proxy.start()
        seat: OwnSeat | None = None
        try:
            own = OwnSpec(proxy.url, config, extensions)
            spec = replace(self._fleet.spec, executable=str(executable or ""), own=own)
            shell = await self._fleet.launch_own(limit_s, spec)
            seat = OwnSeat(run_id, shell, proxy)
            self.seats.add(seat)
            shell.seats.add(seat)
            async with asyncio.timeout(LISTEN_LIMIT_S):
                seat.cdp_url = await shell.port.cdp_url()
            address = urlsplit(seat.cdp_url)
            listening = (address.hostname or "", address.port or 0)
            seat.mark.enter_context(marked(listening[1]))
        except BaseException:
            await (proxy.close() if seat is None else self.release(seat, fault=True))
            raise
        proxy.admit(replace(policy, debugging=listening, errands=ERRANDS))
        return seat

    async def release(self, seat: OwnSeat, *, fault: bool = False) -> None:
        """Close the browser within its bound, then its way out. ``fault``: the run lost it. Idempotent."""
        if seat.ended:
            return
        seat.ended = True
        self.seats.discard(seat)
        seat.shell.seats.discard(seat)
        seat.shell.run_ended(fault=fault)
        self.lost_runs += fault
        try:
            await self._fleet.remove(seat.shell)
        finally:
            seat.mark.close()
            await close_within(self._counts, "proxy", seat.proxy.close, self._settings.close.page_s)

    def reclaim(self, run_id: str) -> None:
        """Close the browser that a run which has ended still holds."""
        for seat in tuple(self.seats):
            if seat.run_id == run_id:
                log.warning("browser.reclaimed", run_id=run_id, browser=seat.shell.number)
                self._tasks.spawn(self.release(seat), "reclaim")

    async def close(self) -> None:
        """Close all of them."""
        await asyncio.gather(*(self.release(seat) for seat in tuple(self.seats)))
