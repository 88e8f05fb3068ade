"""The process that has imported the agents and forks the guards of runs. Floor 5; one thread, as whoever forks must be.

Reads one request after the other: two descriptors, the worker's end of its link and the guard's end of its socket. Ends
when the server's end of the request socket closes, and by a signal of the kernel when the server is gone.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from runwire.engine.isolation.guard import Work, guard
from runwire.engine.isolation.limits import ProcessLimits
from runwire.engine.isolation.linux import adopt_orphans, die_with_parent, name_process
from runwire.engine.isolation.messages import NotStarted, frame
from runwire.engine.isolation.process_tree import children, descendants, kill_all

log = structlog.get_logger(__name__)

LAST_RUNS_S = 0.5
"""How long guards have to end their runs once the server is gone; then everything below this process is killed."""

_REQUEST_BYTES = 64


def serve(server: int, requests: socket.socket, limits: ProcessLimits, prepare: Callable[[], Work]) -> None:
    """Fork guards until the server, a process id, closes the request socket; ``prepare`` imports the agents and returns
    what a worker does.
    """
    die_with_parent(server, signal.SIGTERM)
    adopt_orphans()
    work: Work | None = None
    why = ""
    try:
        work = prepare()
    except BaseException as error:  # an agent's module may raise anything on import; each request is told
        why = f"the agents cannot be imported in the fork server: {type(error).__name__}: {error}"
        log.exception("fork_server.not_prepared")
    if len(os.listdir("/proc/self/task")) > 1:
        log.warning("fork_server.threads", advice="an agent's module starts threads on import; runs do not have them")
    gc.collect()
    gc.freeze()  # what is imported stays shared: a collection in a child would copy its pages
    name_process("runwire-forks")  # only now: whoever looks sees that it is ready
    _ForkServer(requests, limits, work, why).run()


class _ForkServer:
    """The fork server at work."""

    def __init__(self, requests: socket.socket, limits: ProcessLimits, work: Work | None, why: str) -> None:
        self._requests = requests
        self._limits = limits
        self._work = work
        self._why = why
        self._guards: set[int] = set()
        self._ending = False
        self._wake, self._woken = socket.socketpair()

    def run(self) -> None:
        """Serve requests until there can be none any more, then see every run to its end."""
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, self._end)
        poll = select.poll()
        for end in (self._requests, self._wake):
            poll.register(end, select.POLLIN)
        while not self._ending:
            for descriptor, _events in poll.poll():
                if descriptor == self._requests.fileno():
                    self._answer()
                else:
                    self._wake.recv(4096)
            self._reap()
        deadline = time.monotonic() + LAST_RUNS_S
        while self._guards and time.monotonic() < deadline:
            select.select([self._wake], [], [], 0.05)
            self._reap()
        while left := descendants(os.getpid()):
            kill_all(left)
            self._reap()
            time.sleep(0.01)

    def _end(self, _number: int, _frame: object) -> None:
        self._ending = True

    def _answer(self) -> None:
        request, descriptors, _flags, _address = socket.recv_fds(self._requests, _REQUEST_BYTES, 2)
        if not request:
            self._ending = True
            return
        link, control = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        with link, control:
            self._fork(link, control)

    def _fork(self, link: socket.socket, control: socket.socket) -> None:
        if self._work is None:
            _refuse(control, self._why)
            return
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            _refuse(control, f"no process could be started: {error.strerror}")
            return
        if pid:
            self._guards.add(pid)
            return
        try:
            signal.set_wakeup_fd(-1)
            for end in (self._requests, self._wake, self._woken):
                end.close()
            guard(parent, link, control, self._limits, self._work)
        except BaseException:  # the edge of the process
            log.exception("guard.failed")
        finally:
            os._exit(0)

    def _reap(self) -> None:
        """Take the ends of guards, and kill what one that was killed itself has left: it has come to this process."""
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._guards.discard(pid)
        for stranger in set(children(os.getpid())) - self._guards:
            log.warning("fork_server.killed_stranger", pid=stranger)
            kill_all([stranger, *descendants(stranger)])


def _refuse(control: socket.socket, why: str) -> None:
    control.setblocking(False)
    with suppress(OSError):  # it was given up meanwhile
        control.send(frame(NotStarted(why)))
