"""CPU time and memory of a process from /proc (proc(5)). Any process of the benchmark; Linux only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Final

_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in KiB: ``rss`` counts shared pages whole, ``pss`` divided by their users, ``uss`` not at all."""

    rss: int
    pss: int
    uss: int


def cpu_s(pid: int) -> float:
    """Return the seconds of CPU that all threads of ``pid`` (living and ended) have used; resolution 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def memory(pid: int) -> Memory:
    """Return the memory of ``pid`` now."""
    sizes: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0])
    return Memory(sizes["Rss"], sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"])


def idle_share(seconds: float) -> float:
    """Watch the machine for ``seconds`` and return which share of all its CPU time was idle, 0 to 1."""
    before = _machine_ticks()
    sleep(seconds)
    idle, total = (now - then for now, then in zip(_machine_ticks(), before, strict=True))
    return idle / total if total else 0.0


def _machine_ticks() -> tuple[int, int]:
    numbers = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)
