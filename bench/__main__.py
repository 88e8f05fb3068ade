"""``python -m bench``: measure, print the table, write JSON. Exit code 0; 1 if a row could not be measured at all.

A missed goal is marked and no failure: figures on a busy machine are information, correctness is what fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from bench.processes import generator_ceiling
from bench.report import judge, table, write_json
from bench.run import Plan, benchmark, failures


def main() -> int:
    """Run the benchmark that the command line asks for."""
    options = _options()
    quick: bool = options.quick
    repetitions = options.repetitions or (3 if quick else 5)
    only = frozenset(options.only.split(",")) - {""}
    plan = Plan(quick, repetitions, 1 if quick else repetitions, 4.0, options.settle, only)
    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="runwire-bench-") as folder:
        measured = benchmark(plan, Path(folder))
    ceiling = generator_ceiling()
    print(table(line for row in measured for line in judge(row)))
    print("\nthe load generator's own ceiling, events/s:", ", ".join(f"{k} {v:,.0f}" for k, v in ceiling.items()))
    broken = failures(measured)
    print("\n".join(f"NOT MEASURED {line}" for line in broken))
    elapsed_s = perf_counter() - began
    extra = {"elapsed_s": elapsed_s, "repetitions": repetitions, "generator_ceiling": ceiling}
    write_json(options.json, measured, extra)
    print(f"{elapsed_s:.0f} s; samples in {options.json}")
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    default = Path(__file__).parent / "results" / f"{stamp}.json"
    parser = argparse.ArgumentParser(prog="python -m bench", description="Runwire beside a bare uvicorn endpoint.")
    parser.add_argument("--quick", action="store_true", help="about one minute: fewer rows, fewer repetitions")
    parser.add_argument("--repetitions", type=int, help="measurements of each row and side (5; quick: 3)")
    parser.add_argument(
        "--settle", type=float, default=1.0, help="wait this long at most for a quiet machine, seconds (1)"
    )
    parser.add_argument("--only", default="", help="rows by key, comma-separated (see bench/rows.py); boot, install")
    parser.add_argument("--json", type=Path, default=default, help="where to write every sample")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
