"""The same tests against every way to execute a run."""

from __future__ import annotations

import os

import psutil
import pytest

from tests.support.deadlines import CONNECT_S, eventually

EVERY_ISOLATION = pytest.mark.every_isolation
"""For a test, or a module's ``pytestmark``: its servers execute agents on threads, then in processes of their own."""


def wait_for_fork_servers(pid: int | None = None) -> None:
    """Wait until every fork server of a process (default: this one) has imported the agents; it takes its name then."""

    def ready() -> bool:
        names = [_name(child) for child in psutil.Process(pid or os.getpid()).children()]
        return "runwire-forks" in names and "" not in names

    eventually(ready, "the fork server is ready", CONNECT_S)


def fork_servers(pid: int | None = None) -> list[psutil.Process]:
    """Return the fork servers of a process (default: this one), among whatever else it has started."""
    return [child for child in psutil.Process(pid or os.getpid()).children() if _name(child) == "runwire-forks"]


def _name(child: psutil.Process) -> str:
    """Return what a child is called; nothing for a fork server that is not ready."""
    try:
        unready = "runwire.isolated" in " ".join(child.cmdline()) and child.name() != "runwire-forks"
        return "" if unready else child.name()
    except psutil.Error:  # it has ended
        return "ended"
