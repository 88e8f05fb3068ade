"""The follower's promises, without sockets, sleeps or threads: bytes in, frames and decisions out."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from clients.python.tests import wire
from runwire_client.closing import CLOSE_CODES
from runwire_client.entries import Connected, Event, Frame, Heartbeat, Queue, Reset, ResetReason, RunStatus, State
from runwire_client.errors import (
    ConnectionFailed,
    NotAuthenticated,
    NotFound,
    OverCapacity,
    ProtocolViolation,
    ReconnectExhausted,
    ScopeMissing,
    ServerFault,
)
from runwire_client.follower import (
    Closed,
    Cursor,
    Decision,
    Finished,
    Follower,
    GaveUp,
    Received,
    Refused,
    Retry,
    Silent,
    Step,
    Unreachable,
)
from runwire_client.timing import Timing

ROWS = wire.log_rows(6)


def make(cursor: Cursor = Cursor(), *, random: float = 0.5, timing: Timing = Timing()) -> Follower:  # noqa: B008
    """A follower that has just begun to connect at time 0."""
    follower = Follower(wire.RUN, cursor, timing, lambda: random)
    follower.begin(0.0)
    return follower


def feed(follower: Follower, messages: Iterable[str | dict[str, object]], now_s: float = 0.0) -> list[Frame]:
    """Feed messages that must call for no decision."""
    frames: list[Frame] = []
    for message in messages:
        step = follower.feed(Received(message if isinstance(message, str) else json.dumps(message)), now_s)
        assert step.decision is None
        frames.extend(step.frames)
    return frames


def live(*, after: int = 3, random: float = 0.5, timing: Timing = Timing()) -> Follower:  # noqa: B008
    """A follower that holds the entries up to ``after`` on a live socket since time 0."""
    follower = make(random=random, timing=timing)
    feed(follower, [wire.connected(after), *ROWS[:after]])
    return follower


def close(follower: Follower, code: int, now_s: float = 1.0) -> Decision:
    """Feed a close and return the decision, which there must be."""
    decision = follower.feed(Closed(code), now_s).decision
    assert decision is not None
    return decision


def retry(decision: Decision | None) -> Retry:
    """The decision, which must be to come back."""
    assert isinstance(decision, Retry)
    return decision


def gave_up(decision: Decision | None) -> Exception:
    """The error of a decision to give up."""
    assert isinstance(decision, GaveUp)
    return decision.error


def seqs(frames: Iterable[Frame]) -> list[int]:
    """The seq of each entry."""
    return [frame.seq for frame in frames if isinstance(frame, State | Event)]


# ---------------------------------------------------------------- entries


def test_entries_come_out_typed_and_the_terminal_state_finishes() -> None:
    follower = make()
    frames = feed(follower, [wire.connected(6), *ROWS[:5]])
    step = follower.feed(Received(json.dumps(ROWS[5])), 0.0)
    assert isinstance(frames[0], Connected)
    assert isinstance(frames[3], Event)
    assert frames[3].data == ROWS[2]["data"]
    assert frames[3].type == "CUSTOM"
    assert seqs(frames) == [1, 2, 3, 4, 5]
    (last,) = step.frames
    assert isinstance(last, State)
    assert (last.status, last.result) == (RunStatus.SUCCEEDED, {"n": 6})
    assert step.decision == Finished()


def test_a_batch_is_its_entries() -> None:
    follower = make()
    step = feed(follower, [wire.connected(6), wire.batch(ROWS[:5])])
    assert seqs(step) == [1, 2, 3, 4, 5]
    assert follower.cursor == Cursor(5, wire.EPOCH)


def test_what_was_handed_out_is_dropped_when_a_faulty_server_sends_it_again() -> None:
    follower = live(after=3)
    assert feed(follower, [ROWS[2], wire.batch(ROWS[:3])]) == []
    assert seqs(feed(follower, [wire.batch(ROWS[1:5])])) == [4, 5]


def test_an_entry_beyond_the_next_is_not_handed_out_but_fetched_by_coming_back() -> None:
    follower = live(after=3)
    step = follower.feed(Received(json.dumps(ROWS[4])), 1.0)
    assert step.frames == ()
    assert "5 came after 3" in retry(step.decision).why
    assert follower.cursor == Cursor(3, wire.EPOCH)


def test_a_gap_inside_a_batch_hands_out_what_stands_before_it() -> None:
    follower = live(after=2)
    step = follower.feed(Received(wire.batch([ROWS[2], ROWS[4]])), 1.0)
    assert seqs(step.frames) == [3]
    assert isinstance(step.decision, Retry)


def test_frames_outside_the_log_are_handed_out_and_move_no_cursor() -> None:
    follower = live(after=3)
    frames = feed(follower, [wire.queue(2, 5), wire.heartbeat(3)])
    assert [type(frame) for frame in frames] == [Queue, Heartbeat]
    assert follower.cursor.after == 3


def test_an_unknown_frame_without_seq_is_skipped_so_that_the_server_may_grow() -> None:
    assert feed(live(), ['{"type":"weather","run_id":"x"}', '{"type":"pong"}']) == []


def test_the_second_heartbeat_ahead_of_the_cursor_shows_a_silent_gap() -> None:
    follower = live(after=3)
    feed(follower, [wire.heartbeat(4)])
    step = follower.feed(Received(wire.heartbeat(4)), 20.0)
    assert "entry 4" in retry(step.decision).why


def test_a_heartbeat_that_overtook_a_fresh_entry_is_no_gap() -> None:
    follower = live(after=3)
    feed(follower, [wire.heartbeat(4), ROWS[3], wire.heartbeat(4), wire.heartbeat(4)])


def test_what_a_heartbeat_told_on_one_socket_proves_nothing_on_the_next() -> None:
    follower = live(after=3)
    feed(follower, [wire.heartbeat(4)])
    close(follower, 1006)
    follower.begin(2.0)
    feed(follower, [wire.connected(4), wire.heartbeat(4)])


# ---------------------------------------------------------------- resume and reset


def test_the_cursor_asks_for_the_epoch_that_connected_told() -> None:
    follower = live(after=3)
    close(follower, 1006)
    follower.begin(2.0)
    assert follower.cursor == Cursor(3, wire.EPOCH)
    assert seqs(feed(follower, [wire.connected(6), *ROWS[3:5]])) == [4, 5]


def test_a_reset_is_handed_out_with_its_epoch_and_the_log_starts_over() -> None:
    follower = live(after=3)
    close(follower, 1006)
    follower.begin(2.0)
    frames = feed(follower, [wire.connected(2, resumed=False, epoch="e2"), wire.reset(2), *ROWS[:2]])
    assert frames[1] == Reset(wire.RUN, ResetReason.EPOCH, 1, 2, "e2")
    assert seqs(frames) == [1, 2]
    assert follower.cursor == Cursor(2, "e2")


def test_a_trimmed_log_starts_at_its_first_kept_entry() -> None:
    follower = make(Cursor(0))
    frames = feed(
        follower,
        [wire.connected(6, first_seq=5, resumed=False), wire.reset(6, first_seq=5, reason="trimmed"), ROWS[4]],
    )
    assert isinstance(frames[1], Reset)
    assert seqs(frames) == [5]


def test_a_cut_between_connected_and_reset_keeps_the_old_cursor() -> None:
    follower = live(after=3)
    close(follower, 1006)
    follower.begin(2.0)
    feed(follower, [wire.connected(9, resumed=False, epoch="e2")])
    close(follower, 1006, 3.0)
    assert follower.cursor == Cursor(3, wire.EPOCH)


@pytest.mark.parametrize(
    "message",
    [
        wire.connected(6, epoch="e2"),
        wire.connected(2),
        wire.connected(9, first_seq=5),
        wire.reset(6),
        wire.heartbeat(3),
        json.dumps(ROWS[3]),
        wire.connected(6).replace(wire.RUN, "another00"),
    ],
    ids=["other-epoch", "cursor-ahead", "cursor-trimmed", "reset-first", "heartbeat-first", "entry-first", "other-run"],
)
def test_a_greeting_that_breaks_the_contract_is_never_guessed_at(message: str) -> None:
    follower = live(after=3)
    close(follower, 1006)
    follower.begin(2.0)
    assert isinstance(gave_up(follower.feed(Received(message), 2.0).decision), ProtocolViolation)


def test_an_entry_before_the_announced_reset_breaks_the_contract() -> None:
    follower = make(Cursor(3, "e0"))
    feed(follower, [wire.connected(6, resumed=False)])
    assert isinstance(gave_up(follower.feed(Received(json.dumps(ROWS[3])), 0.0).decision), ProtocolViolation)


@pytest.mark.parametrize(
    "raw",
    [
        "{",
        "[]",
        '"x"',
        wire.heartbeat(3).encode(),
        wire.heartbeat(3)[:-1] + ', "x": NaN}',
        '{"type":"novelty","seq":4}',
        "[" * 100_000,
    ],
)
def test_a_message_that_is_none_breaks_the_contract(raw: str | bytes) -> None:
    assert isinstance(gave_up(live().feed(Received(raw), 1.0).decision), ProtocolViolation)


# ---------------------------------------------------------------- closes


def test_1000_without_the_terminal_state_is_not_believed() -> None:
    assert isinstance(close(live(after=3), 1000), Retry)


def test_1000_ends_a_follow_whose_own_cursor_is_the_terminal_state() -> None:
    follower = make(Cursor(6, wire.EPOCH))
    feed(follower, [wire.connected(6, status="SUCCEEDED")])
    assert close(follower, 1000) == Finished()


def test_1000_before_an_announced_reset_is_not_believed() -> None:
    follower = make(Cursor(9, wire.EPOCH))
    feed(follower, [wire.connected(6, status="SUCCEEDED", resumed=False)])
    assert isinstance(close(follower, 1000), Retry)


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 4008, 4009, 4029, 4000, 4499, 1014, 3000])
def test_codes_that_mean_come_back_do_so_with_back_off(code: int) -> None:
    follower = live(random=1.0)
    delays_s = []
    for attempt in range(3):
        delays_s.append(retry(close(follower, code, 1.0 + attempt)).delay_s)
        follower.begin(2.0 + attempt)
    assert delays_s == [0.2, 0.4, 0.8]


@pytest.mark.parametrize(("random", "delay_s"), [(0.0, 0.0), (0.5, 1.0), (0.999, 1.998)])
def test_1012_comes_back_within_two_seconds(random: float, delay_s: float) -> None:
    assert retry(close(live(random=random), 1012)).delay_s == pytest.approx(delay_s)


@pytest.mark.parametrize("random", [0.0, 0.999])
def test_1013_comes_back_after_five_seconds_or_more(random: float) -> None:
    assert 5.0 <= retry(close(live(random=random), 1013)).delay_s < 10.0


def test_4401_is_tried_once_more_with_fresh_credentials() -> None:
    follower = make()
    assert retry(close(follower, 4401)).fresh_credentials
    follower.begin(2.0)
    error = gave_up(close(follower, 4401, 2.0))
    assert isinstance(error, NotAuthenticated)
    assert error.close_code == 4401


def test_4401_after_a_good_connection_is_tried_again() -> None:
    follower = make()
    close(follower, 4401)
    follower.begin(2.0)
    feed(follower, [wire.connected(6), ROWS[0]], 2.0)
    assert retry(close(follower, 4401, 3.0)).fresh_credentials


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1002, ProtocolViolation),
        (1003, ProtocolViolation),
        (1007, ProtocolViolation),
        (1009, ProtocolViolation),
        (4500, ServerFault),
        (4501, ProtocolViolation),
        (4503, ScopeMissing),
        (4999, ServerFault),
    ],
)
def test_fatal_codes_raise_with_their_code(code: int, kind: type[Exception]) -> None:
    error = gave_up(close(live(), code))
    assert type(error) is kind
    assert getattr(error, "close_code") == code  # noqa: B009


def test_every_code_of_section_5_stands_in_the_table() -> None:
    listed = {1000, 1001, 1002, 1003, 1005, 1006, 1007, 1009, 1011, 1012, 1013, 4008, 4009, 4029, 4401, 4501, 4503}
    assert set(CLOSE_CODES) == listed


# ---------------------------------------------------------------- refusals, silence, budget


def test_401_at_the_upgrade_is_the_same_as_4401() -> None:
    follower = make()
    refused = Refused(NotAuthenticated("no", status=401))
    assert retry(follower.feed(refused, 0.0).decision).fresh_credentials
    follower.begin(1.0)
    assert gave_up(follower.feed(refused, 1.0).decision) is refused.error


def test_an_unknown_run_is_final() -> None:
    error = NotFound("no such run", status=404)
    assert gave_up(make().feed(Refused(error), 0.0).decision) is error


def test_a_busy_server_is_asked_again_no_sooner_than_it_said() -> None:
    error = OverCapacity("later", status=429, retry_after_s=42.0)
    assert retry(make().feed(Refused(error), 0.0).decision).delay_s == 42.0


def test_silence_is_two_and_a_half_heartbeats_and_means_come_back() -> None:
    follower = make()
    assert follower.patience_s == Timing().connect_timeout_s
    feed(follower, [wire.connected(6, heartbeat_s=4)])
    assert follower.patience_s == 10.0
    assert isinstance(follower.feed(Silent(), 10.0).decision, Retry)


def test_a_server_that_only_greets_and_dies_is_not_tried_for_ever() -> None:
    follower, now_s = live(random=1.0), 0.0
    decision: Decision | None = None
    for _ in range(1000):
        now_s += 0.01
        decision = close(follower, 1011, now_s)
        if not isinstance(decision, Retry):
            break
        now_s += decision.delay_s
        follower.begin(now_s)
        feed(follower, [wire.connected(3)], now_s)
    error = gave_up(decision)
    assert isinstance(error, ReconnectExhausted)
    assert (error.after, error.epoch) == (3, wire.EPOCH)
    assert 280.0 < now_s <= 300.1
    assert isinstance(error.__cause__, ServerFault)


def test_a_server_that_is_never_there_is_not_tried_for_ever() -> None:
    follower = make(timing=Timing(reconnect_for_s=5.0))
    step: Step = follower.feed(Unreachable(ConnectionFailed("refused")), 4.9)
    assert isinstance(step.decision, Retry)
    follower.begin(5.0)
    step = follower.feed(Unreachable(ConnectionFailed("refused")), 5.0)
    assert isinstance(gave_up(step.decision), ReconnectExhausted)


def test_a_connection_that_brought_an_entry_begins_the_budget_anew() -> None:
    follower = live(random=1.0)
    close(follower, 1006, 1.0)
    follower.begin(299.0)
    feed(follower, [wire.connected(6), ROWS[3]], 299.0)
    assert retry(close(follower, 1006, 310.0)).delay_s == 0.2


def test_a_connection_that_lived_for_a_heartbeat_begins_the_budget_anew() -> None:
    follower = live(random=1.0)
    close(follower, 1006, 1.0)
    follower.begin(299.0)
    feed(follower, [wire.connected(6)], 299.0)
    assert retry(close(follower, 1006, 309.0)).delay_s == 0.2


def test_the_wait_stops_doubling_at_its_ceiling() -> None:
    assert Timing().delay_s(6, lambda: 1.0) == 10.0
    assert Timing().delay_s(10_000, lambda: 1.0) == 10.0
