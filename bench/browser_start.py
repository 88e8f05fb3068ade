"""How soon the start of a saved test is answered: a row of ``bench.browser`` through a whole server."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from bench.browser_figures import Row, ms, p
from bench.browser_sides import Site
from bench.processes import RAISED, bare_server, runwire_server, upgrade_database
from bench.targets import Door

SLOTS: Final = 5
STARTS: Final = 300
WARM: Final = 20
WAIT_S: Final = 20.0
SETTINGS: Final = {**RAISED, "RUNWIRE_MAX_RUNNING": str(SLOTS), "RUNWIRE_BROWSER_ALLOW": "127.0.0.1"}
WAITING: Final = ['Verify text "never there"']
"""A test that keeps its slot: what is started after it is queued."""


def starting(site: Site) -> Iterator[Row]:
    """From the request that runs a saved test to its answer, in turns with a bare request; all slots are busy."""
    with tempfile.TemporaryDirectory(prefix="runwire-bench-") as name:
        folder = Path(name)
        upgrade_database(folder)
        with bare_server(folder) as bare, runwire_server(folder, SETTINGS) as server:
            headers = {"Authorization": f"Bearer {server.address.token}", "Content-Type": "application/json"}
            with closing(Door(bare.address)) as plain, closing(Door(server.address)) as door:
                bares, starts = _measured(_Tests(door, headers, site.origin), plain)
    shown = f"{ms(p(starts, 50))} / {ms(p(starts, 99))} ms; bare {ms(p(bares, 50))} / {ms(p(bares, 99))} ms"
    met = p(starts, 99) <= 20 * p(bares, 99)
    yield Row("start of a saved test → answer, p50 / p99", "p99 ≤ 20 × bare", shown, met=met)


class _Tests:
    """Saved tests of one server."""

    def __init__(self, door: Door, headers: dict[str, str], origin: str) -> None:
        self._door = door
        self._headers = headers
        test = {"name": "Waits", "url": f"{origin}/greet", "steps": WAITING, "step_timeout_s": 300, "timeout_s": 300}
        self._call("POST", "/v1/tasks", {"id": "waits", "test": test})

    def execute(self) -> str:
        """Run the saved test and return its run's id."""
        run = self._call("POST", "/test-runs/execute-configuration/waits/waits_default", {})
        return str(run["id"])

    def status(self, run_id: str) -> str:
        """Return how the run stands."""
        return str(self._call("GET", f"/v1/runs/{run_id}")["status"])

    def cancel(self, run_id: str) -> None:
        """Cancel it."""
        self._call("POST", f"/v1/runs/{run_id}/cancel", {})

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        sent = None if body is None else json.dumps(body).encode()
        answer: dict[str, Any] = json.loads(self._door.call(method, path, self._headers, sent))
        return answer


def _measured(tests: _Tests, plain: Door) -> tuple[list[float], list[float]]:
    """Return how long bare requests and starts took, seconds."""
    held = [tests.execute() for _ in range(SLOTS)]
    end = time.monotonic() + WAIT_S
    while any(tests.status(run_id) != "RUNNING" for run_id in held):
        if time.monotonic() > end:
            raise RuntimeError("the runs that keep the slots did not start")
        time.sleep(0.05)
    time.sleep(1.0)  # their pages are open
    bares, starts = [], []
    for _ in range(WARM + STARTS):
        bares.append(_timed(lambda: plain.call("GET", "/healthz", {})))
        starts.append(_timed(tests.execute))
    for run_id in held:
        tests.cancel(run_id)
    return bares[WARM:], starts[WARM:]


def _timed(doing: Callable[[], object]) -> float:
    began = time.perf_counter()
    doing()
    return time.perf_counter() - began
