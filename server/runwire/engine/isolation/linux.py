"""The calls of prctl(2) that Python does not have. Floor 5; any process."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, how: signal.Signals) -> None:
    """Have the kernel send ``how`` to this process when the thread that made it ends; ends it at once if ``parent`` is
    its parent no longer.
    """
    _prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:
        os._exit(0)


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def name_process(name: str) -> None:
    """Set what ``top`` calls this process; at most 15 bytes are shown."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
