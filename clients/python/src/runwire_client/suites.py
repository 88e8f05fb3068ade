"""Many browser tests run as one request. One event loop; ``AsyncRunwire.suites``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from runwire_client.address import checked_id, checked_run_id, new_run_id
from runwire_client.browser_tests import Priority, ReportFormat
from runwire_client.entries import RunStatus, Verdict
from runwire_client.errors import DeadlineExceeded, NotFound
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor
from runwire_client.records import RunResult

FOLLOWED_AT_ONCE: Final = 8
"""Runs of a suite that are followed at once while its end is waited for; the server runs five by default."""

Follow = Callable[[str], Awaitable[RunResult]]
"""Waits for a run's end."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A version of a saved suite."""

    id: str
    name: str
    version: int
    created_ms: int
    tests: Sequence[Mapping[str, Any]]
    configurations: Sequence[str]


@dataclass(frozen=True, slots=True)
class SuiteMember:
    """One run of a suite run."""

    run_id: str
    name: str
    task_id: str | None
    browser_config_id: str | None
    status: RunStatus
    verdict: Verdict | None
    started_ms: int | None
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A suite run as one read saw it; ``status`` is QUEUED, RUNNING or ENDED, ``counts`` are by what has become of its
    runs."""

    id: str
    name: str
    suite_id: str | None
    created_ms: int
    status: str
    verdict: Verdict | None
    counts: Mapping[str, int]
    runs: tuple[SuiteMember, ...]


class Suites:
    """The suites of the client's user."""

    def __init__(self, http: HttpDoor, follow: Follow) -> None:
        self._http = http
        self._follow = follow

    async def create(
        self,
        name: str,
        tests: Sequence[Mapping[str, Any]],
        configurations: Sequence[str] = (),
        *,
        suite_id: str | None = None,
    ) -> Suite:
        """Save a suite of tests (``{"task": id}`` or ``{"test": …}``) and ids of browser configurations.

        Raises InvalidInput, Conflict (the id is taken).
        """
        body = {"id": suite_id or new_run_id(), **_suite(name, tests, configurations)}
        return read_suite(await self._http.call("POST", "/v1/suites", body=body))

    async def save(
        self, suite_id: str, name: str, tests: Sequence[Mapping[str, Any]], configurations: Sequence[str] = ()
    ) -> Suite:
        """Save the next version. Raises NotFound, InvalidInput."""
        return read_suite(await self._http.call("PUT", _path(suite_id), body=_suite(name, tests, configurations)))

    async def get(self, suite_id: str) -> Suite:
        """Return the newest version. Raises NotFound."""
        return read_suite(await self._http.get(_path(suite_id)))

    async def list(self, *, limit: int = 50) -> AsyncGenerator[Suite, None]:
        """Yield them by id, page by page as they are consumed; ``limit`` is the size of a page."""
        async with aclosing(self._http.pages("/v1/suites", "after", {"limit": limit}, read_suite)) as rows:
            async for row in rows:
                yield row

    async def delete(self, suite_id: str) -> None:
        """Delete it; its runs stay. Raises NotFound."""
        await self._http.call("DELETE", _path(suite_id))

    async def run(self, suite_id: str, *, priority: Priority = "normal") -> SuiteRun:
        """Run a saved suite. Raises NotFound, OverCapacity: not all of its runs may wait; none was started."""
        body = {"id": new_run_id(), "priority": priority}
        return read_suite_run(await self._http.call("POST", f"{_path(suite_id)}/run", body=body))

    async def start(
        self,
        name: str,
        tests: Sequence[Mapping[str, Any]],
        configurations: Sequence[str] = (),
        *,
        priority: Priority = "normal",
    ) -> SuiteRun:
        """Run tests together without saving them: all of them, or none.

        Raises InvalidInput, NotFound, OverCapacity.
        """
        body = {"id": new_run_id(), "priority": priority, **_suite(name, tests, configurations)}
        return read_suite_run(await self._http.call("POST", "/v1/suite-runs", body=body))

    async def get_run(self, suite_run_id: str) -> SuiteRun:
        """Return a suite run. Raises NotFound."""
        return read_suite_run(await self._http.get(_run_path(suite_run_id)))

    async def cancel(self, suite_run_id: str) -> None:
        """Ask each run of it that has not ended to stop. Raises NotFound."""
        await self._http.call("POST", f"{_run_path(suite_run_id)}/cancel", body={})

    async def ends(self, suite_run: SuiteRun) -> AsyncGenerator[SuiteMember, None]:
        """Yield its runs as they end, with their status and verdict; deleted ones never. Raises as
        ``AsyncRunwire.result``.
        """
        slots = asyncio.Semaphore(FOLLOWED_AT_ONCE)

        async def end_of(member: SuiteMember) -> SuiteMember | None:
            async with slots:
                try:
                    result = await self._follow(member.run_id)
                except NotFound:  # deleted meanwhile
                    return None
            return replace(member, status=result.status, verdict=result.verdict)

        tasks = [asyncio.create_task(end_of(member)) for member in suite_run.runs]
        try:
            for ended in asyncio.as_completed(tasks):
                member = await ended
                if member is not None:
                    yield member
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def result(self, suite_run_id: str, timeout_s: float | None = None) -> SuiteRun:
        """Wait for its end and return it; the waiting is done on sockets, not by asking again and again.

        Raises:
            NotFound; DeadlineExceeded: ``timeout_s`` seconds have passed; the runs go on.
        """
        try:
            async with asyncio.timeout(timeout_s):
                async with aclosing(self.ends(await self.get_run(suite_run_id))) as members:
                    async for _ in members:
                        pass
                return await self.get_run(suite_run_id)
        except DeadlineExceeded:
            raise
        except TimeoutError as error:
            raise DeadlineExceeded(f"suite run {suite_run_id} has not ended in time ({timeout_s:g} s)") from error

    async def report(self, suite_run_id: str, format: ReportFormat = "html") -> AsyncGenerator[bytes, None]:
        """Yield the pieces of its report: one HTML page, or JUnit XML. Raises NotFound."""
        async with aclosing(self._http.download(f"{_run_path(suite_run_id)}/report.{format}")) as pieces:
            async for piece in pieces:
                yield piece


