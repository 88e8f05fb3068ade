"""Tells when an operation of a run begins on the real browser, so that a test can strike at exactly that moment.

The ports of Playwright are wrapped one by one. A hook belongs to a run: what the host does for a run carries the run's
context variables, its tasks' included, so that runs at the same time do not set off each other's hooks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, cast

from runwire.browser.ports import ContextPort, DriverPort, PagePort, ShellPort

PHASES = ("launch", "context", "page", "goto", "wait", "close")
"""The phases of a run; ``wait`` is a step that waits for something on the page, ``close`` that of its context."""

RUN: ContextVar[str] = ContextVar("run", default="")
"""The run whose task this is; a test sets it."""


class Phases:
    """Hooks by run and phase; each is called once, on the host's thread."""

    def __init__(self) -> None:
        self._hooks: dict[tuple[str, str], Callable[[], object]] = {}

    def at(self, run: str, phase: str, hook: Callable[[], object]) -> None:
        """Call ``hook`` just before the run's next such operation begins."""
        assert phase in PHASES, phase
        self._hooks[run, phase] = hook

    @property
    def pending(self) -> int:
        """How many hooks were not called yet."""
        return len(self._hooks)

    def begins(self, phase: str) -> None:
        """Call the hook of the run, if there is one."""
        hook = self._hooks.pop((RUN.get(), phase), None)
        if hook is not None:
            hook()


class _Watched:
    """Passes everything on to the real port but what a subclass watches."""

    def __init__(self, port: Any, phases: Phases) -> None:
        self._port = port
        self._phases = phases

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class _Page(_Watched):
    async def goto(self, url: str, timeout_s: float) -> int:
        self._phases.begins("goto")
        return cast("int", await self._port.goto(url, timeout_s))

    async def perform(self, action: Any, timeout_s: float) -> Any:
        self._phases.begins("wait")
        return await self._port.perform(action, timeout_s)


class _Context(_Watched):
    async def new_page(self) -> PagePort:
        self._phases.begins("page")
        return cast("PagePort", _Page(await self._port.new_page(), self._phases))

    async def close(self) -> None:
        self._phases.begins("close")
        await self._port.close()


class _Shell(_Watched):
    async def new_context(self, *options: Any) -> ContextPort:
        self._phases.begins("context")
        return cast("ContextPort", _Context(await self._port.new_context(*options), self._phases))


class _Driver(_Watched):
    async def launch(self, spec: Any) -> ShellPort:
        self._phases.begins("launch")
        return cast("ShellPort", _Shell(await self._port.launch(spec), self._phases))


def watched(driver: DriverPort, phases: Phases) -> DriverPort:
    """Return the driver with its phases watched."""
    return cast("DriverPort", _Driver(driver, phases))
