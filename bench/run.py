"""The course of a benchmark: which servers run when, and that both sides take turns. One thread.

Each row is measured ``repetitions`` times, baseline and subject one right after the other and in alternating order,
so that whatever else the machine does meets both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from bench.history import History, fill
from bench.installation import measure_install
from bench.processes import BenchmarkFailed, Server, bare_server, generate, runwire_server, upgrade_database
from bench.procfs import idle_share, memory
from bench.report import Measured
from bench.rows import BOOT_GOALS, INSTALL_GOALS, ROWS, Goal, Rival, Row, history_rows

Figures = Mapping[str, float]
_IDLE_SOCKETS: Final = 500
_SETTLE_LOOK_S: Final = 0.1
_QUIET: Final = 0.85
"""The share of idle CPU time above which the machine counts as left alone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How thorough a benchmark is.

    ``settle_s`` bounds the wait for a quiet machine before each measurement; ``only`` names rows (empty: all).
    """

    quick: bool
    repetitions: int
    boot_repetitions: int
    idle_s: float
    settle_s: float
    only: frozenset[str] = frozenset()

    def wants(self, key: str) -> bool:
        """Whether a row is to be measured."""
        return not self.only or key in self.only


def benchmark(plan: Plan, folder: Path) -> list[Measured]:
    """Measure everything that ``plan`` asks for; ``folder`` holds the servers' data and is empty."""
    upgrade_database(folder / "boot")
    measured: list[Measured] = []
    if plan.wants("boot"):
        measured.append(_boot(plan, folder / "boot"))
    rows = [row for row in ROWS if plan.wants(row.key) and (not plan.quick or row.quick is not None)]
    stored = [] if plan.quick else [row for row in history_rows() if plan.wants(row.key)]
    with _rivals(folder, stored=bool(stored)) as servers:
        measured += [_measure(row, servers, plan) for row in (*rows, *stored)]
    if plan.wants("install") and not plan.quick:
        measured.append(_alone("install", INSTALL_GOALS, lambda: measure_install(folder / "venv")))
    return measured


@contextmanager
def _rivals(folder: Path, *, stored: bool) -> Iterator[dict[Rival, Server]]:
    """Run the servers that last through the benchmark; those not measured at a moment are silent."""
    with ExitStack() as stack:
        upgrade_database(folder / "fresh")
        servers = {
            Rival.BARE: stack.enter_context(bare_server(folder)),
            Rival.RUNWIRE: stack.enter_context(runwire_server(folder / "fresh")),
        }
        if stored:
            _fill(folder / "stored")
            servers[Rival.STORED] = stack.enter_context(runwire_server(folder / "stored"))
        yield servers


def _fill(data: Path) -> None:
    """Make a data folder with history; the server starts once before, to make its token."""
    upgrade_database(data)
    with runwire_server(data):
        pass
    began = perf_counter()
    entries = fill(data / "runwire.db", History())
    _say(f"stored history: {entries:,} entries in {perf_counter() - began:.0f} s")


def _measure(row: Row, servers: Mapping[Rival, Server], plan: Plan) -> Measured:
    baseline: list[Figures] = []
    subject: list[Figures] = []
    sides = [(row.subject, row.for_subject(quick=plan.quick), subject)]
    if row.baseline is not None:
        sides.insert(0, (row.baseline, row.for_baseline(quick=plan.quick), baseline))
    failure = ""
    try:
        for repetition in range(plan.repetitions):
            for rival, arguments, samples in sides if repetition % 2 == 0 else reversed(sides):
                _settle(plan.settle_s)
                samples.append(generate(servers[rival].address, row.scenario, arguments))
                _say(f"{row.key} {repetition + 1}/{plan.repetitions} {rival}: {_brief(samples[-1])}")
    except BenchmarkFailed as error:
        failure = str(error)
        _say(f"{row.key}: FAILED: {failure}")
    return Measured(row.key, row.baseline or "", row.subject, baseline, subject, row.goals, failure)


def _boot(plan: Plan, data: Path) -> Measured:
    """Measure fresh processes: cold start, memory, idle sockets."""
    sides: list[tuple[Rival, Callable[[], Figures], list[Figures]]] = [
        (Rival.BARE, lambda: _boot_once(bare_server(data), plan.idle_s), []),
        (Rival.RUNWIRE, lambda: _boot_once(runwire_server(data), plan.idle_s), []),
    ]
    failure = ""
    try:
        for repetition in range(plan.boot_repetitions):
            for rival, boot, samples in sides:
                _settle(plan.settle_s)
                samples.append(boot())
                _say(f"boot {repetition + 1}/{plan.boot_repetitions} {rival}: {_brief(samples[-1])}")
    except BenchmarkFailed as error:
        failure = str(error)
        _say(f"boot: FAILED: {failure}")
    return Measured("boot", Rival.BARE, Rival.RUNWIRE, sides[0][2], sides[1][2], BOOT_GOALS, failure)


def _boot_once(starting: AbstractContextManager[Server], idle_s: float) -> Figures:
    with starting as server:
        fresh = memory(server.address.pid)
        figures = {"cold_start_s": server.cold_start_s, "rss_mib": fresh.rss / 1024, "pss_mib": fresh.pss / 1024}
        idle = generate(server.address, "idle_sockets", {"sockets": _IDLE_SOCKETS, "seconds": idle_s})
    return figures | idle


def _settle(at_most_s: float) -> None:
    """Wait until others leave the machine alone, but not for ever: a figure taken beside a compiler is worth little."""
    deadline = perf_counter() + at_most_s
    while idle_share(_SETTLE_LOOK_S) < _QUIET and perf_counter() < deadline:
        pass


def _alone(key: str, goals: tuple[Goal, ...], measure: Callable[[], Figures]) -> Measured:
    try:
        return Measured(key, "", Rival.RUNWIRE, [], [measure()], goals)
    except Exception as error:  # the edge of one row: a missing package index must not cost the others their report
        return Measured(key, "", Rival.RUNWIRE, [], [], goals, failure=f"{type(error).__name__}: {error}")


def _brief(figures: Figures) -> str:
    return "  ".join(
        f"{name}={value:,.3g}" if value < 100 else f"{name}={value:,.0f}" for name, value in figures.items()
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def failures(measured: Sequence[Measured]) -> list[str]:
    """Return what could not be measured, for the foot of the report."""
    return [f"{row.key}: {row.failure}" for row in measured if row.failure]
