"""Owns the fork server: starts it, hands it requests, starts it again should it end. Floor 5.

One thread, ``runwire-fork-server``, does nothing but start it and wait for its end, because the kernel ties "die with
your parent" to the thread that made a process: it lives as long as the server does. :meth:`launch` is any thread's.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Protocol

import structlog

from runwire.errors import WorldError
from runwire.threads import OwnedThread

log = structlog.get_logger(__name__)

LAUNCH_S = 2.0
"""How long a request waits for a fork server that is being started again, or that reads no requests."""

RESTART_S = 0.5
"""Pause before a fork server that has ended is started again."""


_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from {module} import main; main(int(sys.argv[1]))"
"""Finds modules where the server does; as ``PYTHONPATH`` that would reach every program that an agent starts."""


class NoForkServer(WorldError):
    """No process can be started."""

    code = "startup_failed"


class Launcher(Protocol):
    """What starts a guard with its run's two sockets."""

    def launch(self, link: socket.socket, control: socket.socket) -> None:
        """Have a guard started, which gets copies of both; the caller closes its own. Raises NoForkServer."""


class ForkServerHost:
    """Implements :class:`Launcher` by a fork server of its own."""

    def __init__(self, module: str, config: bytes, environment: Mapping[str, str]) -> None:
        """``module`` has a ``main``, called with the number of the request socket; ``config`` is the first thing that
        it reads there; ``environment`` is all that it and its runs see of the server's.
        """
        self._program = _PROGRAM.format(module=module)
        self._config = config
        self._environment = dict(environment)
        self._changed = threading.Condition(threading.Lock())
        self._requests: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._thread = OwnedThread("runwire-fork-server", self._keep)

    def start(self) -> None:
        """Start it in the background; requests wait in their socket until it has imported the agents."""
        self._thread.start()

    def launch(self, link: socket.socket, control: socket.socket) -> None:
        """Have a guard started. Raises NoForkServer within 4 s."""
        ended: socket.socket | None = None
        deadline = time.monotonic() + LAUNCH_S
        with self._changed:
            while True:
                self._changed.wait_for(partial(self._takes_requests, ended), deadline - time.monotonic())
                if self._requests is None or self._requests is ended:
                    raise NoForkServer("the fork server could not be started; the server's log says why")
                try:
                    socket.send_fds(self._requests, [b"run"], [link.fileno(), control.fileno()])
                    return
                except (BrokenPipeError, ConnectionResetError):  # it ended this moment: the next one is on its way
                    ended = self._requests
                except OSError as error:
                    raise NoForkServer(f"the fork server takes no requests: {error.strerror or error}") from error

    def _takes_requests(self, ended: socket.socket | None) -> bool:
        return self._closing or self._requests not in (None, ended)

    def close(self, timeout_s: float) -> None:
        """End it and every run below it; after ``timeout_s`` seconds it is killed. Idempotent."""
        with self._changed:
            self._closing = True
            requests, self._requests, process = self._requests, None, self._process
            self._changed.notify_all()
        if requests is not None:
            requests.close()
        if not self._thread.join(timeout_s) and process is not None:
            process.kill()
            self._thread.join(1.0)

    @property
    def pid(self) -> int | None:
        """The process id of the fork server, None while there is none."""
        process = self._process
        return None if process is None else process.pid

    # Its own thread

    def _keep(self) -> None:
        while (process := self._spawn()) is not None:
            code = process.wait()
            with self._changed:
                requests, self._requests = self._requests, None
                if self._closing:
                    return
            if requests is not None:
                requests.close()
            log.error("fork_server.ended", code=code, restart_s=RESTART_S)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, RESTART_S)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        """Start a fork server; None if it is wanted no longer."""
        with self._changed:
            if self._closing:
                return None
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.settimeout(LAUNCH_S)
            with its:
                self._process = subprocess.Popen(
                    (sys.executable, "-P", "-c", self._program, str(its.fileno()), *sys.path),
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    pass_fds=(its.fileno(),),
                    start_new_session=True,  # Ctrl-C in the terminal is the server's to deal with
                )
            ours.send(self._config)
            self._requests = ours
            self._changed.notify_all()
            return self._process