def read_suite(value: object) -> Suite:
    """Return a saved suite. Raises ProtocolViolation."""
    fields = Fields(value, "suite")
    return Suite(
        id=fields.text("id"),
        name=fields.text("name"),
        version=fields.whole("version"),
        created_ms=fields.whole("created_ms"),
        tests=fields.rows("tests"),
        configurations=fields.rows("configurations"),
    )


def read_suite_run(value: object) -> SuiteRun:
    """Return a suite run. Raises ProtocolViolation."""
    fields = Fields(value, "suite run")
    return SuiteRun(
        id=fields.text("id"),
        name=fields.text("name"),
        suite_id=fields.text_or_none("suite_id"),
        created_ms=fields.whole("created_ms"),
        status=fields.text("status"),
        verdict=fields.word_or_none("verdict", Verdict),
        counts=fields.object("counts").values,
        runs=tuple(_read_member(row) for row in fields.rows("runs")),
    )


def _read_member(value: object) -> SuiteMember:
    fields = Fields(value, "suite run.runs")
    return SuiteMember(
        run_id=fields.text("run_id"),
        name=fields.text("name"),
        task_id=fields.text_or_none("task_id"),
        browser_config_id=fields.text_or_none("browser_config_id"),
        status=fields.word("current_state", RunStatus),
        verdict=fields.word_or_none("verdict", Verdict),
        started_ms=fields.whole_or_none("started_ms"),
        ended_ms=fields.whole_or_none("ended_ms"),
    )


def _suite(name: str, tests: Sequence[Mapping[str, Any]], configurations: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "tests": [dict(test) for test in tests], "configurations": list(configurations)}


def _path(suite_id: str) -> str:
    return f"/v1/suites/{checked_id(suite_id, 'suite id')}"


def _run_path(suite_run_id: str) -> str:
    return f"/v1/suite-runs/{checked_run_id(suite_run_id)}"
