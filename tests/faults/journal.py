"""What the log has acknowledged to an agent, written down outside the server. The run's thread writes, a test reads.

One line a fact, each by one ``write`` to a file opened for appending: what is written survives ``kill -9`` of the
writer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self


class Journal:
    """The agent's side: lines ``begin N``, ``took N``, ``flush SEQ N`` of one attempt."""

    def __init__(self, folder: str, run_id: str, attempt: int) -> None:
        self._descriptor = os.open(
            Path(folder) / f"{run_id}.{attempt}", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def begin(self, number: int) -> None:
        """Note that event ``number`` (from 0) is about to be emitted."""
        self._line(f"begin {number}")

    def took(self, number: int) -> None:
        """Note that ``emit`` has returned for it."""
        self._line(f"took {number}")

    def flushed(self, seq: int, numbers: int) -> None:
        """Note that ``flush`` has returned ``seq`` after ``numbers`` events."""
        self._line(f"flush {seq} {numbers}")

    def _line(self, text: str) -> None:
        os.write(self._descriptor, f"{text}\n".encode())


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What one attempt was told: ``flushed_numbers`` of its events are committed, the newest at ``flushed_seq``.

    ``name`` is the name of its CUSTOM events, whose values count from 0.
    """

    run_id: str
    name: str
    begun_numbers: int
    flushed_seq: int
    flushed_numbers: int


def event_name(attempt: int) -> str:
    """Return the name of an attempt's events."""
    return f"journal.{attempt}"


def read_journals(folder: Path) -> list[Acknowledged]:
    """Return every attempt's acknowledgements."""
    return [_read(path) for path in sorted(folder.iterdir())]


def _read(path: Path) -> Acknowledged:
    run_id, _, attempt = path.name.partition(".")
    begun = seq = numbers = 0
    for line in path.read_text(encoding="ascii").splitlines():
        word, *values = line.split()
        if word == "begin":
            begun = int(values[0]) + 1
        elif word == "flush":
            seq, numbers = int(values[0]), int(values[1])
    return Acknowledged(run_id, event_name(int(attempt)), begun, seq, numbers)
