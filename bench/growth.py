"""How cost grows with runs, subscribers, entries and stored history: sweeps, drawn log-log. ``python -m bench.growth``.

Each point is the median of three. Takes about six minutes; the picture is part of docs/performance.md and drawn anew by
hand, not by the CI.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.history import History, fill
from bench.plot import Panel, Points, draw
from bench.processes import Server, bare_server, generate, runwire_server, upgrade_database

_REPETITIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Sweep:
    """One panel: ``variable`` takes ``values``, ``figure`` is drawn; ``fixed`` are the scenario's other arguments."""

    title: str
    x_name: str
    y_name: str
    scenario: str
    figure: str
    variable: str
    values: tuple[int, ...]
    fixed: Mapping[str, Any]


SWEEPS: Final = (
    Sweep(
        "Runs at once, an event each 20 ms",
        "runs",
        "CPU for an event, us",
        "paced_runs",
        "cpu_us_per_event",
        "runs",
        (1, 10, 50, 100, 250, 500),
        {"period_ms": 20.0, "seconds": 1.5},
    ),
    Sweep(
        "Subscribers of one flood",
        "subscribers",
        "deliveries/s",
        "fan_out_flood",
        "deliveries_per_s",
        "subscribers",
        (1, 10, 50, 200, 500),
        {"events": 1_000},
    ),
    Sweep(
        "Length of one live stream",
        "events of 100 bytes",
        "events/s",
        "one_stream",
        "events_per_s",
        "events",
        (1_000, 10_000, 100_000, 300_000),
        {},
    ),
)
_HISTORY: Final = (10, 100, 1_000, 10_000)
_HISTORY_TITLE: Final = "Stored history, 100 entries a run"


def main() -> int:
    """Measure, draw, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--svg", type=Path, required=True, help="where to write the picture")
    parser.add_argument("--json", type=Path, help="where to write the points")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="runwire-growth-") as folder:
        panels = [*_live(Path(folder)), _history(Path(folder))]
    options.svg.write_text(draw(panels))
    if options.json:
        options.json.write_text(json.dumps([asdict(panel) for panel in panels], indent=1) + "\n")
    return 0


def _live(folder: Path) -> Iterator[Panel]:
    data = folder / "live"
    upgrade_database(data)
    with bare_server(folder) as bare, runwire_server(data) as runwire:
        for sweep in SWEEPS:
            yield _swept(sweep, {"bare": bare, "runwire": runwire})


def _swept(sweep: Sweep, servers: Mapping[str, Server]) -> Panel:
    series: dict[str, Points] = {}
    for name, server in servers.items():
        points = []
        for value in sweep.values:
            figure = _median(server, sweep.scenario, {**sweep.fixed, sweep.variable: value}, sweep.figure)
            points.append((float(value), figure))
            print(f"{sweep.title}: {name} {value:,}: {figure:,.4g} {sweep.y_name}", file=sys.stderr, flush=True)
        series[name] = points
    return Panel(sweep.title, sweep.x_name, sweep.y_name, series)


def _history(folder: Path) -> Panel:
    """Measure on servers whose databases differ in nothing but what is stored."""
    points: list[tuple[float, float]] = []
    for runs in _HISTORY:
        data = folder / f"history-{runs}"
        upgrade_database(data)
        with runwire_server(data):
            pass
        fill(data / "runwire.db", History(runs))
        with runwire_server(data) as server:
            wait_ms = _median(server, "first_event", {"runs": 200}, "p50_ms")
        points.append((float(runs), wait_ms))
        print(f"{_HISTORY_TITLE}: {runs:,} runs: {wait_ms:.3g} ms", file=sys.stderr, flush=True)
    return Panel(_HISTORY_TITLE, "stored runs", "start to first event, ms p50", {"runwire": points})


def _median(server: Server, scenario: str, arguments: Mapping[str, Any], figure: str) -> float:
    samples: Sequence[float] = [generate(server.address, scenario, arguments)[figure] for _ in range(_REPETITIONS)]
    return median(samples)


if __name__ == "__main__":
    sys.exit(main())
