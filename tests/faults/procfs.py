"""What a process holds, from /proc: descriptors, threads, children, memory. Linux only; any thread."""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at one moment. ``kinds`` counts the open descriptors by what they are."""

    kinds: Counter[str]
    threads: int
    children: int
    memory_kib: int

    @property
    def descriptors(self) -> int:
        """How many descriptors are open."""
        return self.kinds.total()


def held(pid: int) -> Held:
    """Look at a process. ``memory_kib`` is what it alone holds (USS), so that pages shared with a fork do not count."""
    folder = Path("/proc") / str(pid)
    return Held(
        _kinds(folder / "fd"),
        len(os.listdir(folder / "task")),
        sum(len(path.read_text().split()) for path in (folder / "task").glob("*/children")),
        _own_memory_kib(folder),
    )


def connections(pid: int, port: int) -> int:
    """Count the established connections that a process holds at its own ``port``."""
    found = psutil.Process(pid).net_connections("tcp")
    return sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port for c in found)


def _kinds(folder: Path) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # closed since
            kinds[re.sub(r":\[\d+\]$", "", os.readlink(folder / name)).rsplit("/", 1)[-1]] += 1
    return kinds


def _own_memory_kib(folder: Path) -> int:
    total = 0
    for line in (folder / "smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1])
    return total
