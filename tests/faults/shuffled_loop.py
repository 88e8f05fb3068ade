"""A loop that takes what is ready in a seeded random order. A test's thread runs it; the server does not know.

asyncio promises no order between tasks, only that of callbacks of one transport (``connection_made`` comes before
``data_received``). So steps and wake-ups of tasks and callbacks of the server's own code are shuffled among everything
that is ready, and all others keep their order among themselves.
"""

from __future__ import annotations

import asyncio
import collections
import random
from typing import Any


class _ShuffledReady(collections.deque[Any]):
    """The loop's queue of ready handles; :meth:`popleft` takes any handle that may come next."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.reordered = 0

    def popleft(self) -> Any:
        """Take a random one of: each handle that may be reordered, and the first of those that may not."""
        candidates: list[int] = []
        ordered_seen = False
        for index, handle in enumerate(tuple(self)):  # other threads append meanwhile
            if _may_be_reordered(handle):
                candidates.append(index)
            elif not ordered_seen:
                ordered_seen = True
                candidates.append(index)
        chosen = self._chance.choice(candidates)
        self.reordered += chosen != 0
        handle = self[chosen]
        del self[chosen]
        return handle


def _may_be_reordered(handle: Any) -> bool:
    callback = handle._callback
    owner = getattr(callback, "__self__", None)
    if type(callback).__name__ == "TaskStepMethWrapper" or isinstance(owner, asyncio.Task):
        return True
    if isinstance(owner, asyncio.BaseProtocol):
        return False
    return str(getattr(callback, "__module__", None) or type(owner).__module__).startswith("runwire")


class ShuffledLoop(asyncio.SelectorEventLoop):
    """A plain selector loop with a shuffled ready queue."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._ready = _ShuffledReady(chance)

    @property
    def reordered(self) -> int:
        """How many handles were taken before an older one."""
        return self._ready.reordered
