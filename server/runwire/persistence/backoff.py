"""Runs that wait for the time of their next attempt. Floor 4; writer thread only.

Such a run is QUEUED with the rank :data:`PARKED`, which no claim reaches; the writer's own wait ends when the next one
is due. Due times are kept on the monotonic clock, so a jump of the wall clock moves none of them. After a restart only
``not_before_ms`` is left, which is wall time: no wait is then taken for longer than :data:`LONGEST_DELAY_S`.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import sqlalchemy as sa

from runwire.clock import Clock
from runwire.persistence.transaction import Head, Transaction
from runwire.protocol.entries import retry_data
from runwire.runs.rank import PARKED, RankBook
from runwire.runs.record import RunError
from runwire.runs.retry import LONGEST_DELAY_S
from runwire.runs.state import Priority, RunStatus

_SELECT_PARKED = "SELECT not_before_ms, id, fence, priority FROM runs WHERE status = 'QUEUED' AND rank = ?"
_SET_NOT_BEFORE = "UPDATE runs SET not_before_ms = ? WHERE id = ?"


AGAIN_S = 0.5
"""Rest before runs are let go again whose commit did not succeed; any other commit lets them go sooner. A guess."""


class _Parked(NamedTuple):
    due: float
    run_id: str
    fence: int
    priority: Priority


class Backoff:
    """Parks runs and lets them go when they are due. Bounded by the queue: a parked run is a queued one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parked: list[_Parked] = []
        self._released: list[_Parked] = []

    def restore(self, connection: sa.Connection) -> None:
        """Take up what an earlier process left."""
        now_ms = self._clock.now_ms()
        for not_before_ms, run_id, fence, priority in connection.exec_driver_sql(_SELECT_PARKED, (PARKED,)):
            delay_s = min(max(0.0, (not_before_ms or now_ms) - now_ms) / 1000, LONGEST_DELAY_S)
            self._push(run_id, fence, Priority(priority), delay_s)

    def _push(self, run_id: str, fence: int, priority: Priority, delay_s: float) -> None:
        heapq.heappush(self._parked, _Parked(self._clock.monotonic() + delay_s, run_id, fence, priority))

    def wait_s(self) -> float | None:
        """Return the seconds until the next run is due; None: there is none."""
        if self._released:
            return AGAIN_S
        return max(0.0, self._parked[0].due - self._clock.monotonic()) if self._parked else None

    def park(self, tx: Transaction, head: Head, priority: Priority, error: RunError, delay_s: float) -> RunStatus:
        """Return a held run to the queue under a new fence, for an attempt that begins in ``delay_s`` seconds."""
        fence, attempt, not_before_ms = head.fence + 1, head.attempt + 1, tx.now_ms + round(delay_s * 1000)
        data = retry_data(attempt, not_before_ms, error)
        moved = tx.move(head, RunStatus.QUEUED, data, attempt=attempt, fence=fence, rank=PARKED, worker_id=None)
        tx.run(_SET_NOT_BEFORE, (not_before_ms, head.run_id))
        self._push(head.run_id, fence, priority, delay_s)
        return moved.status

    def release(self, tx: Transaction, ranks: RankBook) -> list[Head]:
        """Give every run that is due its place in the queue, inside ``tx``; return them."""
        placed: list[Head] = []
        while self._released:  # their commit did not succeed
            heapq.heappush(self._parked, self._released.pop())
        while self._parked and self._parked[0].due <= self._clock.monotonic():
            parked = heapq.heappop(self._parked)
            self._released.append(parked)
            _, run_id, fence, priority = parked
            head = tx.head(run_id)
            # Cancelled meanwhile, or parked twice by a commit that was tried again.
            if head is None or head.status is not RunStatus.QUEUED or head.fence != fence or head.rank != PARKED:
                continue
            placed.append(tx.update(head, rank=ranks.next_rank(head.owner_id, priority)))
            tx.run(_SET_NOT_BEFORE, (None, run_id))
        return placed

    def committed(self) -> None:
        """Forget what the last :meth:`release` let go; called once its transaction is committed."""
        self._released.clear()
