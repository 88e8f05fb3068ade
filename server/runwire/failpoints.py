"""Named places where a test may end the process as ``kill -9`` would. Floor 0; any thread; knows nothing of runs.

``RUNWIRE_FAILPOINT=after_commit:7`` ends the process, with exit status 137, the seventh time that it comes to that
place. Without the variable :func:`reach` is an empty function. Call it as ``failpoints.reach(…)``, never imported by
name: tests inside the process put a function of their own in its place.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Final

from runwire.errors import ConfigurationError

VARIABLE: Final = "RUNWIRE_FAILPOINT"

KILLED: Final = 137
"""Exit status of a process that ``kill -9`` has ended, as a shell tells it (128 + SIGKILL)."""

NAMES: Final = frozenset(
    {
        "before_commit",  # the rows are written, the transaction is not committed
        "after_commit",  # committed; nobody has been told
        "after_tail",  # in a run's tail; its followers have not been woken
        "mid_send",  # one frame is sent to a follower, the next is not
        "before_close",  # the terminal entry is sent, the close frame is not
        "during_recovery",  # some runs of a dead owner are settled, others are not, and nothing is committed
    }
)
"""Every place; ``tests/faults/test_kill.py`` ends a server at each hit of each."""


class _Fuse:
    """Ends the process at one hit of one place."""

    def __init__(self, name: str, hit: int) -> None:
        self._name = name
        self._left = hit
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        """Count a hit; the last one does not return."""
        if name != self._name:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os._exit(KILLED)


def _nothing(name: str) -> None:
    """Do nothing: what :func:`reach` is in every server that no test has started."""


def armed(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Return what :func:`reach` does under ``environ``. Raises ConfigurationError for a place that does not exist."""
    wanted = environ.get(VARIABLE)
    if wanted is None:
        return _nothing
    name, _, hit = wanted.partition(":")
    if name not in NAMES or not hit.isdigit() or int(hit) < 1:
        raise ConfigurationError(f"{VARIABLE}: NAME:HIT with a hit from 1 and one of {', '.join(sorted(NAMES))}")
    return _Fuse(name, int(hit)).reach


reach: Callable[[str], None] = armed(os.environ)
"""Come to a place, by its name. Does not return from the hit that was asked for."""
