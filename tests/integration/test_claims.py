"""What a claim costs: the database's own steps, the same on every machine, beside long queues of any shape."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.clock import SystemClock
from runwire.persistence import claims, queue_store
from runwire.persistence.claims import Claimer
from runwire.persistence.database import database_file, open_engine
from runwire.persistence.endings import Receivers
from runwire.persistence.run_store import request_cancel
from runwire.persistence.transaction import Head, Transaction
from runwire.protocol.entries import state_data
from runwire.runs.limits import RunningLimits
from runwire.runs.record import NewRun
from runwire.runs.state import ACTIVE, Priority, RunStatus

MakeData = Callable[[], Path]

FILL = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs)"
    " INSERT INTO runs (id, owner_id, thread_id, agent, status, attempt, fence, epoch, priority, rank, timeout_s,"
    " on_disconnect, input, body_hash, created_ms, first_seq)"
    " SELECT printf(:name || '%06d', i), replace(:owner, '*', i), 't', replace(:agent, '*', i % 7), :status, 1, 1, 'e',"
    " 'normal', :rank + i, 60, 'continue', x'6e756c6c', 'h', i, 1 FROM n"
)


@contextmanager
def _queue(data: Path, *groups: dict[str, object]) -> Iterator[sqlite3.Connection]:
    """Open a database with groups of runs; each says how many, whose, of which agent, and where in the queue."""
    with closing(sqlite3.connect(database_file(data), isolation_level=None)) as connection:
        for number, group in enumerate(groups):
            facts = {"name": f"g{number}x", "owner": "ann", "agent": "chat", "status": "QUEUED", "rank": 0, **group}
            connection.execute(FILL, facts)
        connection.execute("INSERT INTO entries (run_id, seq, kind, frame) SELECT id, 1, 'state', x'00' FROM runs")
        yield connection


def _pass(data: Path, connection: sqlite3.Connection, limits: RunningLimits) -> tuple[list[str], int]:
    """Make one scheduling pass; return what it claims and how many steps the database's machine takes for it."""
    claimer = Claimer(limits, "worker", SystemClock())
    with open_engine(database_file(data)).connect() as restoring:
        claimer.restore(restoring)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    connection.set_progress_handler(count, 1)
    tx = Transaction(connection, {}, 1, Receivers())
    claimer.claim(tx)
    connection.set_progress_handler(None, 0)
    tx.flush()
    connection.execute("COMMIT")
    claimer.committed(tx)
    return [run.run_id for run in tx.claimed], steps


