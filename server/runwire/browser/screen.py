"""What of a run can be seen and used by people: its pages, its viewers, its inputs. Floor 4; the host's loop only.

A screen exists while its run has a context or somebody watches. The page in front is the one that was opened last and
is still open; within it :mod:`runwire.browser.stage` knows which window is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from runwire.browser.capture import Capture
from runwire.browser.ports import PagePort, Shot
from runwire.browser.turnstile import Turnstile
from runwire.contracts.live_view import NO_PAGE, Picture, Show
from runwire.errors import BrowserError, Conflict
from runwire.protocol.view import Input

log = structlog.get_logger(__name__)

INPUTS = 120
"""Most inputs that wait for a page: two seconds of a busy hand; beyond, the page is stuck and more would not help."""
INPUT_S = 2.0
"""Bound on one input; a page in an endless loop takes none."""

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Starts a task that somebody owns."""


class Screen:
    """One run's."""

    def __init__(self, run_id: str, spawn: Spawn) -> None:
        self.run_id = run_id
        self.turnstile = Turnstile()
        self.leases = 0
        self._spawn = spawn
        self._pages: list[PagePort] = []
        self._viewers: list[Show] = []
        self._capture: Capture | None = None
        self._last: Picture | None = None
        self._number = 0
        self._inputs: deque[Input] = deque()
        self._hand: asyncio.Task[None] | None = None
        self._giving_back = False

    @property
    def idle(self) -> bool:
        """Whether nothing keeps it."""
        return not self.leases and not self._viewers

    # The run's pages

    def opened(self, page: PagePort) -> None:
        """Note that a page of the run was opened: it is in front now."""
        self._pages.append(page)
        self._turn()

    def closed(self, page: PagePort) -> None:
        """Note that a page is about to be closed."""
        if page in self._pages:
            self._pages.remove(page)
            self._turn()

    # Viewers

    def watch(self, show: Show) -> None:
        """Begin to show; the newest picture, if there is one, at once."""
        self._viewers.append(show)
        if self._last is not None:
            show(self._last)
        self._turn()

    def unwatch(self, show: Show) -> None:
        """Stop showing. Idempotent."""
        if show in self._viewers:
            self._viewers.remove(show)
            self._turn()

    def close(self) -> None:
        """Show nothing any more."""
        self._viewers.clear()
        self._turn()

    def _turn(self) -> None:
        """Capture the page in front if anybody watches, and nothing else."""
        front = self._pages[-1] if self._pages and self._viewers else None
        if self._capture is not None and self._capture.page is not front:
            self._capture.stop()
            self._capture = None
        if front is not None and self._capture is None:
            self._capture = Capture(front, self._show, lambda: self.turnstile.held)
            self._spawn(self._capture.run(), "capture")
        if front is None:
            self._last = None

    def _show(self, shot: Shot) -> None:
        self._number += 1
        self._last = Picture(self._number, shot.width, shot.height, shot.jpeg, polled=not shot.filmed)
        for show in tuple(self._viewers):
            show(self._last)

    # A person's hands

    async def hold(self, limit_s: float) -> bool:
        """Keep the agent from the pages; see ``contracts.live_view``."""
        if not self._pages:
            raise Conflict(NO_PAGE)
        if self._hand is not None:  # what the last person did is still on its way
            await asyncio.wait((self._hand,), timeout=limit_s)
        return not self.turnstile.held and await self.turnstile.hold(limit_s)

    def release(self) -> None:
        """Let the agent go on, behind what the person did last. Idempotent."""
        if self._hand is None:
            self.turnstile.release()
        else:
            self._giving_back = True

    def use(self, what: Input) -> None:
        """Do it to the page in front, behind what was asked for before."""
        if not self.turnstile.held or not self._pages or len(self._inputs) >= INPUTS:
            return
        self._inputs.append(what)
        if self._hand is None:
            self._hand = self._spawn(self._use(), "inputs")

    async def _use(self) -> None:
        try:
            while self._inputs and self._pages:
                what = self._inputs.popleft()
                try:
                    async with asyncio.timeout(INPUT_S):
                        await self._pages[-1].use(what)
                except BrowserError as error:  # an unknown key, a page that has just gone
                    log.debug("browser.input_refused", run_id=self.run_id, error=str(error))
                except TimeoutError:
                    log.info("browser.inputs_lost", run_id=self.run_id, inputs=len(self._inputs) + 1)
                    break
        finally:
            self._hand = None
            self._inputs.clear()
            if self._giving_back:
                self._giving_back = False
                self.turnstile.release()


class Screens:
    """The screens of a host, by run."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._screens: dict[str, Screen] = {}

    def enter(self, run_id: str) -> Screen:
        """Note that the run has a context, and return its screen; :meth:`leave` must follow."""
        screen = self._of(run_id)
        screen.leases += 1
        return screen

    def leave(self, screen: Screen) -> None:
        """Note that a context of the run is closed."""
        screen.leases -= 1
        self._forget(screen)

    def watch(self, run_id: str, show: Show) -> None:
        """Show the run's pages to one more; :meth:`unwatch` must follow."""
        self._of(run_id).watch(show)

    def unwatch(self, run_id: str, show: Show) -> None:
        """Stop showing. Idempotent."""
        if (screen := self._screens.get(run_id)) is not None:
            screen.unwatch(show)
            self._forget(screen)

    async def hold(self, run_id: str, limit_s: float) -> bool:
        """Keep the agent from its pages; see ``contracts.live_view``."""
        if (screen := self._screens.get(run_id)) is None:
            raise Conflict(NO_PAGE)
        return await screen.hold(limit_s)

    def release(self, run_id: str) -> None:
        """Let the agent go on. Idempotent."""
        if (screen := self._screens.get(run_id)) is not None:
            screen.release()

    def use(self, run_id: str, what: Input) -> None:
        """Do it to the page in front."""
        if (screen := self._screens.get(run_id)) is not None:
            screen.use(what)

    def close(self) -> None:
        """End every capture."""
        for screen in self._screens.values():
            screen.close()

    def _of(self, run_id: str) -> Screen:
        screen = self._screens.get(run_id)
        if screen is None:
            screen = self._screens[run_id] = Screen(run_id, self._spawn)
        return screen

    def _forget(self, screen: Screen) -> None:
        if screen.idle and self._screens.get(screen.run_id) is screen:
            del self._screens[screen.run_id]
