"""What the operating system knows about our child processes. Floor 4; any thread; Linux's /proc, read only, and
signals.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Collection
from pathlib import Path

PROFILE_PREFIX = "playwright_chromiumdev_profile-"
"""How Playwright names the folders of its temporary profiles."""
_STAT_BYTES = 4_096
"""More than the fifty numbers of a process take."""


def is_alive(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    return _state(pid) not in ("", "Z", "X")


def is_stopped(pid: int) -> bool:
    """Return whether the process is frozen by a signal."""
    return _state(pid) == "T"


def kill_group(pid: int) -> None:
    """Kill the process and, if it leads a group of its own, the whole group. A process that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def profile_folder(pid: int) -> Path | None:
    """Return the temporary profile that this Chromium was started with, or None: any other folder is not ours."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    for argument in arguments:
        if argument.startswith(b"--user-data-dir="):
            path = Path(os.fsdecode(argument.partition(b"=")[2]))
            return path if path.name.startswith(PROFILE_PREFIX) else None
    return None


def remove_profile(folder: Path) -> bool:
    """Delete a temporary profile and return whether something is left of it; any other folder is not ours."""
    if not folder.name.startswith(PROFILE_PREFIX):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return folder.exists()


def descendants(pid: int) -> tuple[int, ...]:
    """Return the pids of all living descendants of ``pid``, zombies left out."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (parent := _parent(int(entry.name))):
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            waiting.append(child)
            if is_alive(child):
                found.append(child)
    return tuple(found)


def kill_strays(driver: int, known: Collection[int], older_s: float) -> bool:
    """Kill what the driver has launched, is none of the ``known`` browsers and is older than ``older_s`` seconds.

    Returns whether there was anything unknown, be it killed or too young.
    """
    # The driver's child may be a wrapper, with the browser below it.
    unknown = [pid for pid in _children(driver) if not {pid, *descendants(pid)} & set(known)]
    for pid in unknown:
        if _age_s(pid) > older_s:
            kill_group(pid)
    return bool(unknown)


def memory_bytes(pid: int) -> int:
    """Return the memory of the process and its descendants in bytes: proportional share where the kernel tells it."""
    return sum(_memory(one) for one in (pid, *descendants(pid)))


def cpu_wait_s(pids: Collection[int]) -> float:
    """Return how many seconds the main threads of these processes have been ready to run and had no processor, in sum;
    0 where the kernel does not count it.
    """
    total_ns = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            total_ns += int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    return total_ns / 1e9


def descriptors(pid: int) -> int:
    """Return how many file descriptors the process has open; 0 if it is gone or not ours."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _children(pid: int) -> list[int]:
    pids = (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())
    return [one for one in pids if _parent(one) == pid and is_alive(one)]


def _age_s(pid: int) -> float:
    fields = _stat(pid)
    if len(fields) < 20:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return 0


def _stat(pid: int) -> list[str]:
    try:
        # Not Path.read_text: each of its seven system calls gives the interpreter lock away, on the way of every lease.
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return []
    try:
        # The name in brackets may hold blanks and brackets itself: the fields start after the last one.
        return os.read(file, _STAT_BYTES).decode().rpartition(")")[2].split()
    except OSError:
        return []
    finally:
        os.close(file)


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0
