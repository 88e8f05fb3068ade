"""``python -m bench.browser``: Runwire's browser host beside plain Playwright, in one run, one row for each goal.

Three sides: a cold browser for each run, a browser kept for each thread, the host. All visit the same small page of
this process, on the same machine, in turns. Exit code 0: a missed goal is marked and no failure. Figures are wall
time; memory is PSS of every process below this one, the drivers included.

``--only NAME…`` measures some parts, ``--runs N`` is how many runs the growth is measured over.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial

from bench import browser_faults, browser_people, browser_runs, browser_start, browser_video
from bench.browser_figures import Row
from bench.browser_sides import Site, site
from runwire.browser.executable import why_unavailable
from runwire.telemetry.logs import configure_logs

Part = Callable[[Site], Iterator[Row]]


def main() -> int:
    """Measure, print."""
    if (reason := why_unavailable("")) is not None:
        print(f"browser benchmark: {reason}")
        return 1
    arguments = _arguments()
    parts: dict[str, Part] = {
        "opening": browser_runs.opening,
        "rate": browser_runs.rate,
        "memory": browser_runs.footprint,
        "operations": browser_runs.operations,
        "start": browser_start.starting,
        "cancel": browser_runs.cancelling,
        "recovery": browser_faults.recovery,
        "death": browser_faults.death,
        "growth": partial(browser_faults.growth, runs=arguments.runs),
        "view": browser_people.watching,
        "hands": browser_people.taking_over,
        "film": browser_video.filming,
    }
    configure_logs("error", "console")
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| | goal | host | kept per thread | cold per run | |\n|---|---|---|---|---|---|")
    with site() as visited:
        for name in arguments.only or parts:
            for row in parts[name](visited):
                mark = {None: "", True: "met", False: "**missed**"}[row.met]
                print(f"| {row.what} | {row.goal} | {row.host} | {row.kept} | {row.cold} | {mark} |", flush=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.browser")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="parts to measure; default all")
    parser.add_argument("--runs", type=int, default=200, help="runs over which growth is measured (default 200)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
