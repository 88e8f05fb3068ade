"""The load generator's process: one job in by stdin, its figures out by stdout, both JSON. ``python -m bench.load``.

A process of its own, so that it shares neither interpreter nor garbage collector with what it measures. With
``--self-test`` it measures itself against a sender that only writes ready-made bytes, and prints its ceiling.
"""

from __future__ import annotations

import gc
import json
import sys

from bench import scenarios
from bench.ceiling import measure_ceiling
from bench.proof import BrokenStream
from bench.swarm import Stalled
from bench.targets import Address, open_target
from bench.wire import WireError


def main(arguments: list[str]) -> int:
    """Run one job, or the self-test."""
    # What a scenario receives lives until its end; collecting in between would only be measured as waiting.
    gc.disable()
    if arguments == ["--self-test"]:
        print(json.dumps(measure_ceiling()))
        return 0
    job = json.load(sys.stdin)
    with open_target(Address(**job["address"])) as target:
        try:
            figures = scenarios.run(job["scenario"], target, job["arguments"])
        except (BrokenStream, Stalled, WireError) as error:  # what a server does wrong, not what we do
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
