"""When a failed attempt is followed by another: pauses as a pure function, and their wait on a clock that
jumps.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.agents.registry import spec_of
from runwire.errors import ConfigurationError
from runwire.persistence.backoff import AGAIN_S, Backoff
from runwire.persistence.transaction import Head
from runwire.runs.limits import RunLimits
from runwire.runs.rank import PARKED, RankBook
from runwire.runs.record import RunError
from runwire.runs.retry import LONGEST_DELAY_S, RetryPolicy
from runwire.runs.state import Priority, RunStatus
from tests.support.clock import ManualClock

DELAYS = st.floats(0, LONGEST_DELAY_S)
POLICIES = st.builds(RetryPolicy, base_s=DELAYS, factor=st.floats(1, 10), most_s=DELAYS, jitter=st.floats(0, 1))


def test_pauses_grow_by_the_factor_up_to_the_most() -> None:
    policy = RetryPolicy(base_s=1, factor=2, most_s=5, jitter=0)
    assert [policy.delay_s("run", attempt) for attempt in (1, 2, 3, 4, 9)] == [1, 2, 4, 5, 5]


@given(POLICIES, st.text(), st.integers(1, 100))
def test_a_pause_is_bounded_and_the_same_at_every_call(policy: RetryPolicy, run_id: str, attempt: int) -> None:
    delay_s = policy.delay_s(run_id, attempt)
    assert 0 <= delay_s <= policy.most_s <= LONGEST_DELAY_S
    assert policy.delay_s(run_id, attempt) == delay_s


def test_jitter_spreads_runs_that_failed_together() -> None:
    policy = RetryPolicy(base_s=10, jitter=0.5)
    delays = [policy.delay_s(f"run{number}", 1) for number in range(100)]
    assert min(delays) < 6
    assert max(delays) > 9
    assert all(5 <= delay_s <= 10 for delay_s in delays)


@pytest.mark.parametrize(
    "wrong", [{"retry": {"base": 1}}, {"retry": {"jitter": 2}}, {"limits": {"events": 0}}, {"limits": 3}]
)
def test_a_wrong_declaration_is_refused_at_start_up_by_name(wrong: dict[str, Any]) -> None:
    async def agent(_ctx: Any, _input: Any) -> None: ...

    agent.__dict__.update(wrong)
    with pytest.raises(ConfigurationError, match=f"'agent' has a wrong {next(iter(wrong))}"):
        spec_of(agent)


@given(
    st.builds(RunLimits, events=st.none() | st.integers(1, 9)),
    st.builds(RunLimits, events=st.none() | st.integers(1, 9)),
)
def test_the_stricter_limit_counts(one: RunLimits, other: RunLimits) -> None:
    given_ones = [limits.events for limits in (one, other) if limits.events is not None]
    assert one.within(other).events == other.within(one).events == (min(given_ones) if given_ones else None)


class _Rows:
    """The part of a transaction that back-off needs."""

    def __init__(self, clock: ManualClock) -> None:
        self.now_ms = clock.now_ms()
        self.heads: dict[str, Head] = {}
        self.not_before: dict[str, int | None] = {}

    def head(self, run_id: str) -> Head | None:
        return self.heads.get(run_id)

    def move(self, head: Head, status: RunStatus, _data: bytes, **changes: Any) -> Head:
        return self.update(head, status=status, **changes)

    def update(self, head: Head, **changes: Any) -> Head:
        facts = {name: getattr(head, name) for name in head.__struct_fields__}
        self.heads[head.run_id] = Head(**{**facts, **changes})
        return self.heads[head.run_id]

    def run(self, _statement: str, values: tuple[Any, ...]) -> None:
        self.not_before[values[1]] = values[0]


class JumpingClock(ManualClock):
    """A clock whose wall time is set while its monotonic time goes on."""

    jump_s = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + int(self.jump_s * 1000)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


def _park(backoff: Backoff, rows: Any, delay_s: float, run_id: str = "run") -> None:
    head = Head(run_id, "ann", RunStatus.RUNNING, attempt=1, fence=1, rank=5, last_seq=3, thread_id="t", agent="a")
    backoff.park(rows, head, Priority.NORMAL, RunError("busy", "not yet", retryable=True), delay_s)


def test_a_parked_run_is_released_when_it_is_due_and_not_before(clock: JumpingClock) -> None:
    backoff, rows = Backoff(clock), _Rows(clock)
    assert backoff.wait_s() is None
    _park(backoff, rows, 10)
    assert (rows.heads["run"].status, rows.heads["run"].rank, rows.heads["run"].fence) == (RunStatus.QUEUED, PARKED, 2)
    clock.pass_s(9)
    assert backoff.wait_s() == pytest.approx(1)
    backoff.release(rows, RankBook())  # type: ignore[arg-type]
    assert rows.heads["run"].rank == PARKED
    clock.pass_s(1)
    backoff.release(rows, RankBook())  # type: ignore[arg-type]
    assert rows.heads["run"].rank < PARKED
    assert rows.not_before["run"] is None
    backoff.committed()
    assert backoff.wait_s() is None


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
def test_a_jump_of_the_wall_clock_moves_no_pause(clock: JumpingClock, jump_s: float) -> None:
    backoff, rows = Backoff(clock), _Rows(clock)
    _park(backoff, rows, 10)
    clock.jump_s = jump_s
    assert backoff.wait_s() == pytest.approx(10)


def test_a_release_whose_commit_failed_is_made_again(clock: JumpingClock) -> None:
    backoff, rows = Backoff(clock), _Rows(clock)
    _park(backoff, rows, 1)
    clock.pass_s(2)
    before = rows.heads["run"]
    backoff.release(rows, RankBook())  # type: ignore[arg-type]
    rows.heads["run"] = before  # rolled back
    assert backoff.wait_s() == AGAIN_S, "a pause: what failed is not tried in circles"
    backoff.release(rows, RankBook())  # type: ignore[arg-type]
    assert rows.heads["run"].rank < PARKED


def test_a_run_that_was_cancelled_meanwhile_stays_so(clock: JumpingClock) -> None:
    backoff, rows = Backoff(clock), _Rows(clock)
    _park(backoff, rows, 1)
    rows.update(rows.heads["run"], status=RunStatus.CANCELLED)
    clock.pass_s(2)
    backoff.release(rows, RankBook())  # type: ignore[arg-type]
    assert rows.heads["run"].status is RunStatus.CANCELLED


class _Stored:
    """A connection that has parked runs."""

    def __init__(self, *rows: tuple[int | None, str, int, str]) -> None:
        self._rows = rows

    def exec_driver_sql(self, _statement: str, _values: Any) -> Any:
        return iter(self._rows)


def test_after_a_restart_the_stored_time_counts_within_a_bound(clock: JumpingClock) -> None:
    """The wall clock may have been set back while the server was down: a day is the most that anybody waits."""
    now_ms = clock.now_ms()
    for not_before_ms, wait_s in (
        (now_ms + 5_000, 5.0),
        (now_ms - 5_000, 0.0),
        (now_ms + 10**12, LONGEST_DELAY_S),
        (None, 0.0),
    ):
        backoff = Backoff(clock)
        backoff.restore(_Stored((not_before_ms, "run", 2, "normal")))  # type: ignore[arg-type]
        assert backoff.wait_s() == pytest.approx(wait_s)
