"""What one socket is allowed and obliged to do (protocol, S2, S3, S6, S7): pure, time passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.errors import IllegalTransition, InvalidInput
from runwire.protocol.commands import parse_cursor
from runwire.protocol.session import (
    CONNECTION_TRANSITIONS,
    ConnectionState,
    Due,
    Liveness,
    LogHead,
    RateLimit,
    advance_connection,
    open_at,
)
from runwire.runs.state import RunStatus

EPOCHS = st.sampled_from([None, "right", "wrong"])


@given(st.integers(1, 20), st.integers(0, 20), st.none() | st.integers(0, 50), EPOCHS)
def test_s2_s3_a_follower_starts_exactly_behind_its_cursor_or_is_told_why_not(
    first: int, length: int, after: int | None, epoch: str | None
) -> None:
    head = LogHead("r", RunStatus.RUNNING, "right", first, first + length - 1)
    opening = open_at(head, after, epoch)
    usable = after is None or first - 1 <= after <= head.last_seq
    assert opening.resumed == (usable and epoch != "wrong")
    assert (opening.reset is None) == opening.resumed
    if opening.resumed and after is not None:
        assert opening.cursor == after
    else:
        assert opening.cursor == first - 1, "never a clamp, never a part"


@pytest.mark.parametrize(
    ("after", "epoch", "reset"), [(21, "wrong", "epoch"), (21, None, "ahead"), (3, "right", "trimmed"), (4, None, None)]
)
def test_s3_the_reasons(after: int, epoch: str | None, reset: str | None) -> None:
    head = LogHead("r", RunStatus.SUCCEEDED, "right", 5, 20)
    assert open_at(head, after, epoch).reset == reset


@given(st.integers(0, 2**63 - 1))
def test_s2_every_cursor_in_range_is_one(cursor: int) -> None:
    assert parse_cursor(str(cursor)) == cursor


@given(st.text(max_size=25).filter(lambda text: not (text.isascii() and text.isdigit() and len(text) < 19)))
def test_s2_nothing_else_is_a_cursor(text: str) -> None:
    if text.isascii() and text.isdigit() and int(text) < 2**63:
        return
    with pytest.raises(InvalidInput, match="after"):
        parse_cursor(text)


def test_connection_states_move_only_forward() -> None:
    for current in ConnectionState:
        for target in ConnectionState:
            if target in CONNECTION_TRANSITIONS[current]:
                assert advance_connection(current, target) is target
            else:
                with pytest.raises(IllegalTransition):
                    advance_connection(current, target)
    assert not CONNECTION_TRANSITIONS[ConnectionState.CLOSED]
    assert ConnectionState.OPEN not in CONNECTION_TRANSITIONS[ConnectionState.CLOSING]


def test_s7_silence_obliges_to_a_heartbeat() -> None:
    liveness = Liveness(0.0, heartbeat_s=10.0, idle_s=None)
    assert (liveness.due(9.9), liveness.due(10.0)) == (Due.NOTHING, Due.HEARTBEAT)
    liveness.frame_sent(10.0)
    assert (liveness.due(19.9), liveness.next_deadline()) == (Due.NOTHING, 20.0)
    liveness.active(15.0, sent=True)
    assert (liveness.due(24.9), liveness.due(25.0)) == (Due.NOTHING, Due.HEARTBEAT)
    liveness.active(20.0, sent=False)
    assert liveness.due(25.0) is Due.HEARTBEAT, "what a client says is no frame to it"


def test_s6_idle_is_no_entry_and_no_message() -> None:
    liveness = Liveness(0.0, heartbeat_s=10.0, idle_s=30.0)
    for now in (10.0, 20.0):
        liveness.frame_sent(now)
    assert liveness.due(29.9) is Due.NOTHING
    assert liveness.due(30.0) is Due.IDLE, "heartbeats and pongs are no activity; going comes before speaking"
    liveness.active(29.0, sent=False)
    assert liveness.next_deadline() == 30.0
    liveness.frame_sent(30.0)
    assert (liveness.due(39.9), liveness.due(59.0)) == (Due.NOTHING, Due.IDLE)


def test_s6_the_limit_can_change_and_counts_from_then() -> None:
    liveness = Liveness(0.0, heartbeat_s=1000.0, idle_s=30.0)
    liveness.idle_after(None, 20.0)
    assert liveness.due(900.0) is Due.NOTHING
    liveness.idle_after(30.0, 900.0)
    assert (liveness.due(929.9), liveness.due(930.0)) == (Due.NOTHING, Due.IDLE)


@given(st.lists(st.floats(0, 5), max_size=80))
def test_the_pace_of_a_client_is_bounded_and_a_slow_one_never_is(pauses: list[float]) -> None:
    limit, now, allowed = RateLimit(0.0, per_s=20, burst=64), 0.0, 0
    for pause in pauses:
        now += pause
        allowed += limit.allow(now)
        assert allowed <= 64 + 20 * now + 1e-6
    patient = RateLimit(0.0, per_s=20, burst=1)
    assert all(patient.allow(0.051 * (n + 1)) for n in range(200))
