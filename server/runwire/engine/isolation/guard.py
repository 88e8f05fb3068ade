"""The guard of one run: forks its worker, holds its limits, keeps its output, ends its tree, says how. Floor 5.

A process with one thread, forked by the fork server. It is the subreaper of its run: whatever the agent starts, also
what leaves its session or outlives its parent, stays below it and is killed with the rest. It ends the run when the
server's end of its socket closes, and by a signal of the kernel when the fork server is gone: no process outlives the
server.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from runwire.engine.isolation.limits import ProcessLimits
from runwire.engine.isolation.linux import adopt_orphans, die_with_parent, name_process
from runwire.engine.isolation.messages import FrameReader, Gone, Message, Signal, Started, frame
from runwire.engine.isolation.process_tree import descendants, kill_all, use_of

WATCH_S = 0.1
"""How often the limits are looked at. 0.1 s at a gigabyte a second overshoots a memory limit by 100 MB; a guess."""

WATCH_SHARE = 20
"""A look may take one twentieth of the time: a tree of many threads is looked at less often."""

REPORT_S = 10.0
"""How long the server may take to read the report."""

_READ_BYTES = 65_536
_LEFT_OUT = b"\n[... %d bytes left out ...]\n"

Work = Callable[[socket.socket], NoReturn]
"""What the worker does with its end of the link."""


def guard(parent: int, link: socket.socket, control: socket.socket, limits: ProcessLimits, work: Work) -> None:
    """Execute one run in a process below this one, which does nothing else; returns when all of it has ended.
    ``parent`` is the fork server.
    """
    die_with_parent(parent, signal.SIGTERM)
    if select.select([control], [], [], 0)[0] and not control.recv(1, socket.MSG_PEEK):
        return  # the start was given up before it began
    adopt_orphans()
    name_process("runwire-guard")
    output, written = os.pipe()
    wake, woken = socket.socketpair()
    wake.setblocking(False)
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    orphaned: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: orphaned.append(number))
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # the worker takes it once it is ready to
    guard_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for end in (control, wake, woken):
            end.close()
        os.close(output)
        _become_worker(guard_pid, link, written, work)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    link.close()
    os.close(written)
    os.set_blocking(output, False)
    _Guard(control, output, wake, pid, limits, orphaned).run()


def _become_worker(guard_pid: int, link: socket.socket, written: int, work: Work) -> NoReturn:
    """Leave the guard's session, signals and descriptors behind and do the work."""
    try:
        os.setsid()
        name_process("runwire-run")
        die_with_parent(guard_pid, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (written, 1), (written, 2)):
            os.dup2(source, target)
        for descriptor in (nothing, written):
            os.close(descriptor)
        work(link)
    except BaseException:  # the edge of the process: what happened stands in its output
        import traceback

        traceback.print_exc()
    finally:
        os._exit(70)


class _Guard:
    """The guard at work."""

    def __init__(
        self,
        control: socket.socket,
        output: int,
        wake: socket.socket,
        pid: int,
        limits: ProcessLimits,
        orphaned: list[int],
    ) -> None:
        self._control = control
        self._output = output
        self._wake = wake
        self._pid = pid
        self._limits = limits
        self._orphaned = orphaned
        self._kept = KeptOutput(limits.output_bytes)
        self._frames = FrameReader(Signal, limit_bytes=_READ_BYTES)
        self._code: int | None = None
        self._limit: str | None = None
        self._detail = ""
        self._look_at = 0.0
        self._killed = False

    def run(self) -> None:
        """Watch until the worker has ended, then end what it left and report."""
        self._tell(Started(self._pid))
        poll = select.poll()
        for descriptor in (self._control.fileno(), self._output, self._wake.fileno()):
            poll.register(descriptor, select.POLLIN)
        while self._code is None:
            self._look()
            for descriptor, _events in poll.poll(max(1, (self._look_at - time.monotonic()) * 1000)):
                if descriptor == self._output and not self._drain(1):
                    poll.unregister(self._output)
                elif descriptor == self._control.fileno():
                    self._obey()
                elif descriptor == self._wake.fileno():
                    self._wake.recv(_READ_BYTES)
            if self._orphaned:
                self._kill()
            self._reap()
        self._kill_rest()
        self._drain(_READ_BYTES)
        self._tell(Gone(self._code, self._limit, self._detail, self._kept.value()))

    def _obey(self) -> None:
        try:
            data = self._control.recv(_READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:  # the server is gone
            self._kill()
        for wish in self._frames.feed(data):
            if wish.name == "kill":
                self._kill()
            else:
                self._terminate()

    def _terminate(self) -> None:
        """Ask the worker's process group to end."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGTERM)
            return
        with suppress(ProcessLookupError):  # it has not made its session yet
            os.kill(self._pid, signal.SIGTERM)

    def _kill(self) -> None:
        self._killed = True
        kill_all([*descendants(os.getpid()), self._pid])

    def _reap(self) -> None:
        """Take the exit codes of the worker and of the orphans that came to this process."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._pid:
                    self._code = os.waitstatus_to_exitcode(status)
                    self._name_cpu()

    def _name_cpu(self) -> None:
        """A worker that the kernel ended for its CPU time shows only the signal."""
        if self._code in (-signal.SIGKILL, -signal.SIGXCPU) and not self._killed and self._limit is None:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            if used.ru_utime + used.ru_stime >= self._limits.cpu_s:
                self._limit, self._detail = "process_cpu_s", f"{self._limits.cpu_s:g} s"

    def _kill_rest(self) -> None:
        """Kill until nobody is left: whoever forks while it is killed is found in the next round."""
        pause_s = 0.001
        while left := descendants(os.getpid()):
            kill_all(left)
            self._reap()
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.05)

    def _look(self) -> None:
        """Kill a run that is over a limit."""
        now = time.monotonic()
        if now < self._look_at or self._killed:
            return
        limits, use = self._limits, use_of(descendants(os.getpid()))
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = use.cpu_s + ended.ru_utime + ended.ru_stime
        if use.resident_bytes > limits.memory_bytes:
            self._exceeded("process_memory_bytes", f"{use.resident_bytes} of {limits.memory_bytes} bytes")
        elif use.processes > limits.processes:
            self._exceeded("process_count", f"{use.processes} of {limits.processes} processes")
        elif cpu_s > limits.cpu_s + 1:  # the worker has been told before, by its own limit
            self._exceeded("process_cpu_s", f"{cpu_s:.1f} of {limits.cpu_s:g} s")
        self._look_at = now + max(WATCH_S, WATCH_SHARE * (time.monotonic() - now))

    def _exceeded(self, limit: str, detail: str) -> None:
        self._limit, self._detail = limit, detail
        self._kill()

    def _drain(self, most: int) -> bool:
        """Read what was printed, at most ``most`` pieces; return whether more may come."""
        for _ in range(most):
            try:
                data = os.read(self._output, _READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._kept.add(data)
        return True

    def _tell(self, message: Message) -> None:
        self._control.settimeout(REPORT_S)
        with suppress(OSError):  # the server is gone: nobody wants to know
            self._control.sendall(frame(message))


class KeptOutput:
    """The beginning and the end of what was written, together at most ``limit_bytes``, and how much lay between."""

    def __init__(self, limit_bytes: int) -> None:
        self._half = max(1, limit_bytes // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room else data
        surplus = len(self._tail) - self._half
        if surplus > 0:
            self._left_out += surplus
            del self._tail[:surplus]

    def value(self) -> bytes:
        """Return what was kept."""
        gap = _LEFT_OUT % self._left_out if self._left_out else b""
        return bytes(self._head + gap + self._tail)