SHAPES = {
    "one user": ({"owner": "ann"},),
    "a user each": ({"owner": "user*"},),
    "a user at the limit in front": (
        {"runs": 1, "owner": "ann", "status": "RUNNING"},
        {"owner": "ann"},
        {"runs": 2, "owner": "bob", "rank": 1_000_000},
    ),
    "an agent at its limit in front": (
        {"runs": 1, "agent": "test", "status": "RUNNING"},
        {"agent": "test"},
        {"runs": 2, "owner": "bob", "rank": 1_000_000},
    ),
    "users at their limit with many agents": (
        {"runs": 1, "owner": "ann", "status": "RUNNING"},
        {"owner": "ann", "agent": "agent*"},
        {"runs": 2, "owner": "bob", "rank": 1_000_000},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_f5_a_claim_costs_the_same_however_many_wait(make_data: MakeData, shape: str) -> None:
    limits = RunningLimits(3, 1, {"test": 1})
    steps = []
    for runs in (10, 20_000):
        data = make_data()
        with _queue(data, *({"runs": runs, **group} for group in SHAPES[shape])) as connection:
            claimed, cost = _pass(data, connection, limits)
        assert claimed
        steps.append(cost)
    assert steps[1] <= steps[0] + 50, "a claim reads rows that it does not need"
    assert steps[1] < 500


@pytest.mark.parametrize(
    ("statement", "values", "plan"),
    [
        (claims.SELECT_WAITING, ("a",), "SEARCH runs USING INDEX sqlite_autoindex_runs_1 (id=?)"),
        (
            claims.SELECT_NEXT_OF_LANE,
            ("a", "b", 1, "c"),
            "SEARCH runs USING COVERING INDEX ix_runs_lanes (owner_id=? AND agent=? AND (rank,id)>(?,?) AND rank<?)",
        ),
        (
            queue_store.COUNT_BETWEEN,
            (1, "a", 2, "b"),
            "SEARCH runs USING COVERING INDEX ix_runs_queue ((rank,id)>(?,?) AND (rank,id)<(?,?))",
        ),
        (queue_store.SELECT_OWN, ("a", 1), "SEARCH runs USING COVERING INDEX ix_runs_lanes (owner_id=?)"),
        (queue_store.COUNT_WAITING, (), "SCAN runs USING COVERING INDEX ix_runs_queue"),
    ],
)
def test_each_question_to_the_queue_has_its_index(
    data: Path, statement: str, values: tuple[object, ...], plan: str
) -> None:
    with closing(sqlite3.connect(database_file(data))) as connection:
        details = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert plan in details


def test_a_pass_that_was_rolled_back_is_as_if_it_had_not_been(data: Path) -> None:
    with _queue(data, {"runs": 3, "owner": "ann"}, {"runs": 1, "owner": "bob", "rank": 50}) as connection:
        claimer = Claimer(RunningLimits(2), "worker", SystemClock())
        with open_engine(database_file(data)).connect() as restoring:
            claimer.restore(restoring)
        for committed in (False, False, True):
            tx = Transaction(connection, {}, 1, Receivers())
            claimer.claim(tx)
            tx.flush()
            assert [run.run_id for run in tx.claimed] == ["g0x000001", "g0x000002"]
            connection.execute("COMMIT" if committed else "ROLLBACK")
            if committed:
                claimer.committed(tx)
            else:
                claimer.rolled_back()
                assert (claimer.running, claimer.queued) == (0, 4)
        assert (claimer.state.running, claimer.state.queued) == (2, 2)


USERS, AGENTS = ("ann", "bob", "cid"), ("chat", "test", "wide")
OPERATIONS = st.one_of(
    st.tuples(st.just("start"), st.sampled_from(USERS), st.sampled_from(AGENTS), st.sampled_from(Priority)),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("pause"), st.sampled_from((*AGENTS, ""))),
    st.tuples(st.just("resume"), st.sampled_from((*AGENTS, ""))),
)
COMMITS = st.lists(st.tuples(st.lists(OPERATIONS, min_size=1, max_size=6), st.booleans()), max_size=25)
LIMITS = RunningLimits(4, 2, {"chat": 3, "test": 1})


class _House:
    """A claimer on a real database, and how the writer uses it: commits that succeed, and commits that fail."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.claimer = Claimer(LIMITS, "worker", SystemClock())
        self.heads: dict[str, Head] = {}
        self.receivers = Receivers()
        self.count = 0

    def commit(self, operations: list[tuple[Any, ...]], *, fails: bool) -> None:
        """Apply operations as one commit; one that fails is tried again, as the writer does."""
        count = self.count
        for failing in (True, False) if fails else (False,):
            self.count = count  # what is tried again is the same run
            tx = Transaction(self.connection, self.heads, 1, self.receivers)
            for name, *arguments in operations:
                getattr(self, name)(tx, *arguments)
            self.claimer.claim(tx)
            tx.flush()
            if failing:
                self.claimer.rolled_back()
                self.connection.execute("ROLLBACK")
                continue
            self.connection.execute("COMMIT")
            self.claimer.committed(tx)
            for run_id, head in tx.changed.items():
                self.heads[run_id] = head
                if head.status not in ACTIVE:
                    del self.heads[run_id]

    def start(self, tx: Transaction, owner: str, agent: str, priority: Priority) -> None:
        """Add a run."""
        facts: dict[str, Any] = {"run_id": f"run{self.count:05}", "owner_id": owner, "agent": agent}
        facts |= {"thread_id": "t", "thread_from_client": False, "id_from_client": False, "input": b"1"}
        facts |= {"body_hash": "h", "priority": priority, "timeout_s": 1.0, "on_disconnect": "continue", "epoch": "e"}
        self.count += 1
        tx.insert_run(NewRun(**facts), self.claimer.ranks.next_rank(owner, priority))

    def end(self, tx: Transaction, index: int) -> None:
        """End one of the runs that are executed."""
        running = sorted(r for r, head in self.heads.items() if head.status is RunStatus.RUNNING and r not in tx.moved)
        if index < len(running):
            tx.move(self.heads[running[index]], RunStatus.SUCCEEDED, state_data(RunStatus.SUCCEEDED, 1))

    def cancel(self, tx: Transaction, index: int) -> None:
        """Cancel one of the runs that wait."""
        tx.flush()
        rows = tx.run("SELECT id FROM runs WHERE status = 'QUEUED' ORDER BY rank, id").fetchall()
        if index < len(rows):
            request_cancel(rows[index][0], tx)

    def release(self, tx: Transaction, run_id: str) -> None:
        """Let a run wait for a person without its slot."""
        tx.move(self.heads[run_id], RunStatus.WAITING, state_data(RunStatus.WAITING, 1), keeps_slot=False)

    def wait(self, tx: Transaction, parent: str, child: str) -> None:
        """Let a run wait for its child."""
        self.claimer.seats.wait(tx, parent, self.heads[parent].fence, child, "wait")

    def leave(self, tx: Transaction, parent: str) -> None:
        """Let it wait no longer."""
        self.claimer.seats.leave(tx, parent, "wait")

    def pause(self, tx: Transaction, agent: str) -> None:
        """Pause an agent, or everything."""
        tx.run("INSERT INTO queue_pauses VALUES (?, 'op', 1) ON CONFLICT DO NOTHING", (agent,))
        self._reload(tx)

    def resume(self, tx: Transaction, agent: str) -> None:
        """Take it back."""
        tx.run("DELETE FROM queue_pauses WHERE agent = ?", (agent,))
        self._reload(tx)

    def _reload(self, tx: Transaction) -> None:
        tx.pauses, tx.look = claims.read_pauses([row[0] for row in tx.run(claims.SELECT_PAUSES)]), True

    def check(self) -> None:
        """What the database holds obeys every limit, and nobody waits who might start."""
        rows = self.connection.execute("SELECT status, owner_id, agent, id FROM runs ORDER BY rank, id").fetchall()
        running = [row for row in rows if row[0] == "RUNNING"]
        owners, agents = Counter(row[1] for row in running), Counter(row[2] for row in running)
        assert len(running) <= LIMITS.total
        assert all(count <= LIMITS.per_user for count in owners.values())
        assert all(count <= LIMITS.of_agent(agent) for agent, count in agents.items())
        paused = {row[0] for row in self.connection.execute(claims.SELECT_PAUSES)}
        may_start = [
            row
            for row in rows
            if row[0] == "QUEUED"
            and owners[row[1]] < LIMITS.per_user
            and agents[row[2]] < LIMITS.of_agent(row[2])
            and not paused & {row[2], ""}
        ]
        assert len(running) == LIMITS.total or not may_start
        queued = sum(row[0] == "QUEUED" for row in rows)
        assert (self.claimer.state.running, self.claimer.state.queued) == (len(running), queued)


@hypothesis.settings(max_examples=30, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@given(COMMITS)
def test_f5_limits_hold_and_no_slot_stays_empty(make_data: MakeData, commits: list[tuple[list[Any], bool]]) -> None:
    """Whatever comes, ends, is cancelled or paused, in commits that succeed or fail and are tried again."""
    with closing(sqlite3.connect(database_file(make_data()), isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        house = _House(connection)
        for operations, fails in commits:
            house.commit(operations, fails=fails)
            house.check()


def test_a_child_counts_for_itself_although_the_commit_that_says_so_failed_at_first(data: Path) -> None:
    with _queue(data) as connection:
        house = _House(connection)
        house.commit(
            [("start", "ann", "test", Priority.NORMAL), ("start", "ann", "test", Priority.NORMAL)], fails=False
        )
        parent, child = "run00000", "run00001"
        assert list(house.heads) == [parent], "the agent is at its limit"
        house.commit([("wait", parent, child)], fails=True)
        assert (house.heads[child].guest, house.claimer.running) == (True, 1)
        house.commit([("leave", parent)], fails=True)
        assert (house.heads[child].guest, house.claimer.running) == (False, 2)


def test_a_parent_that_gave_its_slot_back_for_a_person_lends_it_to_no_child(data: Path) -> None:
    with _queue(data) as connection:
        house = _House(connection)
        house.commit([("start", "ann", "test", Priority.NORMAL)] * 3, fails=False)
        parent, other, child = "run00000", "run00001", "run00002"
        house.commit([("release", parent)], fails=False)
        house.commit([("wait", parent, child)], fails=False)
        assert house.claimer.state.running_as == {"test": 1}
        assert house.heads.keys() == {parent, other}, "the slot is another's by now"


def test_an_end_looks_for_receivers_only_where_somebody_was_ever_to_be_told(data: Path) -> None:
    with _queue(data) as connection:
        house = _House(connection)
        for told in (False, True):
            house.receivers.some = told
            house.commit([("start", "ann", "wide", Priority.NORMAL)], fails=False)
            statements: list[str] = []
            connection.set_trace_callback(statements.append)
            house.commit([("end", 0)], fails=False)
            connection.set_trace_callback(None)
            assert any("webhooks" in statement for statement in statements) is told
            assert len(statements) == (7 if told else 6), "BEGIN, entry, run, thread, search note, COMMIT"


def test_a_run_whose_start_was_committed_at_the_second_try_is_claimed_once(data: Path) -> None:
    with _queue(data) as connection:
        house = _House(connection)
        wide = ("start", "ann", "wide", Priority.NORMAL)
        house.commit([wide, wide], fails=False)
        house.commit([wide], fails=True)
        assert list(house.heads) == ["run00000", "run00001"], "the user is at the limit"
        house.commit([("end", 0), ("end", 0)], fails=False)
        assert list(house.heads) == ["run00002"]
