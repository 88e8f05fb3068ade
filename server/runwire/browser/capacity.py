"""Whether the machine has room for one more browser run. Floor 4; any thread; reads /proc and the group's limits.

A run that finds none should stay queued and say why: a browser started in the last free memory takes the server along.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""The limits of a container, where version 2 of control groups is mounted; elsewhere the machine's memory counts."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is free now; None means unknown or unlimited."""

    memory_bytes: int | None
    descriptors: int | None


def why_full(room: Room, reserve_bytes: int, reserve_descriptors: int) -> str | None:
    """Return why no further browser run should start, or None."""
    if room.memory_bytes is not None and room.memory_bytes < reserve_bytes:
        return f"{_mb(room.memory_bytes)} MB of memory are free, a browser run needs {_mb(reserve_bytes)} MB in reserve"
    if room.descriptors is not None and room.descriptors < reserve_descriptors:
        return f"{room.descriptors} file descriptors are free, a browser run needs {reserve_descriptors} in reserve"
    return None


def room_now() -> Room:
    """Return what is free: memory of the machine and of the control group, descriptors of this process."""
    known = [free for free in (_available(), _group_free()) if free is not None]
    return Room(min(known, default=None), _descriptors_free())


def _available() -> int | None:
    try:
        lines = MEMINFO.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None


def _group_free() -> int | None:
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    # Cached files count as used, but go when memory is asked for.
    return None if limit == "max" else int(limit) - used + int(stat.get("inactive_file", 0))


def _descriptors_free() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        return None if limit == resource.RLIM_INFINITY else limit - len(os.listdir("/proc/self/fd"))
    except OSError:
        return None


def _mb(size_bytes: int) -> int:
    return round(size_bytes / 1_000_000)
