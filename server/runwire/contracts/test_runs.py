"""The seam to runs of saved tests and of suites: which run carried out what. Floor 3; the server's loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from runwire.contracts.actors import User
from runwire.contracts.run_store import Created
from runwire.runs.record import NewRun
from runwire.runs.state import RunStatus, Verdict


@dataclass(frozen=True, slots=True)
class TaskLink:
    """What a run carries out. ``task_id`` is None for a test that is not saved; ``position`` is its place in its suite
    run, from 1."""

    run_id: str
    name: str
    task_id: str | None = None
    task_version: int | None = None
    configuration: str | None = None
    suite_run_id: str | None = None
    position: int = 1


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """Many tests run as one request; ``suite_id`` is None if the suite is not saved. Unix milliseconds."""

    id: str
    name: str
    suite_id: str | None
    created_ms: int
    runs: int


@dataclass(frozen=True, slots=True)
class SuiteMember:
    """One run of a suite run, as one read saw it."""

    link: TaskLink
    status: RunStatus
    verdict: Verdict | None
    started_ms: int | None
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class SuiteRunPage:
    """A page of suite runs, newest first; ``next`` is the mark of the following page or None."""

    data: list[SuiteRun]
    next: str | None


class TestRunStore(Protocol):
    """Test runs and suite runs in the database."""

    async def start(self, new: NewRun, link: TaskLink, actor: User) -> Created:
        """Store a run with what it carries out. Raises as ``RunStore.create``."""

    async def start_suite(self, suite: SuiteRun, runs: Sequence[tuple[NewRun, TaskLink]], actor: User) -> bool:
        """Store a suite run and its runs, all or none; return whether the actor's suite run of that id was there
        already, with as many runs.

        Raises:
            RunIdTaken: the id names another suite run.
            OverCapacity: not all of the runs may wait.
            NotFound: the runs' thread belongs to somebody else.
        """

    async def links(self, run_ids: Sequence[str], actor: User) -> Mapping[str, TaskLink]:
        """Return what the actor's runs carry out, by run; runs of no saved test and of no suite are left out."""

    async def suite_run(self, suite_run_id: str, actor: User) -> SuiteRun:
        """Return one. Raises NotFound."""

    async def members(self, suite_run_id: str, actor: User) -> Sequence[SuiteMember]:
        """Return its runs in their order; deleted ones are left out. Raises NotFound."""

    async def suite_runs(self, actor: User, before: str | None, limit: int) -> SuiteRunPage:
        """Return a page of the actor's suite runs. Raises InvalidInput for a mark that is none."""
