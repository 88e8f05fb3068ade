"""Samples → medians and ratios → the printed table and the JSON file. Pure but for :func:`write_json`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.rows import Goal, Kind

Samples = Sequence[Mapping[str, float]]
"""The figures of each repetition."""

_WIDTHS: Final = (66, 12, 12, 9, 12)


@dataclass(frozen=True, slots=True)
class Measured:
    """One row's samples on both sides; ``baseline`` is empty where there is nothing to compare with."""

    key: str
    baseline_name: str
    subject_name: str
    baseline: Samples
    subject: Samples
    goals: tuple[Goal, ...]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One goal, judged. ``verdict`` is "ok", "MISSED", "FAILED" or "" where there is no bound."""

    title: str
    baseline: float | None
    subject: float | None
    ratio: float | None
    bound: str
    verdict: str


def judge(measured: Measured) -> Iterable[Line]:
    """Yield a line for each goal of a row; the ratio is the median of the repetitions' ratios."""
    for goal in measured.goals:
        if measured.failure:
            yield Line(goal.title, None, None, None, goal.bound, "FAILED")
            continue
        subject = [sample[goal.figure] for sample in measured.subject]
        baseline = [sample[goal.figure] for sample in measured.baseline if goal.figure in sample]
        pairs = zip(subject, baseline, strict=True) if baseline else ()
        ratios = [ours / theirs for ours, theirs in pairs if theirs]
        ratio = median(ratios) if ratios else None
        value = ratio if goal.kind is Kind.RATIO else median(subject)
        met = value is not None and goal.is_met(value)
        verdict = ("ok" if met else "MISSED") if goal.bound else ""
        yield Line(goal.title, median(baseline) if baseline else None, median(subject), ratio, goal.bound, verdict)


def table(lines: Iterable[Line]) -> str:
    """Return the table as text."""
    rows = [("", "baseline", "runwire", "ratio", "goal", "")]
    for line in lines:
        ratio = "" if line.ratio is None else f"{_short(line.ratio)}x"
        rows.append((line.title, _short(line.baseline), _short(line.subject), ratio, line.bound, line.verdict))
    return "\n".join(_aligned(row) for row in rows)


def _aligned(row: tuple[str, ...]) -> str:
    cells = [row[0].ljust(_WIDTHS[0]), *(cell.rjust(width) for cell, width in zip(row[1:5], _WIDTHS[1:], strict=True))]
    return ("".join(cells) + "  " + row[5]).rstrip()


def _short(value: float | None) -> str:
    """Return three significant digits, thousands separated."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def surroundings() -> dict[str, Any]:
    """Return what the figures depend on beside the code."""
    packages = ("uvicorn", "websockets", "httptools", "starlette", "SQLAlchemy", "msgspec")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "packages": {name: version(name) for name in packages},
    }


def write_json(path: Path, measured: Sequence[Measured], extra: Mapping[str, Any]) -> None:
    """Write every sample and every judged line."""
    rows = [
        {
            "key": row.key,
            row.baseline_name or "baseline": list(row.baseline),
            row.subject_name + ("" if row.subject_name != row.baseline_name else "_subject"): list(row.subject),
            "failure": row.failure,
            "lines": [line_as_dict(line) for line in judge(row)],
        }
        for row in measured
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**surroundings(), **extra, "rows": rows}, indent=1) + "\n")


def line_as_dict(line: Line) -> dict[str, Any]:
    """Return one judged line for JSON."""
    return {name: getattr(line, name) for name in Line.__dataclass_fields__}
