"""What browser runs leave behind, in one place: processes, descriptors, folders, threads, tasks, contexts, slots.

A :class:`Laboratory` is a browser host whose operations can be watched and struck at, with a temporary folder of its
own. It is looked at twice: *at rest*, between runs, everything must be as it was after the first run; *at the end*,
after ``close()``, everything must be as it was before the host.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from runwire.browser.chromium import start_driver, translated
from runwire.browser.host import BrowserHost
from runwire.browser.ports import DriverPort
from runwire.browser.processes import descendants, descriptors, is_alive
from runwire.browser.settings import BrowserHostSettings
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserError
from tests.browser.phases import Phases, watched
from tests.support.deadlines import LOOK_S

PLAIN = BrowserConfig()
REST_S = 12.0
"""Most seconds until all is at rest; a leak outlasts it, a starved machine needs a part of it."""
SPARE_RENDERERS = 1
"""Chromium keeps one process ready for the next page, when it likes."""

_ROLE = re.compile(rb"--type=([\w-]+)")


def arguments(pid: int) -> bytes:
    """Return a process's command line; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kind(pid: int) -> str:
    """Return what a process is: ``driver``, ``browser``, ``encoder``, or the role that Chromium gave it."""
    line = arguments(pid)
    if b"\x00matroska\x00" in line:
        return "encoder"
    if b"run-driver" in line:
        return "driver"
    role = _ROLE.search(line)
    if role is not None:
        return role[1].decode()
    return "browser" if b"--user-data-dir=" in line else "other"


def family(pid: int, what: str) -> list[int]:
    """Return the living descendants of a process that are of a kind."""
    return [one for one in descendants(pid) if kind(one) == what]


def threads() -> list[str]:
    """Return the threads' names, their numbers left out, but those of ``asyncio.to_thread``: the test's own loop keeps
    them.
    """
    names = (thread.name for thread in threading.enumerate())
    return sorted(re.sub(r"\d+", "", name) for name in names if not name.startswith("asyncio_"))


@dataclass(frozen=True, slots=True)
class Held:
    """What is held at one moment; ``excess`` names what is more than before."""

    drivers: int
    browsers: int
    encoders: int
    renderers: int
    descriptors: int
    driver_descriptors: int
    folders: int
    threads: tuple[str, ...]
    tasks: int
    host_tasks: int
    contexts: int
    leased: int
    waiting: int

    def excess(self, before: Held) -> dict[str, Any]:
        """Return what is held now and was not then."""
        now, then = asdict(self), asdict(before)
        then["renderers"] += SPARE_RENDERERS
        return {name: (then[name], now[name]) for name in now if _more(now[name], then[name])}


def _more(now: Any, then: Any) -> bool:
    return bool(Counter(now) - Counter(then)) if isinstance(now, tuple) else now > then


NOTHING = Held(0, 0, 0, 0, 0, 0, 0, (), 0, 0, 0, 0, 0)


