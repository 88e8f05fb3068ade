"""What is measured and what is aimed at: the goals table as data. Pure; no I/O.

A row compares a subject with a baseline, each a server and the arguments of one scenario; its goals say which figures
count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Rival(StrEnum):
    """The servers of one benchmark run."""

    BARE = "bare"
    RUNWIRE = "runwire"
    STORED = "stored"
    """Runwire with 10,000 stored runs and 1,000,000 entries."""


class Kind(StrEnum):
    """What a goal looks at."""

    RATIO = "ratio"
    """The subject's figure divided by the baseline's of the same repetition."""
    VALUE = "value"
    """The subject's own figure."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the printed table: a figure and, if there is one, its bound.

    ``at_least`` and ``at_most`` bound the ratio or the value; with neither the line only informs.
    """

    figure: str
    title: str
    kind: Kind = Kind.RATIO
    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, measured: float) -> bool:
        """Whether ``measured`` (ratio or value) is inside the bounds."""
        return (self.at_least is None or measured >= self.at_least) and (
            self.at_most is None or measured <= self.at_most
        )

    @property
    def bound(self) -> str:
        """The goal as the table shows it."""
        mark = "x" if self.kind is Kind.RATIO else ""
        if self.at_least is not None:
            return f">= {_number(self.at_least)}{mark}"
        return f"<= {_number(self.at_most)}{mark}" if self.at_most is not None else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario, measured on two servers alternately.

    ``quick`` replaces arguments in the short benchmark; None leaves the row out of it.
    """

    key: str
    scenario: str
    arguments: Mapping[str, Any]
    goals: tuple[Goal, ...]
    quick: Mapping[str, Any] | None = None
    baseline: Rival | None = Rival.BARE
    subject: Rival = Rival.RUNWIRE
    only_baseline: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that differ on the baseline's side."""

    def for_subject(self, *, quick: bool) -> dict[str, Any]:
        """Return the scenario's arguments on the subject's side."""
        return {**self.arguments, **((self.quick or {}) if quick else {})}

    def for_baseline(self, *, quick: bool) -> dict[str, Any]:
        """Return the scenario's arguments on the baseline's side."""
        return {**self.for_subject(quick=quick), **self.only_baseline}


_VALUE: Final = Kind.VALUE

ROWS: Final = (
    Row("first_event", "first_event", {"runs": 200}, (Goal("p50_ms", "start -> first event, ms p50", at_most=8),), {}),
    Row(
        "runs",
        "runs_per_second",
        {"clients": 20, "seconds": 2.0},
        (Goal("runs_per_s", "5-event runs/s, 20 clients", at_least=0.15),),
        {"seconds": 1.0},
    ),
    Row(
        "stream",
        "one_stream",
        {"events": 100_000},
        (Goal("events_per_s", "one stream of 100,000 x 100 bytes, events/s", at_least=1.0),),
    ),
    Row(
        "short_stream",
        "one_stream",
        {"events": 5_000},
        (Goal("events_per_s", "one stream of 5,000 x 100 bytes, events/s", at_least=1.0),),
        {},
    ),
    Row(
        "paced_100",
        "paced_runs",
        {"runs": 100, "period_ms": 20.0, "seconds": 2.0},
        (
            Goal("p50_ms", "100 runs, an event each 20 ms: latency, ms p50", at_most=10),
            Goal("p99_ms", "  latency, ms p99"),
            Goal("on_time", "  runs on time", _VALUE, at_least=100),
            Goal("cpu_us_per_event", "  CPU for an event, us", _VALUE, at_most=150),
        ),
    ),
    Row(
        "paced_500",
        "paced_runs",
        {"runs": 500, "period_ms": 20.0, "seconds": 1.5},
        (
            Goal("on_time", "500 runs, an event each 20 ms: runs on time", _VALUE, at_least=500),
            Goal("p50_ms", "  latency, ms p50"),
            Goal("p99_ms", "  latency, ms p99", _VALUE, at_most=100),
            Goal("cpu_us_per_event", "  CPU for an event, us", _VALUE),
        ),
    ),
    Row(
        "flood",
        "fan_out_flood",
        {"subscribers": 200, "events": 2_000},
        (
            Goal("deliveries_per_s", "200 subscribers, flood: deliveries/s", at_least=5.0),
            Goal("complete", "  subscribers complete and in order", _VALUE, at_least=200),
        ),
        {"events": 1_000},
    ),
    Row(
        "fan_out_paced",
        "fan_out_paced",
        {"subscribers": 200, "period_ms": 10.0, "seconds": 2.5},
        (
            Goal("cpu_us_per_delivery", "200 subscribers, an event each 10 ms: CPU, us/delivery", at_most=1.3),
            Goal("p50_ms", "  latency, ms p50"),
        ),
    ),
    Row(
        "replay",
        "replay",
        {"events": 10_000},
        (Goal("events_per_s", "replay of a finished run of 10,000 entries, entries/s", _VALUE, at_least=100_000),),
        {},
    ),
    Row(
        "spinning",
        "loop_latency",
        {"agent": "spin", "agents": 4, "seconds": 1.5},
        (
            Goal("p99_ms", "loop with 4 CPU-bound agent threads, ms p99", _VALUE, at_most=50),
            Goal("p50_ms", "  ms p50", _VALUE),
        ),
        baseline=None,
    ),
    Row(
        "sleeping",
        "first_event",
        {"runs": 100, "beside": "sleepy", "agents": 20},
        (Goal("p50_ms", "first event beside 20 agents that block in sleep, ms p50", at_most=1.2),),
        baseline=Rival.RUNWIRE,
        only_baseline={"beside": "", "agents": 0},
    ),
)
"""Rows on servers that run throughout; ``sleeping`` compares Runwire with itself."""

BOOT_GOALS: Final = (
    Goal("rss_mib", "fresh memory, MiB", _VALUE, at_most=90),
    Goal("kib_per_socket", "memory of an idle socket, KiB", _VALUE, at_most=25),
    Goal("kib_per_socket", "  against bare", at_most=1.2),
    Goal("cpu_percent", "CPU with 500 idle sockets, %", _VALUE, at_most=0.5),
    Goal("cold_start_s", "cold start to first answer, s", at_most=3.0),
    Goal("cold_start_s", "  absolute", _VALUE, at_most=1.0),
)
"""Goals of a server's start and idleness: each repetition has a fresh process."""

INSTALL_GOALS: Final = (
    Goal("mib", "install without extras, MiB", _VALUE, at_most=80),
    Goal("distributions", "  distributions", _VALUE, at_most=45),
)

_WORSE: Final = 1.2


def history_rows() -> tuple[Row, ...]:
    """Return the rows measured again on a server with stored history, against a fresh one: at most 20 % worse."""
    repeated = {"first_event", "runs", "short_stream", "paced_100", "flood"}
    return tuple(
        Row(
            f"{row.key}_stored",
            row.scenario,
            row.arguments,
            (_no_worse(row.goals[0]),),
            baseline=Rival.RUNWIRE,
            subject=Rival.STORED,
        )
        for row in ROWS
        if row.key in repeated
    )


def _no_worse(goal: Goal) -> Goal:
    title = f"stored history: {goal.title}"
    if goal.at_least is not None:
        return Goal(goal.figure, title, at_least=1 / _WORSE)
    return Goal(goal.figure, title, at_most=_WORSE)
