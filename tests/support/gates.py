"""Doors in a test agent that the test opens: what shows that something happened *while* the agent was waiting.

An agent waits on its runner's loop, the test opens from its own thread: only for servers in the test's process.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_numbers = itertools.count(1)
_gates: dict[str, Gate] = {}


class Gate:
    """Closed until :meth:`open`. ``arrived`` is set when an agent stands before it."""

    def __init__(self) -> None:
        self.name = f"gate-{next(_numbers)}"
        self.arrived = threading.Event()
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
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)


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


def gate_named(name: str) -> Gate:
    """Return the gate that a test has made."""
    return _gates[name]
