"""What a claim costs beside a long queue: ``python -m bench.claims`` (half a minute, most of it to fill databases).

Each figure is one whole scheduling pass on a real database, by the code of the server: one run ends, its slot goes to
the best head that may start, both rows and entries are written, COMMIT. The goal is below 1 ms of pass beside 100,000
queued runs, whatever their shape. tests/integration/test_claims.py holds the number of steps that the database takes.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Final

from bench.processes import upgrade_database
from runwire.clock import SystemClock
from runwire.persistence.claims import Claimer
from runwire.persistence.database import database_file, open_engine
from runwire.persistence.endings import Receivers
from runwire.persistence.transaction import Head, Transaction
from runwire.protocol.entries import state_data
from runwire.runs.limits import RunningLimits
from runwire.runs.state import ACTIVE, RunStatus

_FILL: Final = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs)"
    " INSERT INTO runs (id, owner_id, thread_id, agent, status, attempt, fence, epoch, priority, rank, timeout_s,"
    " on_disconnect, input, body_hash, created_ms, first_seq)"
    " SELECT printf('%s%08d', :name, i), replace(:owner, '*', i), 't', replace(:agent, '*', i % 10), 'QUEUED', 1, 1,"
    " 'e', 'normal', :rank + i, 60, 'continue', zeroblob(200), 'h', i, 1 FROM n"
)
_ENTRIES: Final = "INSERT INTO entries (run_id, seq, kind, frame) SELECT id, 1, 'state', zeroblob(120) FROM runs"
_LIMITS: Final = RunningLimits(5, 4, {"test": 3})


@dataclass(frozen=True, slots=True)
class Shape:
    """A queue: groups of runs, each with its owner and agent (``*`` makes many of them); the last is what is served."""

    name: str
    groups: tuple[tuple[str, str], ...]


SHAPES: Final = (
    Shape("all of one user", (("ann", "chat"),)),
    Shape("a user each", (("user*", "chat"),)),
    Shape("a user each, of ten agents", (("user*", "agent*"),)),
    Shape("behind a user at the limit", (("ann", "chat"), ("bob*", "chat"))),
    Shape("behind an agent at its limit", (("user*", "test"), ("bob*", "chat"))),
)


def main() -> int:
    """Measure every shape beside few and many runs, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.claims", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="queued runs (100,000)")
    parser.add_argument("--claims", type=int, default=300, help="claims measured in each shape (300)")
    options = parser.parse_args()
    print(f"{'queue':<30} {'runs':>8} {'pass p50':>10} {'pass p99':>10} {'commit p50':>11}")
    with tempfile.TemporaryDirectory(prefix="runwire-claims-") as folder:
        for shape in SHAPES:
            for runs in (1_000, options.runs):
                data = Path(folder) / f"{SHAPES.index(shape)}-{runs}"
                passes, commits = measure(data, shape, runs, options.claims)
                p99 = quantiles(passes, n=100)[98]
                print(f"{shape.name:<30} {runs:>8,} {_us(median(passes))} {_us(p99)} {_us(median(commits)):>11}")
    return 0


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:7.0f} us"


def measure(data: Path, shape: Shape, runs: int, claims: int) -> tuple[list[float], list[float]]:
    """Return how long each pass took, and how long with its commit, seconds."""
    upgrade_database(data)
    file = database_file(data)
    with closing(sqlite3.connect(file)) as connection, connection:
        for number, (owner, agent) in enumerate(shape.groups):
            facts = {"owner": owner, "agent": agent, "name": f"g{number}", "rank": number * runs, "runs": runs}
            connection.execute(_FILL, facts)
        connection.execute(_ENTRIES)
    claimer = Claimer(_LIMITS, "bench", SystemClock())
    engine = open_engine(file)
    with engine.connect() as restoring:
        claimer.restore(restoring)
    lent = engine.raw_connection()
    try:
        driver: Any = lent.driver_connection
        return _claims(driver, claimer, claims)
    finally:
        lent.close()


def _claims(connection: sqlite3.Connection, claimer: Claimer, claims: int) -> tuple[list[float], list[float]]:
    heads: dict[str, Head] = {}
    passes: list[float] = []
    commits: list[float] = []
    for number in range(claims + 1):
        connection.execute("BEGIN IMMEDIATE")
        tx = Transaction(connection, heads, number, Receivers())
        if number:  # the newest ends: the others hold the limits
            head = heads[next(reversed(heads))]
            tx.move(head, RunStatus.SUCCEEDED, state_data(RunStatus.SUCCEEDED, head.attempt))
        begun = perf_counter()
        claimer.claim(tx)
        tx.flush()
        passed = perf_counter()
        connection.execute("COMMIT")
        claimer.committed(tx)
        ended = perf_counter()
        if number:
            assert len(tx.claimed) == 1, "one slot was free"
            passes.append(passed - begun)
            commits.append(ended - begun)
        for run_id, changed in tx.changed.items():
            if changed.status in ACTIVE:
                heads[run_id] = changed
            else:
                heads.pop(run_id, None)
    return passes, commits


if __name__ == "__main__":
    raise SystemExit(main())
