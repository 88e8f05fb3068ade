"""Lets the agent to its pages, or keeps it waiting while a person uses them. Floor 4; the host's loop only.

Two kinds of operation: an *act* changes the page, a *look* only reads it. A person gets the pages when no act is under
way; a look that has begun may go on looking, it disturbs nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Turnstile:
    """One for each run. ``holds`` counts how often the pages were given to a person."""

    __slots__ = ("_acting", "_calm", "_held_s", "_listeners", "_open", "_since", "holds")

    def __init__(self) -> None:
        self.holds = 0
        self._acting = 0
        self._held_s = 0.0
        self._since: float | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._calm = asyncio.Event()
        self._calm.set()
        self._listeners: list[Callable[[bool], None]] = []

    @property
    def held(self) -> bool:
        """Whether a person has the pages."""
        return self._since is not None

    @property
    def held_s(self) -> float:
        """Seconds that people have had the pages, in sum."""
        return self._held_s + (0.0 if self._since is None else time.monotonic() - self._since)

    @asynccontextmanager
    async def turn(self, *, acts: bool) -> AsyncIterator[None]:
        """Wait until the pages are the agent's, then let one operation through."""
        while not self._open.is_set():
            await self._open.wait()
        if not acts:
            yield
            return
        self._acting += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._acting -= 1
            if self._acting == 0:
                self._calm.set()

    async def hold(self, limit_s: float) -> bool:
        """Let nothing more through and wait for what acts; False, and all as before, after ``limit_s`` seconds."""
        self._open.clear()
        try:
            async with asyncio.timeout(limit_s):
                await self._calm.wait()
        except BaseException as error:
            self._open.set()
            if isinstance(error, TimeoutError):
                return False
            raise
        self.holds += 1
        self._since = time.monotonic()
        self._tell(held=True)
        return True

    def release(self) -> None:
        """Give the pages back to the agent. Idempotent."""
        if self._since is None:
            return
        self._held_s += time.monotonic() - self._since
        self._since = None
        self._open.set()
        self._tell(held=False)

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener`` with whether a person has the pages, at each change and now if one has."""
        self._listeners.append(listener)
        if self.held:
            listener(True)

    def ignore(self, listener: Callable[[bool], None]) -> None:
        """Stop calling it."""
        self._listeners.remove(listener)

    def _tell(self, *, held: bool) -> None:
        for listener in tuple(self._listeners):
            listener(held)
