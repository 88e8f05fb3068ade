"""The processes of a benchmark: both servers and the load generator, each started, watched and ended here. One thread.

A server is a context manager; it is ended by SIGTERM, after 10 s by SIGKILL. Its output goes to a file whose tail is
shown when it does not start.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final, Literal

from bench.targets import Address

_ROOT: Final = Path(__file__).resolve().parent.parent
_HOST: Final = "127.0.0.1"
_START_LIMIT_S: Final = 30.0
_STOP_LIMIT_S: Final = 10.0
_JOB_LIMIT_S: Final = 150.0
AGENTS: Final = ("bench.agents:paced", "bench.agents:flood", "bench.agents:spin", "bench.agents:sleepy")
RAISED: Final[Mapping[str, str]] = {
    # The defaults protect a server from its clients; here one client is to load it.
    "RUNWIRE_MAX_RUNNING": "600",
    "RUNWIRE_MESSAGES_PER_S": "1000000",
    "RUNWIRE_MESSAGE_BURST": "1000000",
    "RUNWIRE_LOG_LEVEL": "error",
}
"""The only settings of Runwire that the benchmark changes."""


class BenchmarkFailed(Exception):
    """A server did not start or a job of the generator failed; the message holds what it printed."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server under test; ``cold_start_s`` is the time from exec to the first answer to GET /healthz."""

    address: Address
    cold_start_s: float


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server((_HOST, 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def bare_server(folder: Path) -> Iterator[Server]:
    """Run the bare endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", "--port", str(port)]
    with _running("bare", command, port, folder, {}) as server:
        yield server


@contextmanager
def runwire_server(
    data: Path, settings: Mapping[str, str] = RAISED, *, agents: Sequence[str] = AGENTS
) -> Iterator[Server]:
    """Run ``runwire serve`` on the folder ``data``, whose database must be up to date."""
    port = free_port()
    command = [sys.executable, "-m", "runwire", "serve", "--port", str(port), "--data", str(data)]
    command += ["--test-mode", "--agents", ",".join(agents)]
    with _running("runwire", command, port, data, settings) as server:
        yield server


def upgrade_database(data: Path) -> None:
    """Create or migrate the database of the folder ``data``, as ``make run`` does before the server starts."""
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "runwire", "db", "upgrade", "--data", str(data)]
    done = subprocess.run(command, env=_environment({}), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise BenchmarkFailed(f"runwire db upgrade: {done.stdout[-2000:]}{done.stderr[-2000:]}")


@contextmanager
def _running(
    kind: Literal["bare", "runwire"], command: list[str], port: int, folder: Path, settings: Mapping[str, str]
) -> Iterator[Server]:
    output = folder / f"{kind}.log"
    with output.open("ab") as sink:
        started = perf_counter()
        process = subprocess.Popen(command, env=_environment(settings), stdout=sink, stderr=sink, cwd=_ROOT)
        try:
            cold_start_s = _wait_healthy(process, port, started, output)
            token_file = folder / "token"
            token = token_file.read_text().strip() if kind == "runwire" else ""
            yield Server(Address(kind, _HOST, port, process.pid, token), cold_start_s)
        finally:
            _end(process)


def _wait_healthy(process: subprocess.Popen[bytes], port: int, started: float, output: Path) -> float:
    """Return the seconds from ``started`` to the first answer."""
    while perf_counter() - started < _START_LIMIT_S:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection((_HOST, port), timeout=_START_LIMIT_S):
                return _first_answer(port) - started
        except ConnectionRefusedError:
            sleep(0.002)
    raise BenchmarkFailed(f"{process.args!r} did not start: {output.read_text()[-3000:]}")


def _first_answer(port: int) -> float:
    door = http.client.HTTPConnection(_HOST, port, timeout=_START_LIMIT_S)
    try:
        door.request("GET", "/healthz")
        status = door.getresponse().status
        if status != 200:
            raise BenchmarkFailed(f"/healthz answered {status}")
        return perf_counter()
    finally:
        door.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNWIRE_")}
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**inherited, "PYTHONPATH": path, **settings}


def generate(address: Address, scenario: str, arguments: Mapping[str, Any]) -> dict[str, float]:
    """Run one job in a fresh load generator and return its figures.

    Raises:
        BenchmarkFailed: the job failed or took longer than 150 s.
    """
    job = {"address": asdict(address), "scenario": scenario, "arguments": dict(arguments)}
    return _generator([], json.dumps(job), f"{scenario} on {address.kind}")


def generator_ceiling() -> dict[str, float]:
    """Return what the load generator itself can take, in events a second."""
    return _generator(["--self-test"], "", "self-test")


def _generator(arguments: list[str], job: str, what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.load", *arguments]
    try:
        done = subprocess.run(
            command, input=job, cwd=_ROOT, capture_output=True, text=True, timeout=_JOB_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkFailed(f"{what}: no end within {_JOB_LIMIT_S:g} s") from error
    if done.returncode:
        raise BenchmarkFailed(f"{what}: {done.stderr.strip()[-1500:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
