"""What a claim costs: the database's own steps, the same on every machine, beside long queues of any shape."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from runwire.clock import SystemClock
from runwire.persistence import claims, queue_store
from runwire.persistence.claims import Claimer
from runwire.persistence.database import database_file, open_engine
from runwire.persistence.transaction import Transaction
from runwire.runs.limits import RunningLimits

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

    connection.execute("BEGIN IMMEDIATE")
    connection.set_progress_handler(count, 1)
    tx = Transaction(connection, {}, 1)
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
            connection.execute("BEGIN IMMEDIATE")
            tx = Transaction(connection, {}, 1)
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
