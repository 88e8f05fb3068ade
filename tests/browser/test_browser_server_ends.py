"""A server that ends, by whatever signal, takes its browsers along, and its traversals are whole. Rows C4, D5.

Here with the whole server and five browser runs that are in the middle of their steps.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import pytest

from runwire.browser.downloads import PREFIX, sweep_folders
from runwire.browser.processes import descendants
from runwire.protocol.traversal import Traversal
from tests.browser.leftovers import all_gone, family
from tests.support.database import stored_entries
from tests.support.deadlines import CONNECT_S, eventually, eventually_async
from tests.support.http import start
from tests.support.process import ServerProcess, serving

pytestmark = [pytest.mark.timeout(60)]
SETTINGS: dict[str, Any] = {
    "browser_executable": os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""),
    "drain_sigterm_s": 0.5,
    "drain_sigint_s": 0.5,
}
LIVE = 5
GONE_S = 2.0
"""What the design promises: no Chromium and no driver is alive two seconds after the server."""
PASSING = [
    'Verify title contains "Sample shop"',
    'Click link "Blue mug"',
    'Verify URL contains "product.html"',
    "Set variable k to v",
    'Verify text "Blue mug"',
    "Take screenshot",
]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A temporary folder for the servers' browsers; it must be empty in the end."""
    with TemporaryDirectory(prefix="rw") as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr("tempfile.tempdir", name)
        yield
        # A server that was killed could not remove its runs' downloads: the next one does.
        eventually(lambda: not _profiles(name), "the browsers' folders are gone", GONE_S)
        sweep_folders()
        assert os.listdir(name) == []


def _profiles(folder: str) -> list[str]:
    return [name for name in os.listdir(folder) if not name.startswith(PREFIX)]


def client(server: ServerProcess) -> httpx.AsyncClient:
    """Return an HTTP client with the server's own token."""
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.AsyncClient(base_url=server.origin, headers=headers, timeout=5.0, trust_env=False)


def finished(data: Path, run_id: str) -> int:
    """Return how many steps the run's log says have ended."""
    return sum(entry["data"].get("type") == "STEP_FINISHED" for entry in stored_entries(data, run_id))


async def until_finished(data: Path, run_id: str, steps: int) -> None:
    """Wait until that many steps of a run have ended, at least."""
    await eventually_async(lambda: finished(data, run_id) >= steps, f"{steps} steps end", CONNECT_S)


def a_test(steps: int) -> dict[str, Any]:
    """Return a test that passes that many steps and then waits."""
    return {"name": "Kill me", "url": "/samples/shop/index.html", "steps": [*PASSING[:steps], "Wait for 50 seconds"]}


async def started(server: ServerProcess, data: Path, tests: list[dict[str, Any]]) -> list[str]:
    """Start the tests and return their runs once each stands in its last step."""
    async with client(server) as http:
        runs = [await start(http, "browser-test", test) for test in tests]
    for run, test in zip(runs, tests, strict=True):
        await until_finished(data, run, len(test["steps"]) - 1)
    return runs


def traversal_of(data: Path, run_id: str) -> Traversal | None:
    """Return the run's traversal, read as strictly as the server does; None if there is none."""
    files = list(data.glob(f"tasks/kill-me/traversals/traverse_*_{run_id}.json"))
    assert len(files) <= 1
    return msgspec.json.decode(files[0].read_bytes(), type=Traversal) if files else None


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("sent", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGABRT", "SIGKILL"])
async def test_c4_no_browser_outlives_a_server_with_five_live_runs(
    make_data: Callable[[], Path], folder: None, sent: str
) -> None:
    data = make_data()
    with serving(data, **SETTINGS) as server:
        await started(server, data, [a_test(1)] * LIVE)
        pids = list(descendants(server.process.pid))
        assert len(family(server.process.pid, "renderer")) >= LIVE
        server.process.send_signal(signal.Signals[sent])
        await asyncio.to_thread(server.process.wait, 10)
        assert await asyncio.to_thread(all_gone, pids, GONE_S) == []


@pytest.mark.slow
@pytest.mark.faults
async def test_d5_kill_after_each_step_leaves_that_many_steps(make_data: Callable[[], Path], folder: None) -> None:
    """Of runs that had come to different steps when the server was killed, each has its own number of steps."""
    data, counts = make_data(), range(len(PASSING) + 1)
    with serving(data, **SETTINGS, max_running=len(counts)) as server:
        runs = await started(server, data, [a_test(steps) for steps in counts])
        pids = list(descendants(server.process.pid))
        await asyncio.to_thread(server.kill)
    for run, steps in zip(runs, counts, strict=True):
        left = traversal_of(data, run)
        if left is None:
            assert steps == 0
            continue
        assert [(step.index, step.status) for step in left.steps] == [(n, "PASSED") for n in range(1, steps + 1)]
        assert (left.run_id, left.total, left.ended) == (run, steps + 1, False)
    assert await asyncio.to_thread(all_gone, pids, GONE_S) == []


@pytest.mark.slow
@pytest.mark.faults
async def test_d5_kill_at_any_moment_leaves_as_many_steps_as_were_told(
    make_data: Callable[[], Path], folder: None
) -> None:
    """The file is written before the step is told: it may be one ahead of the log, and is never behind or broken."""
    data = make_data()
    looping = {**a_test(0), "steps": ["Take screenshot"] * 200}
    for kill_after in (1, 3):
        with serving(data, **SETTINGS) as server:
            async with client(server) as http:
                runs = [await start(http, "browser-test", looping) for _ in range(LIVE)]
            for run in runs:
                await until_finished(data, run, kill_after)
            await asyncio.to_thread(server.kill)
        for run in runs:
            left, told = traversal_of(data, run), finished(data, run)
            assert left is not None
            assert told <= len(left.steps) <= told + 1
            assert [step.index for step in left.steps] == list(range(1, len(left.steps) + 1))
