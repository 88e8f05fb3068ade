"""The processes below one, from /proc (proc(5)): who they are, what they use, and their end. Floor 5; any thread.

Parents are followed, not groups or sessions: a process that made itself the leader of a new session is found all the
same, since whoever is orphaned below a subreaper (prctl(2)) becomes its child.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class TreeUse:
    """What some processes use: how many they are, their resident bytes, and the CPU seconds of themselves and of the
    children that they have waited for.
    """

    processes: int
    resident_bytes: int
    cpu_s: float


def descendants(pid: int) -> list[int]:
    """Return the processes below ``pid``, without itself, as they were found one after the other."""
    found: list[int] = []
    for one in _each(pid, found):
        found += children(one)
    return found


def _each(pid: int, found: list[int]) -> Iterable[int]:
    yield pid
    yield from found  # which grows while it is walked


def children(pid: int) -> list[int]:
    """Return the processes whose parent is ``pid``."""
    found: list[int] = []
    with suppress(OSError):  # it has ended meanwhile
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def use_of(pids: Iterable[int]) -> TreeUse:
    """Return what the living ones of ``pids`` use."""
    processes = pages = ticks = 0
    for pid in pids:
        with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before it may hold anything
            if fields[0] in (b"Z", b"X"):
                continue
            processes += 1
            ticks += sum(map(int, fields[11:15]))
            pages += int(fields[21])
    return TreeUse(processes, pages * _PAGE_BYTES, ticks / _TICKS_PER_S)


def kill_all(pids: Iterable[int]) -> None:
    """Send SIGKILL; whoever is gone already is no error."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
