"""The heads of the queue's lanes against the plain truth: a sorted list of all that waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runwire.persistence.lanes import SLACK, Lane, Lanes, Place

USERS, AGENTS = ("ann", "bob", "cid"), ("chat", "test")
LANES = st.tuples(st.sampled_from(USERS), st.sampled_from(AGENTS))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), LANES, st.integers(0, 20)),
        st.tuples(st.just("leave"), LANES, st.integers(0, 5)),
        st.tuples(st.just("claim"), st.sets(st.sampled_from(AGENTS)), st.sets(st.sampled_from(USERS))),
    ),
    max_size=60,
)


class _Queue:
    """All that waits, and the lanes that are told of it as the claimer tells them."""

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.waiting: set[tuple[Place, Lane]] = set()
        self.numbers = 0

    def come(self, lane: Lane, rank: int) -> None:
        self.numbers += 1
        place = (rank, f"run{self.numbers:04}")
        self.waiting.add((place, lane))
        self.lanes.offer(lane, place)

    def leave(self, lane: Lane, index: int) -> None:
        places = sorted(place for place, of in self.waiting if of == lane)
        if index < len(places):
            self.remove(lane, places[index])

    def remove(self, lane: Lane, place: Place) -> None:
        self.waiting.remove((place, lane))
        if self.lanes.head(lane) == place:
            self.lanes.set(lane, min((place for place, of in self.waiting if of == lane), default=None))

    def claim(self, closed: set[str], full: set[str]) -> None:
        free = [(place, lane) for place, lane in self.waiting if lane[1] not in closed and lane[0] not in full]
        best = self.lanes.best(lambda agent: agent not in closed, lambda owner: owner in full)
        expected = min(free, default=None)
        assert (best and (best[1], best[0])) == expected
        if expected is not None:
            self.remove(expected[1], expected[0])


@given(STEPS)
def test_the_best_head_is_the_best_of_all_that_may_start(steps: list[tuple[str, object, object]]) -> None:
    queue = _Queue()
    for name, *arguments in steps:
        getattr(queue, name)(*arguments)
    while queue.waiting:
        queue.claim(set(), set())


def test_what_is_outdated_is_swept_out() -> None:
    lanes = Lanes()
    for rank in range(10_000, 0, -1):
        lanes.offer(("ann", "chat"), (rank, "run"))
    assert len(lanes._heaps["chat"]) <= SLACK + 4
    assert lanes.best(lambda _: True, lambda _: False) == (("ann", "chat"), (1, "run"))
