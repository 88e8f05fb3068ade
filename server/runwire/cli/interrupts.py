"""Ctrl-C while something is watched: the first one cancels it, the second leaves it to itself. Floor 8; one loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any


class Interrupts:
    """``cancel`` asks for the end of ``what`` (such as ``run abc``), ``note`` tells the person."""

    def __init__(self, what: str, cancel: Callable[[], Coroutine[Any, Any, None]], note: Callable[[str], None]) -> None:
        """Made by the task that watches: the second Ctrl-C cancels it."""
        self._what = what
        self._cancel = cancel
        self._note = note
        self._cancelling: asyncio.Task[None] | None = None
        self._watcher = asyncio.current_task()

    @property
    def asked(self) -> bool:
        """Whether somebody pressed Ctrl-C."""
        return self._cancelling is not None

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Take SIGINT for the time of the block."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    def _interrupt(self) -> None:
        if self._cancelling is None:
            self._note(f"cancelling {self._what}; Ctrl-C again leaves it")
            self._cancelling = asyncio.get_running_loop().create_task(self._cancel())
            self._cancelling.add_done_callback(self._asked)
        elif self._watcher is not None:
            self._watcher.cancel()

    def _asked(self, cancelling: asyncio.Task[None]) -> None:
        error = None if cancelling.cancelled() else cancelling.exception()
        if error is not None:
            self._note(f"the cancel did not reach the server: {error}")
