"""What a process holds, from /proc: descriptors, threads, children, memory. Linux only; any thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at one moment."""

    descriptors: int
    threads: int
    children: int
    memory_kib: int


def held(pid: int) -> Held:
    """Look at a process. ``memory_kib`` is what it alone holds (USS), so that pages shared with a fork do not count."""
    folder = Path("/proc") / str(pid)
    return Held(
        len(os.listdir(folder / "fd")),
        len(os.listdir(folder / "task")),
        sum(len(path.read_text().split()) for path in (folder / "task").glob("*/children")),
        _own_memory_kib(folder),
    )


def _own_memory_kib(folder: Path) -> int:
    total = 0
    for line in (folder / "smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1])
    return total
