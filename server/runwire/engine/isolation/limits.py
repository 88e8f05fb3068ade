"""What a run's processes may use, together. Floor 5; values only."""

from __future__ import annotations

import msgspec


class ProcessLimits(msgspec.Struct, frozen=True):
    """Limits of one run's whole tree of processes, but ``file_bytes`` and ``open_files``, which hold for each process.

    ``memory_bytes`` is the sum of the resident sizes, in which a page that two processes share counts twice.
    """

    cpu_s: float
    memory_bytes: int
    processes: int
    file_bytes: int
    open_files: int
    output_bytes: int
