"""A server under test: a process on a data folder, to be killed, frozen, starved, started again. Test's loop."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.faults.door import call
from tests.faults.history import StoredLog, read_logs
from tests.faults.observer import Address

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "127.0.0.1"
START_S: Final = 8.0
REAP_S: Final = 30.0  # a command may have a large database to prune
AGENTS: Final = ("journaled", "journaled_again", "puppet", "puppet_again", "blocker", "spinner", "odd", "census")
ENVIRONMENT: Final[Mapping[str, str]] = {
    "RUNWIRE_AGENTS": ",".join(f"tests.faults.agents:{name}" for name in AGENTS),
    "RUNWIRE_LOG_FORMAT": "json",
    "RUNWIRE_MAX_RUNNING": "300",
    "RUNWIRE_MESSAGES_PER_S": "1000",
    "RUNWIRE_MESSAGE_BURST": "1000",
}
"""The settings of every server under test, below a test's own."""


class Zygote:
    """Where servers come from; see :mod:`tests.faults.zygote`. Blocking calls of milliseconds."""

    def __init__(self) -> None:
        path = os.pathsep.join((str(ROOT), str(ROOT / "server")))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def spawn(self, argv: list[str], env: Mapping[str, str], log: Path) -> int:
        """Start a server and return its pid."""
        return int(self._ask({"argv": argv, "env": dict(env), "log": str(log)})["pid"])

    def reap(self, pid: int) -> int:
        """Wait for a server that is ending and return its exit code, negative for a signal."""
        return int(self._ask({"reap": pid})["code"])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it, and with it every server that is left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(5)


class ColdStart:
    """The same as a :class:`Zygote`, but every server is a fresh interpreter: for what a start costs an operator."""

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def spawn(self, argv: list[str], env: Mapping[str, str], log: Path) -> int:
        """Start a server and return its pid."""
        path = os.pathsep.join((str(ROOT), str(ROOT / "server")))
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "runwire", *argv], env={**env, "PYTHONPATH": path}, stdout=out, stderr=out
            )
        self._processes[process.pid] = process
        return process.pid

    def reap(self, pid: int) -> int:
        """Wait for a server that is ending and return its exit code, negative for a signal."""
        return self._processes.pop(pid).wait(REAP_S)


class Server:
    """One data folder and the process that serves it, if any. An asynchronous context manager: kills on leaving."""

    def __init__(
        self, zygote: Zygote | ColdStart, data: Path, template: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        """``settings`` are environment variables without their prefix, such as ``{"PING_INTERVAL_S": "1"}``."""
        self._zygote = zygote
        self.data = data
        self.journals = data / "journals"
        self.log_file = data / "server.log"
        self.settings = dict(settings or {})
        self.port = _free_port()
        self.pid = 0
        data.mkdir(parents=True, exist_ok=True)
        self.journals.mkdir()
        for name in ("runwire.db", "token"):
            shutil.copyfile(template / name, data / name)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid:
            await self.kill()

    @property
    def database(self) -> Path:
        """The database file."""
        return self.data / "runwire.db"

    @property
    def address(self) -> Address:
        """Where it listens, and the first-start token."""
        return Address(HOST, self.port, (self.data / "token").read_text(encoding="ascii").strip())

    @property
    def log(self) -> str:
        """Everything that it has printed."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    # Life and death

    def spawn(self, failpoint: str | None = None) -> None:
        """Start a process without waiting for it."""
        assert not self.pid, "it runs already"
        if (self.data / "address").exists():
            (self.data / "address").unlink()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNWIRE_")}
        own = {f"RUNWIRE_{name}": value for name, value in self.settings.items()}
        env = {**kept, **ENVIRONMENT, **own, **({"RUNWIRE_FAILPOINT": failpoint} if failpoint else {})}
        argv = ["serve", "--port", str(self.port), "--data", str(self.data), "--test-mode"]
        self.pid = self._zygote.spawn(argv, env, self.log_file)

    async def start(self, failpoint: str | None = None) -> bool:
        """Start a process and wait until it listens; False if it ended before."""
        self.spawn(failpoint)
        return await self.listening()

    async def listening(self) -> bool:
        """Wait until it listens; False if it has ended instead (and is reaped)."""
        deadline = time.monotonic() + START_S
        while not (self.data / "address").exists():
            if await self._gone(0.003):
                self.reap()
                return False
            assert time.monotonic() < deadline, f"the server does not start: {self.log[-3000:]}"
        return True

    async def _gone(self, timeout_s: float) -> bool:
        """Wait until the process has ended (it may be a zombie); False after ``timeout_s`` seconds."""
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()
        descriptor = os.pidfd_open(self.pid)
        try:
            loop.add_reader(descriptor, _settle, gone)
            done, _ = await asyncio.wait((gone,), timeout=timeout_s)
            return bool(done)
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def reap(self) -> int:
        """Collect a process that has ended; return its exit code."""
        pid, self.pid = self.pid, 0
        return self._zygote.reap(pid)

    async def ended(self, timeout_s: float) -> int:
        """Wait for its end and return the exit code, negative for a signal. Raises TimeoutError."""
        if not await self._gone(timeout_s):
            raise TimeoutError(f"the server did not end within {timeout_s} s: {self.log[-2000:]}")
        return self.reap()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP freezes it, SIGCONT thaws it."""
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """``kill -9``, frozen or not."""
        self.signal(signal.SIGKILL)
        await self.ended(5.0)

    async def admin(self, *command: str) -> int:
        """Run an admin command on the data folder beside the server; return its exit code."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNWIRE_")}
        argv = [*command, "--data", str(self.data)]
        pid = self._zygote.spawn(argv, kept, self.log_file)
        return await asyncio.to_thread(self._zygote.reap, pid)

    # Requests

    async def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Make an HTTP request; return status and JSON body."""
        return await call(self.address, method, path, body)

    async def run(self, agent: str, value: Any, run_id: str | None = None, **more: Any) -> str:
        """Start a run and return its id."""
        body = {"agent": agent, "input": value, **more, **({"run_id": run_id} if run_id else {})}
        status, answer = await self.request("POST", "/v1/runs", body)
        assert status in (200, 202), (status, answer)
        return str(answer["id"] if "id" in answer else answer["run_id"])

    async def status(self, run_id: str) -> dict[str, Any]:
        """Return a run as HTTP tells it."""
        code, answer = await self.request("GET", f"/v1/runs/{run_id}")
        assert code == 200, (code, answer)
        assert isinstance(answer, dict)
        return answer

    async def until_ended(self, run_id: str, timeout_s: float) -> dict[str, Any]:
        """Poll until a run has ended; return it."""
        async with asyncio.timeout(timeout_s):
            while True:
                run = await self.status(run_id)
                if run["status"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                    return run
                await asyncio.sleep(0.02)

    def logs(self) -> dict[str, StoredLog]:
        """Read every run's log from the database."""
        return read_logs(self.database)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])
