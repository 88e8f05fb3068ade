"""One browser as the pool keeps it: its port, its health, who sits on it, its costs. Floor 4; the host's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from runwire.browser.closing import CloseCounts, close_within
from runwire.browser.health import ERRORS_TO_SUSPECT, Health, Sign, observe
from runwire.browser.ports import ShellPort
from runwire.browser.processes import descriptors, is_alive, kill_group, memory_bytes, profile_folder, remove_profile
from runwire.browser.settings import BrowserHostSettings
from runwire.browser.statistics import ShellStatistics

if TYPE_CHECKING:
    from runwire.browser.own import OwnSeat
    from runwire.browser.seat import Seat

REMOVE_TRIES = 10
REMOVE_PAUSE_S = 0.05
"""Half a second in all for a killed group to be gone; a guess, it takes some tens of milliseconds."""

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Shell:
    """A browser in the pool. ``number`` counts launches, ``slot`` is its place among those alive; ``first_bytes`` is
    its memory when it was new.
    """

    number: int
    port: ShellPort
    slot: int = 0
    health: Health = Health.HEALTHY
    seats: set[Seat | OwnSeat] = field(default_factory=set)
    runs: int = 0
    errors: int = 0
    errors_in_a_row: int = 0
    born_at: float = 0.0
    first_bytes: int = 0
    bytes: int = 0
    profile: Path | None = None
    removed_for: str = ""

    def __post_init__(self) -> None:
        """Remember the profile folder while the process can still tell it."""
        if self.port.pid is not None:
            self.profile = profile_folder(self.port.pid)

    @property
    def in_pool(self) -> bool:
        """Whether it has not been given up."""
        return self.health not in (Health.BAD, Health.RETIRED)

    def is_gone(self) -> bool:
        """Return whether it is certainly gone; False says nothing."""
        dead = self.port.pid is not None and not is_alive(self.port.pid)
        return dead or not self.port.connected

    def see(self, sign: Sign) -> Health:
        """Note what was observed; the first sign that takes it out of service is the reason of its removal."""
        before, self.health = self.health, observe(self.health, sign)
        if self.health is not before:
            if self.health in (Health.DRAINING, Health.BAD) and not self.removed_for:
                self.removed_for = sign.value
            log.info("browser.health", browser=self.number, pid=self.port.pid, was=before, now=self.health, sign=sign)
        return self.health

    def run_ended(self, *, fault: bool) -> None:
        """Count a run; three in a row that lost the browser make it suspect."""
        self.runs += 1
        self.errors_in_a_row = self.errors_in_a_row + 1 if fault else 0
        if fault:
            self.errors += 1
            if self.errors_in_a_row >= ERRORS_TO_SUSPECT:
                self.see(Sign.ERRORS)

    def is_worn(self, settings: BrowserHostSettings, now: float) -> bool:
        """Return whether it has served enough at ``now``: runs, age, growth."""
        old = now - self.born_at > settings.max_age_s
        grown = self.first_bytes > 0 and self.bytes > self.first_bytes * (1 + settings.max_growth)
        return old or self.runs >= settings.max_runs or (grown and not self.seats)

    def statistics(self, now: float) -> ShellStatistics:
        """Return a snapshot at ``now``."""
        return ShellStatistics(
            number=self.number,
            slot=self.slot,
            pid=self.port.pid,
            health=self.health.value,
            leased=len(self.seats),
            runs=self.runs,
            errors=self.errors,
            age_s=now - self.born_at,
            size_bytes=self.bytes,
            descriptors=0 if self.port.pid is None else descriptors(self.port.pid),
        )

    def weigh(self) -> None:
        """Measure its memory; may take some ms: call it off the loop."""
        if self.port.pid is not None:
            self.bytes = memory_bytes(self.port.pid)
            self.first_bytes = self.first_bytes or self.bytes


async def probe(shell: Shell, limit_s: float) -> Sign:
    """Return whether the browser answered within ``limit_s`` seconds, was silent, or is gone."""
    if shell.is_gone():
        return Sign.LOST
    try:
        async with asyncio.timeout(limit_s):
            await shell.port.probe()
    except Exception:  # an answer that is an error says the same as none: this browser cannot be relied upon
        return Sign.LOST if shell.is_gone() else Sign.SILENT
    return Sign.ANSWERED


async def remove(shell: Shell, counts: CloseCounts, limit_s: float) -> None:
    """Close the browser within ``limit_s`` seconds, else kill its process group; then remove its profile."""
    if shell.port.connected and shell.health is not Health.BAD:
        await close_within(counts, "browser", shell.port.close, limit_s)
    pid = shell.port.pid
    if pid is not None and is_alive(pid):
        kill_group(pid)
    if shell.in_pool:
        shell.see(Sign.CLOSED)
    shell.see(Sign.CLEANED)
    await _removed(shell.port.discard)
    if shell.profile is not None and not await _removed(partial(remove_profile, shell.profile)):
        log.warning("browser.profile_left", folder=str(shell.profile))


async def _removed(remove: Callable[[], bool]) -> bool:
    """Remove a folder; processes that are still dying write into it, so it takes more than one try."""
    for _ in range(REMOVE_TRIES):
        if not await asyncio.to_thread(remove):
            return True
        await asyncio.sleep(REMOVE_PAUSE_S)
    return False
