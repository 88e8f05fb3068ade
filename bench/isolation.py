"""``python -m bench.isolation``: start → first event of an agent in a warm process of its own, beside one in a thread.

The same agent on the same server over one command socket, in turns, so that a busy machine disturbs both alike. Goal:
the isolated one is at most 50 ms later. Exit code 1 if it is not.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from websockets.sync.client import ClientConnection, connect

from bench.processes import runwire_server, upgrade_database

GOAL_MS = 50.0
ROUNDS = 60
WARM_UP = 5
LIMIT_S = 10.0
AGENTS = ("bench.isolation:in_thread", "bench.isolation:in_process")


async def in_thread(ctx: Any, _input: Any) -> None:
    """Say one event."""
    await ctx.emit({"type": "CUSTOM", "name": "bench.first", "value": None})


async def in_process(ctx: Any, _input: Any) -> None:
    """Say the same from a process of its own."""
    await in_thread(ctx, None)


in_process.isolation = "process"  # type: ignore[attr-defined]


def main() -> int:
    """Measure and print."""
    samples: dict[str, list[tuple[float, float]]] = {"in-thread": [], "in-process": []}
    with tempfile.TemporaryDirectory(prefix="runwire-bench-") as folder:
        data = Path(folder)
        upgrade_database(data)
        with runwire_server(data, agents=AGENTS) as server:
            headers = {"Authorization": f"Bearer {server.address.token}"}
            url = f"ws://{server.address.host}:{server.address.port}/ws"
            with connect(url, additional_headers=headers, open_timeout=LIMIT_S) as socket:
                for number in range(WARM_UP + ROUNDS):
                    for agent, found in samples.items():
                        one = _measure(socket, agent)
                        if number >= WARM_UP:
                            found.append(one)
    for agent, found in samples.items():
        first, end = zip(*found, strict=True)
        print(f"{agent:<11} first event {_told(first)}   end {_told(end)}")
    later = median(one for one, _ in samples["in-process"]) - median(one for one, _ in samples["in-thread"])
    print(f"later by    {later:.1f} ms (goal: {GOAL_MS:g} ms)")
    return 0 if later <= GOAL_MS else 1


def _measure(socket: ClientConnection, agent: str) -> tuple[float, float]:
    """Return the milliseconds from sending the start to the first event, and to the end."""
    began = perf_counter()
    socket.send(json.dumps({"id": 1, "op": "run.start", "agent": agent}))
    first = 0.0
    while True:
        frame = json.loads(socket.recv(LIMIT_S))
        if frame["type"] == "end":
            return first, (perf_counter() - began) * 1000
        if not first and any(entry["type"] == "event" for entry in frame.get("entries", [frame])):
            first = (perf_counter() - began) * 1000


def _told(values: tuple[float, ...]) -> str:
    ordered = sorted(values)
    return f"p50 {median(ordered):5.1f} ms  p95 {ordered[int(len(ordered) * 0.95)]:5.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
