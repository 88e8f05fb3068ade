"""Who is next, as one stored number. Floor 1; pure; used by the one thread that writes.

A run's rank is its turn plus an offset for its class; the smallest rank is served first. A user's next turn comes
:data:`TURN` after that user's last and never before the turn being served, so users take turns (start-time fair
queueing: Goyal, Vin and Cheng, SIGCOMM 1996) and a restart finds the order in the database. Who has nothing waiting
gets the turn being served itself: before all that another has piled up. A waiting run is overtaken by the class above
it until the turn has moved by :data:`CLASS_STEP`, by the class above that twice as long: ageing without a clock.
"""

from __future__ import annotations

from runwire.runs.state import Priority

TURN = 16
"""Ranks between two turns of one user. Each run that is served moves the current turn by one at least, so that at most
so many newcomers, each with a first run, come before somebody's second; a guess.
"""

CLASS_STEP = 1_000 * TURN
"""Ranks by which a class stands behind the one above it; a guess: high overtakes a thousand turns of normal, then
yields.
"""

PARKED = 2**62
"""The rank of a run whose next attempt may not begin yet: behind every rank that is given out, in the same index."""

FORGET_AT = 1_000
"""Users and classes that are remembered before those whose turn has passed are forgotten."""

BEHIND = PARKED + 1
"""From here on the ranks of runs that wait for the earlier runs of their thread, in their order."""

_OFFSET = {Priority.HIGH: 0, Priority.NORMAL: CLASS_STEP, Priority.LOW: 2 * CLASS_STEP}


class RankBook:
    """Gives out ranks. Holds one number for each user and class that has runs waiting ahead of the current turn."""

    def __init__(self, turn: int = 0) -> None:
        self._turn = turn
        self._last: dict[tuple[str, Priority], int] = {}
        self._forget_at = FORGET_AT

    def restore(self, owner_id: str, priority: Priority, highest_rank: int, lowest_rank: int) -> None:
        """Take up what the database holds of one user's waiting runs of one class."""
        self._last[owner_id, priority] = highest_rank - _OFFSET[priority]
        lowest_turn = lowest_rank - _OFFSET[priority] - 1
        self._turn = lowest_turn if len(self._last) == 1 else min(self._turn, lowest_turn)

    def next_rank(self, owner_id: str, priority: Priority) -> int:
        """Return the rank of this user's next run."""
        last = self._last.get((owner_id, priority))
        turn = self._turn if last is None else max(self._turn, last + TURN)
        self._last[owner_id, priority] = turn
        return turn + _OFFSET[priority]

    def served(self, rank: int, priority: Priority) -> None:
        """Note that the run with this rank was started: the turn moves on, and users behind it are forgotten."""
        turn = self._turn = max(self._turn + 1, rank - _OFFSET[priority])
        if len(self._last) > self._forget_at:  # only for memory: a forgotten user's next turn is the current one
            self._last = {key: last for key, last in self._last.items() if last + TURN > turn}
            self._forget_at = max(
                FORGET_AT, 2 * len(self._last)
            )  # so that a thousand who wait are not sifted each time
