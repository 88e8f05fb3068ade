"""Doors in a test agent that the test opens: what shows that something happened *while* the agent was waiting.

An agent waits on its runner's loop, the test opens from its own thread: only for servers in the test's process. Their
isolated agents see the same gate as two files in its folder.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.deadlines import LOOK_S

_gates: dict[str, Gate] = {}


class Arrival:
    """Whether an agent stands before the gate: in this process, or in one of its own."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._event = threading.Event()

    def set(self) -> None:
        """Note that one does."""
        self._event.set()

    def is_set(self) -> bool:
        """Return whether one does."""
        return self._event.is_set() or self._file.exists()

    def wait(self, timeout: float) -> bool:
        """Wait for one, at most ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while not self.is_set() and time.monotonic() < end:
            self._event.wait(LOOK_S)
        return self.is_set()


class Gate:
    """Closed until :meth:`open`. ``arrived`` is set when an agent stands before it."""

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix="gate-")
        self.arrived = Arrival(Path(self.name, "arrived"))
        self._opened = threading.Event()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()

    async def passing(self) -> None:
        """Wait until it is open; on any loop."""
        event = asyncio.Event()
        with self._lock:
            if self._opened.is_set():
                return
            self._waiting.append((asyncio.get_running_loop(), event))
        self.arrived.set()
        await event.wait()

    def passing_blocking(self, limit_s: float = 30.0) -> None:
        """The same, blocking the thread: what code that never looks up does."""
        self.arrived.set()
        self._opened.wait(limit_s)

    def open(self) -> None:
        """Let everybody pass, now and later."""
        with self._lock:
            self._opened.set()
            waiting, self._waiting = self._waiting, []
        Path(self.name, "opened").touch()
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)


class DistantGate:
    """A gate as an agent in a process of its own sees it."""

    def __init__(self, name: str) -> None:
        self._arrived = Path(name, "arrived")
        self._opened = Path(name, "opened")

    async def passing(self) -> None:
        """Wait until it is open."""
        self._arrived.touch()
        while not self._opened.exists():  # noqa: ASYNC110  # a file tells nobody
            await asyncio.sleep(LOOK_S)

    def passing_blocking(self, limit_s: float = 30.0) -> None:
        """The same, blocking."""
        self._arrived.touch()
        end = time.monotonic() + limit_s
        while not self._opened.exists() and time.monotonic() < end:
            time.sleep(LOOK_S)


@contextmanager
def new_gate() -> Iterator[Gate]:
    """Give a gate; it is opened at the latest when the test ends, so that no thread stays behind."""
    gate = Gate()
    _gates[gate.name] = gate
    try:
        yield gate
    finally:
        gate.open()
        del _gates[gate.name]
        shutil.rmtree(gate.name, ignore_errors=True)


def gate_named(name: str) -> Gate | DistantGate:
    """Return the gate that a test has made."""
    return _gates.get(name) or DistantGate(name)
