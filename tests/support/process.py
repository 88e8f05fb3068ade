"""A server in a process of its own, as users start it: for signals, kills and exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runwire.persistence.data_folder import address_file, token_file
from tests.support.agents import PATHS
from tests.support.deadlines import CONNECT_S, eventually

ROOT = Path(__file__).resolve().parents[2]
PYTHONPATH = os.pathsep.join((str(ROOT / "server"), str(ROOT)))
"""This checkout's server and the test agents, whatever is installed."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a command: nothing of ``RUNWIRE_…`` but what is given, and the test agents."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUNWIRE_")}
    return {**kept, "PYTHONPATH": PYTHONPATH, "PYTHONUNBUFFERED": "1", **more}


def command(*arguments: str) -> list[str]:
    """Return the ``runwire`` command with its arguments."""
    return [sys.executable, "-m", "runwire", *arguments]


def run_command(
    *arguments: str, cwd: Path, limit_s: float = 9.0, env: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a ``runwire`` command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**(env or {})),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


class ServerProcess:
    """``runwire serve`` on a free port."""

    def __init__(
        self, data: Path, *, agents: Sequence[str] = PATHS, modules: Path | None = None, **settings: Any
    ) -> None:
        """``modules`` is a folder to import agents from, ``settings`` become flags; True one without a value."""
        self.data = data
        self._output = data.parent / f"{data.name}.{time.monotonic_ns()}.log"
        flags = [
            f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in settings.items()
        ]
        address_file(data).unlink(missing_ok=True)
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command("serve", "--port=0", f"--data={data}", f"--agents={','.join(agents)}", *flags),
                cwd=data.parent,
                env=environment(**({} if modules is None else {"PYTHONPATH": f"{PYTHONPATH}{os.pathsep}{modules}"})),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def wait_listening(self) -> ServerProcess:
        """Wait until it listens."""

        def listening() -> bool:
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.output}"
            return address_file(self.data).exists()

        eventually(listening, "the server listens", CONNECT_S)
        return self

    @property
    def origin(self) -> str:
        """Where it listens."""
        return address_file(self.data).read_text(encoding="utf-8").strip()

    @property
    def ws_origin(self) -> str:
        """Where sockets connect to."""
        return self.origin.replace("http", "ws", 1)

    @property
    def token(self) -> str:
        """The data folder's own token."""
        return token_file(self.data).read_text(encoding="utf-8").strip()

    def interrupt(self, limit_s: float = 5.0) -> tuple[int, float]:
        """Press Ctrl-C; return the exit code and how many seconds the end took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(limit_s)
        return code, time.monotonic() - begun

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        self.process.kill()
        self.process.wait(5)


@contextmanager
def serving(data: Path, **settings: Any) -> Iterator[ServerProcess]:
    """Run a server for a block; it is killed at the end if it still runs."""
    server = ServerProcess(data, **settings)
    try:
        yield server.wait_listening()
    finally:
        if server.process.poll() is None:
            server.kill()
