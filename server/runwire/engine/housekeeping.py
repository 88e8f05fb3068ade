"""Has the storage remove what has expired: after the start, then once an hour. Floor 5; the server's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from runwire.engine.background import BackgroundPass

PERIOD_S = 3_600.0
"""Expiry is a matter of days: an hour later is soon enough."""
AFTER_START_S = 2.0
"""How long a server that has just started is left alone; a guess."""


class Housekeeping:
    """Owns the pass and the clock that wakes it."""

    def __init__(
        self,
        remove_portion: Callable[[], Awaitable[bool]],
        *,
        period_s: float = PERIOD_S,
        after_start_s: float = AFTER_START_S,
    ) -> None:
        """``remove_portion`` removes some and says whether more is left."""
        self._pass = BackgroundPass("housekeeping", remove_portion, settle_s=after_start_s)
        self._period_s = period_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin."""
        self._pass.start()
        self._set()

    async def close(self) -> None:
        """End it; what is not done is done by the next process. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        await self._pass.close()

    def _set(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._period_s, self._again)

    def _again(self) -> None:
        self._pass.wake()
        self._set()
