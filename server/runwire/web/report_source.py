"""Gathers what a report tells: runs, steps, screenshots, videos, within bounds. Floor 6."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.artifacts import Artifact, ArtifactStore
from runwire.contracts.test_runs import SuiteMember, SuiteRun, TaskLink
from runwire.errors import NotFound
from runwire.protocol.run_steps import RunFacts, RunStep, ending_of, steps_of
from runwire.reports.report import Ending, Picture, Report, ReportedRun, ending
from runwire.web.services import Services

PICTURE_BYTES = 2 * 1024 * 1024
"""Largest screenshot in a report; one of a page of ordinary size has a tenth of it."""
PICTURES_BYTES = 12 * 1024 * 1024
"""All screenshots and videos of a report together: the page is a third longer, and is made in memory."""
VIDEO_BYTES = 4 * 1024 * 1024
"""Largest video in a report: some minutes of an ordinary test. Any other is among its run's artifacts."""
_INLINE = frozenset({"image/png", "image/jpeg", "image/webp", "video/webm"})


async def report_of_run(services: Services, run: OwnedRun, user: User) -> Report:
    """Return the report of one run. Raises NotFound if it has no steps."""
    link = (await services.tests.runs.links([run.run_id], user)).get(run.run_id)
    reported = await asyncio.to_thread(_reported, services, run, link)
    if not reported.steps:
        raise NotFound("this run has no steps to report")
    return await asyncio.to_thread(_with_pictures, services.artifacts, reported.name, run.record.created_ms, [reported])


async def report_of_suite(services: Services, suite: SuiteRun, members: Sequence[SuiteMember], user: User) -> Report:
    """Return the report of a suite run as it is now."""
    runs: list[ReportedRun] = []
    for member in members:
        try:
            run = await services.store.get(member.link.run_id, user)
        except NotFound:  # deleted since the members were read
            continue
        runs.append(await asyncio.to_thread(_reported, services, run, member.link))
    return await asyncio.to_thread(_with_pictures, services.artifacts, suite.name, suite.created_ms, runs)


def _reported(services: Services, run: OwnedRun, link: TaskLink | None) -> ReportedRun:
    record = run.record
    facts = RunFacts(record.id, record.status, record.attempt, record.input, record.terminal)
    steps = steps_of(facts, services.traversals.read(record.id))
    task = None if link is None or link.task_id is None else f"{link.task_id}, version {link.task_version}"
    return ReportedRun(
        run_id=record.id,
        name=steps.name,
        task=task,
        configuration=None if link is None else link.configuration,
        browser=steps.browser,
        ending=ending(record.status, steps.verdict),
        error=ending_of(record.terminal).error,
        created_ms=record.created_ms,
        started_ms=record.started_ms,
        ended_ms=record.ended_ms,
        steps=steps.steps,
    )


class _Room:
    """What a report may still hold, and how much it could not."""

    def __init__(self) -> None:
        self._left = PICTURES_BYTES
        self.left_out = 0

    def take(self, stored: tuple[Artifact, Path] | None, most_bytes: int) -> Picture | None:
        """Return what is stored, if it is there, can be shown and fits."""
        if stored is None or stored[0].mime not in _INLINE:
            return None
        artifact, path = stored
        if artifact.size_bytes > min(self._left, most_bytes):
            self.left_out += 1
            return None
        self._left -= artifact.size_bytes
        return Picture(path.read_bytes(), artifact.mime)


def _with_pictures(store: ArtifactStore, name: str, created_ms: int, runs: Sequence[ReportedRun]) -> Report:
    """Return the report with as many screenshots as fit: of failed steps first, then of each run's last one; and then
    as many videos, of runs that did not pass first.
    """
    room = _Room()
    found: dict[str, dict[str, Picture]] = {run.run_id: {} for run in runs}
    for run, step in sorted(_pictured(runs), key=_importance):
        artifact_id = step.artifact_id or ""
        if picture := room.take(store.find(run.run_id, artifact_id), PICTURE_BYTES):
            found[run.run_id][artifact_id] = picture
    videos: dict[str, Picture] = {}
    for run in sorted(runs, key=lambda run: run.ending is Ending.PASSED):
        newest = next((one for one in reversed(store.list(run.run_id)) if one.kind == "video"), None)
        if newest is not None and (video := room.take(store.find(run.run_id, newest.id), VIDEO_BYTES)):
            videos[run.run_id] = video
    shown = [replace(run, pictures=found[run.run_id], video=videos.get(run.run_id)) for run in runs]
    return Report(name, created_ms, shown, room.left_out)


def _pictured(runs: Iterable[ReportedRun]) -> list[tuple[ReportedRun, RunStep]]:
    return [(run, step) for run in runs for step in run.steps if step.artifact_id is not None]


def _importance(one: tuple[ReportedRun, RunStep]) -> int:
    run, step = one
    if step.status == "FAILED":
        return 0
    last = next((other for other in reversed(run.steps) if other.artifact_id is not None), None)
    return 1 if step is last else 2
