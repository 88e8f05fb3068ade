"""What the parts of ``bench.browser`` share: a line of its table, a host, percentiles. One thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from bench.procfs import memory
from runwire.browser.host import BrowserHost
from runwire.browser.settings import BrowserHostSettings

THREADS: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``met`` is None where a figure is no goal of its own."""

    what: str
    goal: str
    host: str
    kept: str = ""
    cold: str = ""
    met: bool | None = None


@contextmanager
def a_host(origin: str, slots: int = THREADS, *, shared_by: int = 5) -> Iterator[BrowserHost]:
    """Give a browser host with a first browser that is up; ``shared_by`` runs share a browser."""
    host = BrowserHost(BrowserHostSettings(slots=slots, runs_per_browser=shared_by), lambda: origin)
    try:
        yield host
    finally:
        host.close()


def p(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two values, interpolated, never beyond the largest."""
    return median(values) if percent == 50 else quantiles(values, n=100, method="inclusive")[percent - 1]


def ms(seconds: float) -> str:
    """Return milliseconds as they are printed."""
    return f"{seconds * 1000:.2f}" if seconds < 0.01 else f"{seconds * 1000:.0f}"


def pss_kib(pid: int) -> int:
    """Return a process's share of memory; 0 if it has ended meanwhile, or is not yet waited for."""
    try:
        return memory(pid).pss
    except (OSError, KeyError):
        return 0


def command_of(pid: int) -> bytes:
    """Return a process's command line; empty if it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
