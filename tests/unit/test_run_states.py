"""The life of a run as one table (protocol, L4): walked at random, it never does what the table does not have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.errors import IllegalTransition
from runwire.runs.state import ACTIVE, TERMINAL, TRANSITIONS, RunStatus, advance

STATUS = st.sampled_from(RunStatus)

PROTOCOL = {
    "QUEUED": "RUNNING FAILED CANCELLED",
    "RUNNING": "WAITING QUEUED SUCCEEDED FAILED CANCELLED",
    "WAITING": "RUNNING QUEUED FAILED CANCELLED",
    "SUCCEEDED": "",
    "FAILED": "",
    "CANCELLED": "",
}


def test_the_table_is_the_protocols() -> None:
    assert {status.value: {t.value for t in targets} for status, targets in TRANSITIONS.items()} == {
        status: set(targets.split()) for status, targets in PROTOCOL.items()
    }


@given(STATUS, STATUS)
def test_a_move_is_made_exactly_if_the_table_has_it(current: RunStatus, target: RunStatus) -> None:
    if target in TRANSITIONS[current]:
        assert advance(current, target) is target
    else:
        with pytest.raises(IllegalTransition) as refused:
            advance(current, target)
        assert (refused.value.current, refused.value.target) == (current, target)


@given(st.lists(STATUS, max_size=30))
def test_no_walk_leaves_a_terminal_state_or_succeeds_without_running(wishes: list[RunStatus]) -> None:
    walked = [RunStatus.QUEUED]
    for wish in wishes:
        try:
            walked.append(advance(walked[-1], wish))
        except IllegalTransition:
            continue
    ends = [status for status in walked if status in TERMINAL]
    assert len(ends) <= 1
    assert not ends or walked[-1] in TERMINAL
    assert RunStatus.SUCCEEDED not in walked or RunStatus.RUNNING in walked


def test_every_state_can_be_reached_and_can_end() -> None:
    reached, todo = {RunStatus.QUEUED}, [RunStatus.QUEUED]
    while todo:
        for target in TRANSITIONS[todo.pop()] - reached:
            reached.add(target)
            todo.append(target)
    assert reached == set(RunStatus)
    assert all(TRANSITIONS[status] & TERMINAL for status in set(RunStatus) - TERMINAL)


def test_terminal_and_active_are_what_their_names_say() -> None:
    assert {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED} == TERMINAL
    assert {RunStatus.RUNNING, RunStatus.WAITING} == ACTIVE


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[RunStatus.FAILED] = frozenset({RunStatus.RUNNING})  # type: ignore[index]  # that is the point