class Laboratory:
    """One host, and what it and its runs hold. Made by :func:`laboratory`."""

    def __init__(self, host: BrowserHost, phases: Phases, folder: Path) -> None:
        self.host = host
        self.phases = phases
        self.folder = folder
        self.before = NOTHING

    @property
    def browser(self) -> int:
        """The one browser's process."""
        (pid,) = [shell.pid for shell in self.host.statistics().browsers]
        assert pid is not None
        return pid

    @property
    def driver(self) -> int:
        """The one driver's process."""
        (pid,) = family(os.getpid(), "driver")
        return pid

    async def warm(self) -> None:
        """Have a first run, and remember what is held at rest after it."""
        async with self.host.lease("warm", PLAIN) as lease, lease.page() as page:
            await page.title()
        await asyncio.to_thread(self._until_parked)
        self.before = await self.held()

    async def held(self) -> Held:
        """Look at everything."""
        processes = [kind(pid) for pid in descendants(os.getpid())]
        statistics = await asyncio.to_thread(self.host.statistics)
        drivers = family(os.getpid(), "driver")
        return Held(
            drivers=len(drivers),
            browsers=processes.count("browser"),
            encoders=processes.count("encoder"),
            renderers=processes.count("renderer"),
            descriptors=len(os.listdir("/proc/self/fd")),
            driver_descriptors=sum(map(descriptors, drivers)),
            folders=len(os.listdir(self.folder)),
            threads=tuple(threads()),
            tasks=len(asyncio.all_tasks()),
            host_tasks=statistics.tasks,
            contexts=await self._contexts() - statistics.parked,
            leased=statistics.leased,
            waiting=statistics.waiting,
        )

    async def at_rest(self) -> None:
        """Wait until nothing more is held than after the first run. Raises AssertionError that names the rest."""
        end = time.monotonic() + REST_S
        while excess := await self._excess():
            assert time.monotonic() < end, f"left behind (then, now): {excess}"
            await asyncio.sleep(0.05)

    async def _excess(self) -> dict[str, Any]:
        try:
            return (await self.held()).excess(self.before)
        except BrowserError as error:  # a browser went away while it was asked
            return {"restless": str(error)}

    async def _contexts(self) -> int:
        """Return how many contexts the browsers themselves count: what Playwright forgot is among them."""
        current = self.host._current()
        if current is None:
            return 0
        thread, pool = current

        async def ask() -> int:
            with translated():
                answers = [await shell.port._session.send("Target.getBrowserContexts") for shell in pool.fleet.shells]  # type: ignore[attr-defined]  # Chromium's port
            return sum(len(answer["browserContextIds"]) for answer in answers)

        return await thread.call(ask, limit_s=5.0)

    def _until_parked(self) -> None:
        end = time.monotonic() + REST_S
        while (statistics := self.host.statistics()).parked < self.expected_parked or statistics.leased:
            assert time.monotonic() < end, f"no pages were parked: {statistics}"
            time.sleep(LOOK_S)

    expected_parked = 0


@contextmanager
def laboratory(site: str, **changes: Any) -> Iterator[Laboratory]:
    """Give a host for a block and end it; fails if something is left then that was not there before."""
    phases = Phases()

    async def start() -> DriverPort:
        return watched(await start_driver(), phases)

    with (
        TemporaryDirectory(prefix="rw") as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", name)  # the driver and every Chromium put their folders there, and so does the host
        patch.setattr("tempfile.tempdir", name)
        settings = BrowserHostSettings(**{"executable": os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""), **changes})
        before = (set(descendants(os.getpid())), Counter(threads()), len(os.listdir("/proc/self/fd")))
        made = Laboratory(BrowserHost(settings, lambda: site, start), phases, Path(name))
        if settings.isolation == "context":
            made.expected_parked = min(settings.parked_pages, settings.slots)
        try:
            yield made
        finally:
            made.host.close()
        _nothing_left(Path(name), *before)


def _nothing_left(folder: Path, processes: set[int], names: Counter[str], open_descriptors: int) -> None:
    """Wait until all is as before the host. Raises AssertionError that names what is not."""

    def rest() -> dict[str, Any]:
        found: dict[str, Any] = {
            "processes": {pid: kind(pid) for pid in descendants(os.getpid()) if pid not in processes},
            "folders": os.listdir(folder),
            "threads": list((Counter(threads()) - names).elements()),
            "descriptors": max(0, len(os.listdir("/proc/self/fd")) - open_descriptors),
        }
        return {what: left for what, left in found.items() if left}

    end = time.monotonic() + REST_S
    while left := rest():
        assert time.monotonic() < end, f"left behind by a closed host: {left}"
        time.sleep(0.02)


def all_gone(pids: list[int], within_s: float) -> list[int]:
    """Wait at most that long for processes to end; return those that have not."""
    return _wait(lambda: [pid for pid in pids if is_alive(pid)], within_s)


def _wait(left: Callable[[], list[int]], within_s: float) -> list[int]:
    end = time.monotonic() + within_s
    while (rest := left()) and time.monotonic() < end:
        time.sleep(0.02)
    return rest
