"""A person who watches and uses a run's browser over a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from runwire.protocol.view import HEAD, ViewFlag
from tests.support.embedded import EmbeddedServer
from tests.support.sockets import Frame, Socket, conversing

QUIET_S = 0.25


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture as it came."""

    view: int
    number: int
    ms: int
    width: int
    height: int
    flags: ViewFlag
    jpeg: bytes


def read(wire: bytes) -> Seen:
    """Take a binary frame apart."""
    view, number, ms, width, height, flags = HEAD.unpack_from(wire)
    seen = Seen(view, number, ms, width, height, ViewFlag(flags), wire[HEAD.size :])
    assert seen.jpeg.startswith(b"\xff\xd8\xff"), "a JPEG"
    return seen


class Viewer:
    """One open view."""

    def __init__(self, socket: Socket, opened: Frame, name: str) -> None:
        self.socket = socket
        self.opened = opened
        self.opened_as = name
        self.view: int = opened["view"]

    async def picture(self, within_s: float = 5.0) -> Seen:
        """Return the next picture."""
        return read(await self.socket.picture(within_s))

    async def settled(self) -> Seen:
        """Return the newest picture once the page stands still."""
        return await self.settled_or(await self.picture())

    async def settled_or(self, seen: Seen) -> Seen:
        """Return the newest picture once the page stands still, or ``seen`` if none comes."""
        while True:
            try:
                seen = await self.picture(QUIET_S)
            except TimeoutError:
                return seen

    async def changes(self, before: Seen, within_s: float = 5.0) -> Seen:
        """Wait for a picture that differs."""
        async with asyncio.timeout(within_s):
            while (seen := await self.picture(within_s)).jpeg == before.jpeg:
                pass
        return seen

    async def take(self) -> Frame:
        """Take control."""
        return await self.socket.ok("view.control", view=self.view, action="take")

    async def give(self) -> Frame:
        """Give it back."""
        return await self.socket.ok("view.control", view=self.view, action="give")

    async def click(self, x: int, y: int) -> None:
        """Click there."""
        await self.use(kind="mouse", action="click", x=x, y=y)

    async def use(self, **input: Any) -> None:
        """Do something to the page."""
        await self.socket.ok("view.input", view=self.view, input=input)


@asynccontextmanager
async def viewing(server: EmbeddedServer, run_id: str, name: str = "ann") -> AsyncIterator[Viewer]:
    """Open a socket and a view of a run on it."""
    async with conversing(server) as socket:
        yield Viewer(socket, await socket.ok("view.open", run_id=run_id, name=name), name)


@asynccontextmanager
async def carried_out(
    server: EmbeddedServer, url: str, *steps: str, run: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[tuple[Socket, str]]:
    """Run a browser test and follow it; it is cancelled at the end. ``run`` are the run's own arguments."""
    async with conversing(server) as socket:
        test = {"url": url, "steps": list(steps), "step_timeout_s": 8, **more}
        started = await socket.ok("run.start", agent="browser-test", input=test, **(run or {}))
        try:
            yield socket, started["run_id"]
        finally:
            await socket.ok("run.cancel", run_id=started["run_id"])
            await socket.until_end(started["run_id"], 8.0)


async def step_begun(socket: Socket, number: int) -> None:
    """Wait until a step has begun."""

    def begun() -> bool:
        return any(
            entry["data"].get("type") == "STEP_STARTED" and entry["data"]["stepName"] == f"Step {number}"
            for frame in socket.frames
            for entry in (frame["entries"] if frame["type"] == "batch" else [frame])
            if entry["type"] == "event"
        )

    async with asyncio.timeout(10):
        while not begun():
            await socket.next(10.0)


async def within(limit_s: float, work: Callable[[], Awaitable[Any]]) -> float:
    """Do it and return how long it took. Raises AssertionError if longer than the limit."""
    begun = time.monotonic()
    await work()
    took = time.monotonic() - begun
    assert took < limit_s, f"took {took:.3f} s"
    return took
