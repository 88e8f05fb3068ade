"""The heads of the queue's lanes. Floor 4; writer thread only; knows no SQL.

A lane is one user's waiting runs of one agent; its head is the one that may start next. The best head among users and
agents below their limit is found without a look at what waits behind any head: an agent at its limit costs one look, a
user at its limit is put aside until it is below again. The database holds the truth; an entry here may be better placed
than the lane's true head (after a commit that failed), never worse.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

Lane = tuple[str, str]
"""Owner and agent."""

Place = tuple[int, str]
"""Rank and run id: the order of the queue."""

SLACK = 64
"""Outdated heap entries that are let be; beyond four times the lanes they are swept out."""


class Lanes:
    """The best head of all lanes, by agent."""

    def __init__(self) -> None:
        self._heads: dict[Lane, Place] = {}
        self._heaps: dict[str, list[tuple[Place, str]]] = {}
        self._aside: dict[str, set[str]] = {}

    def head(self, lane: Lane) -> Place | None:
        """Return the head that is known of a lane; None if nothing waits there."""
        return self._heads.get(lane)

    def offer(self, lane: Lane, place: Place) -> None:
        """Note a run that waits."""
        known = self._heads.get(lane)
        if known is None or place < known:
            self.set(lane, place)

    def set(self, lane: Lane, place: Place | None) -> None:
        """Note the lane's true head; None if nothing waits there any more."""
        if place is None:
            self._heads.pop(lane, None)
            return
        self._heads[lane] = place
        owner, agent = lane
        if agent not in self._aside.get(owner, ()):
            self._push(owner, agent, place)

    def best(self, may_start: Callable[[str], bool], is_full: Callable[[str], bool]) -> tuple[Lane, Place] | None:
        """Return the best head among agents that may start a run and users that are not at their limit."""
        for owner in [owner for owner in self._aside if not is_full(owner)]:
            for agent in self._aside.pop(owner):
                if (place := self._heads.get((owner, agent))) is not None:
                    self._push(owner, agent, place)
        found: tuple[Place, Lane] | None = None
        for agent in [agent for agent in self._heaps if may_start(agent)]:
            top = self._top(agent, is_full)
            if top is not None and (found is None or top < found):
                found = top
        return None if found is None else (found[1], found[0])

    def _top(self, agent: str, is_full: Callable[[str], bool]) -> tuple[Place, Lane] | None:
        heap = self._heaps[agent]
        while heap:
            place, owner = heap[0]
            if self._heads.get((owner, agent)) == place:
                if not is_full(owner):
                    return place, (owner, agent)
                self._aside.setdefault(owner, set()).add(agent)
            heapq.heappop(heap)
        del self._heaps[agent]
        return None

    def _push(self, owner: str, agent: str, place: Place) -> None:
        heap = self._heaps.setdefault(agent, [])
        heapq.heappush(heap, (place, owner))
        if len(heap) > SLACK + 4 * len(self._heads):
            live = {entry for entry in heap if self._heads.get((entry[1], agent)) == entry[0]}
            self._heaps[agent] = sorted(live)
