"""When a worker is dead: by the observer's own clock, and by nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runwire.runs.lease import LEASE_S, LeaseObserver


def test_a_worker_whose_counter_moves_lives() -> None:
    observer = LeaseObserver()
    assert [observer.observe({"w": second}, float(second)) for second in range(60)] == [[]] * 60


def test_a_worker_is_dead_when_its_counter_has_not_moved_for_the_lease() -> None:
    observer = LeaseObserver()
    assert observer.observe({"w": 7}, 100.0) == []
    assert observer.observe({"w": 7}, 100.0 + LEASE_S - 0.001) == []
    assert observer.observe({"w": 7}, 100.0 + LEASE_S) == ["w"]


def test_a_late_renewal_brings_it_back() -> None:
    observer = LeaseObserver()
    observer.observe({"w": 7}, 0.0)
    assert observer.observe({"w": 7}, LEASE_S) == ["w"]
    assert observer.observe({"w": 8}, LEASE_S + 1) == []


def test_counting_begins_with_the_first_look_not_with_the_counter() -> None:
    observer = LeaseObserver()
    observer.observe({"a": 1}, 0.0)
    assert observer.observe({"a": 1, "b": 1}, LEASE_S) == ["a"]
    assert observer.observe({"b": 1}, LEASE_S * 2) == ["b"]


def test_a_worker_that_holds_nothing_any_more_is_forgotten() -> None:
    observer = LeaseObserver()
    observer.observe({"w": 1}, 0.0)
    observer.observe({}, 1.0)
    assert observer.observe({"w": 1}, LEASE_S + 1) == []


@given(st.lists(st.tuples(st.floats(0.01, 3.0), st.booleans()), max_size=80))
def test_dead_exactly_when_the_last_move_was_a_lease_ago(looks: list[tuple[float, bool]]) -> None:
    observer, now, counter, moved_at = LeaseObserver(), 0.0, 0, 0.0
    observer.observe({"w": counter}, now)
    for pause, renewed in looks:
        now += pause
        if renewed:
            counter, moved_at = counter + 1, now
        assert observer.observe({"w": counter}, now) == (["w"] if now - moved_at >= LEASE_S else [])
