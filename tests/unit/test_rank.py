"""Who is next: first come within a class, turns between users, ageing between classes, the same after a restart."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.runs.rank import CLASS_STEP, TURN, RankBook
from runwire.runs.state import Priority

USERS = st.sampled_from(["ann", "bob", "cid"])
ARRIVALS = st.lists(st.tuples(USERS, st.sampled_from(Priority)), min_size=1, max_size=60)

Waiting = list[tuple[int, int, str, Priority]]
"""Runs that wait: rank, number of arrival, user, class. Sorted, they are the order of the queue."""


def _arrive(book: RankBook, arrivals: list[tuple[str, Priority]], first: int = 0) -> Waiting:
    return [(book.next_rank(user, kind), first + n, user, kind) for n, (user, kind) in enumerate(arrivals)]


def _serve(book: RankBook, waiting: Waiting) -> tuple[int, int, str, Priority]:
    head = min(waiting)
    waiting.remove(head)
    book.served(head[0], head[3])
    return head


@given(ARRIVALS)
def test_first_come_first_served_within_a_user_and_class(arrivals: list[tuple[str, Priority]]) -> None:
    waiting = _arrive(RankBook(), arrivals)
    ordered = sorted(waiting)
    for user, kind in set(arrivals):
        numbers = [number for _, number, u, k in ordered if (u, k) == (user, kind)]
        assert numbers == sorted(numbers)


@given(ARRIVALS)
def test_what_waits_together_is_served_by_class(arrivals: list[tuple[str, Priority]]) -> None:
    kinds = [kind for _, _, _, kind in sorted(_arrive(RankBook(), arrivals))]
    order = list(Priority)
    assert kinds == sorted(kinds, key=order.index)


@given(st.lists(USERS, min_size=1, max_size=60))
def test_users_take_turns(users: list[str]) -> None:
    """While several users wait, none is served twice more than another that waits."""
    waiting = _arrive(RankBook(), [(user, Priority.NORMAL) for user in users])
    served: Counter[str] = Counter()
    left = Counter(users)
    for _, _, user, _ in sorted(waiting):
        served[user] += 1
        left[user] -= 1
        for other in left:
            assert not left[other] or served[user] <= served[other] + 1


@given(st.integers(1, 50), st.integers(1, 50))
def test_a_newcomer_does_not_wait_behind_what_another_has_piled_up(served_before: int, piled_up: int) -> None:
    book = RankBook()
    waiting = _arrive(book, [("ann", Priority.NORMAL)] * (served_before + piled_up))
    for _ in range(served_before):
        _serve(book, waiting)
    waiting += _arrive(book, [("bob", Priority.NORMAL)], first=1_000)
    assert sorted(waiting)[0][2] == "bob"


def test_newcomers_without_end_do_not_keep_a_second_run_waiting() -> None:
    """Ever new users, each with one run: ann's second is served after as many of them as a turn holds."""
    book = RankBook()
    waiting = _arrive(book, [("ann", Priority.NORMAL)] * 2)
    _serve(book, waiting)
    before = 0
    while True:
        waiting += _arrive(book, [(f"new{before}", Priority.NORMAL)], first=10 + before)
        if _serve(book, waiting)[2] == "ann":
            break
        before += 1
        assert before <= TURN


def test_no_credit_is_saved_by_being_away() -> None:
    """Who comes after a hundred turns of another takes turns from then on; it is not served a hundred times first."""
    book = RankBook()
    waiting = _arrive(book, [("ann", Priority.NORMAL)] * 200)
    for _ in range(100):
        _serve(book, waiting)
    waiting += _arrive(book, [("bob", Priority.NORMAL)] * 50, first=1_000)
    first = [user for _, _, user, _ in sorted(waiting)[:20]]
    assert first.count("bob") in (9, 10, 11)


@pytest.mark.parametrize(("others", "ranks_each"), [(1, TURN), (100_000, 1)])
def test_f5_low_never_starves(others: int, ranks_each: int) -> None:
    """A stream of high runs without end, of one user or of ever new ones: the low one is served all the same."""
    book = RankBook()
    waiting = _arrive(book, [("ann", Priority.LOW)])
    bound = 2 * CLASS_STEP // ranks_each
    overtaken = 0
    while True:
        waiting += _arrive(book, [(f"user{overtaken % others}", Priority.HIGH)], first=overtaken + 1)
        if _serve(book, waiting)[3] is Priority.LOW:
            break
        overtaken += 1
        assert overtaken <= bound + 1
    assert overtaken >= bound // 2, "but not before high has had its preference"


@given(ARRIVALS, st.integers(0, 30), ARRIVALS)
def test_a_restart_changes_nothing_for_those_who_wait(
    arrivals: list[tuple[str, Priority]], served: int, later: list[tuple[str, Priority]]
) -> None:
    book = RankBook()
    waiting = _arrive(book, arrivals)
    for _ in range(min(served, len(waiting) - 1)):
        _serve(book, waiting)
    before = sorted(waiting)
    again = RankBook()
    for user, kind in {(user, kind) for _, _, user, kind in waiting}:
        ranks = [rank for rank, _, u, k in waiting if (u, k) == (user, kind)]
        again.restore(user, kind, max(ranks), min(ranks))
    waiting += _arrive(again, later, first=1_000)
    ordered = sorted(waiting)
    assert [run for run in ordered if run[1] < 1_000] == before
    for user, kind in set(later):  # a user's own later runs stand behind the earlier ones of the class
        numbers = [number for _, number, u, k in ordered if (u, k) == (user, kind)]
        assert numbers == sorted(numbers)


def test_what_is_remembered_of_users_is_bounded() -> None:
    book = RankBook()
    for number in range(5_000):
        rank = book.next_rank(f"user{number}", Priority.HIGH)
        book.served(rank, Priority.HIGH)
    assert len(book._last) <= 1_001


def test_many_who_wait_are_not_sifted_at_each_start() -> None:
    """Beside 10,000 users who wait, forgetting is rare: a start costs the same as beside ten."""
    book = RankBook()
    ranks = [book.next_rank(f"user{number}", Priority.HIGH) for number in range(10_000)]
    before = book._last
    for rank in ranks[:100]:
        book.served(rank, Priority.HIGH)
    sifted = book._last
    assert sifted is not before, "more than it remembers: sifted once"
    for rank in ranks[100:200]:
        book.served(rank, Priority.HIGH)
    assert book._last is sifted
