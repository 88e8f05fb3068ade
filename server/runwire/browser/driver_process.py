"""Playwright's driver as a process: its environment, its pid, its sudden end. Floor 4; the host's loop only.

Playwright offers no way to any of them, so this reaches into the exact version that is pinned. What another version
does not have is left alone: the driver is larger then, and known by nothing but its silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from playwright._impl import transport

YOUNG_GENERATION = "--max-semi-space-size=1"
"""A sixteenth of the memory that node keeps for young objects: 15 to 20 MiB less, for no processor time that could be
measured (docs/performance.md)."""
_ARENAS = "1"
"""Heaps of the C library, where otherwise each thread of node's has one: 5 MiB less. One thread does nearly all."""
_OURS: ContextVar[bool] = ContextVar("runwire_driver", default=False)


def _thrifty(environment_of: Callable[[], dict[str, str]]) -> Callable[[], dict[str, str]]:
    """Return what gives the drivers of this module less memory to keep, and all others what they had."""

    def environment() -> dict[str, str]:
        given = environment_of()
        if _OURS.get():
            given["NODE_OPTIONS"] = f"{given.get('NODE_OPTIONS', '')} {YOUNG_GENERATION}".strip()
            given.setdefault("MALLOC_ARENA_MAX", _ARENAS)
        return given

    return environment


if (_found := getattr(transport, "get_driver_env", None)) is not None:
    # Not os.environ: whatever another thread starts meanwhile would inherit it.
    vars(transport)["get_driver_env"] = _thrifty(_found)


@contextmanager
def thrifty_driver() -> Iterator[None]:
    """Let a driver that is started in this block keep little memory for what is soon thrown away."""
    token = _OURS.set(True)
    try:
        yield
    finally:
        _OURS.reset(token)


def driver_pid(manager: object) -> int | None:
    """Return the pid of a started ``async_playwright()``, if it can be known."""
    pid = getattr(_part(manager, "_client", "_transport", "_proc"), "pid", None)
    return pid if isinstance(pid, int) else None


def expect_sudden_end(manager: object) -> None:
    """Take note of the error that a killed driver leaves behind. The pool learns of such an end from its probes and
    from each call under way; this future is awaited by nobody, and asyncio would call that an error of its own.
    """
    broken = _part(manager, "_client", "_transport", "on_error_future")
    if isinstance(broken, asyncio.Future):
        broken.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


def _part(whole: object, *names: str) -> object:
    for name in names:
        whole = getattr(whole, name, None)
    return whole
