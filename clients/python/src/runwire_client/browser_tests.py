"""A user's saved browser tests and configurations, and their runs. One event loop; ``AsyncRunwire.tests``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from runwire_client.address import checked_id, checked_run_id, new_run_id
from runwire_client.decode import decode_failure
from runwire_client.entries import RunFailure, RunStatus, Verdict
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor

Priority = Literal["high", "normal", "low"]
ReportFormat = Literal["html", "xml"]


@dataclass(frozen=True, slots=True)
class SavedTest:
    """A version of a saved test; ``test`` and ``text`` (what it was given as, if a text) are None in lists."""

    id: str
    name: str
    version: int
    created_ms: int
    test: Mapping[str, Any] | None
    text: str | None


@dataclass(frozen=True, slots=True)
class BrowserConfig:
    """A version of a browser configuration."""

    id: str
    name: str
    version: int
    created_ms: int
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TestStep:
    """A step of a test run; ``status`` is PASSED, FAILED, SKIPPED, PENDING or NOT_FINISHED, ``facts`` all that is
    known of it."""

    __test__ = False  # pytest takes a class of this name for tests
    index: int
    text: str
    status: str
    error: str | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TestRun:
    """A run of a browser test; ``steps`` is empty in lists."""

    __test__ = False  # pytest takes a class of this name for tests
    id: str
    status: RunStatus
    verdict: Verdict | None
    error: RunFailure | None
    task_id: str | None
    task_version: int | None
    browser_config_id: str | None
    suite_run_id: str | None
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    steps: tuple[TestStep, ...]


class BrowserConfigs:
    """The browser configurations of the client's user."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def create(
        self, options: Mapping[str, Any], *, config_id: str | None = None, name: str | None = None
    ) -> BrowserConfig:
        """Save one. Raises InvalidInput, Conflict (the id is taken)."""
        body: dict[str, Any] = {"id": config_id or new_run_id(), "options": dict(options)}
        if name is not None:
            body["name"] = name
        return read_config(await self._http.call("POST", "/v1/browser-configs", body=body))

    async def save(
        self, config_id: str, options: Mapping[str, Any], *, expected_version: int | None = None
    ) -> BrowserConfig:
        """Save the next version. Raises NotFound, InvalidInput, Conflict (another version is the newest)."""
        body: dict[str, Any] = {"options": dict(options)}
        if expected_version is not None:
            body["expected_version"] = expected_version
        return read_config(await self._http.call("PUT", _config_path(config_id), body=body))

    async def get(self, config_id: str) -> BrowserConfig:
        """Return the newest version. Raises NotFound."""
        return read_config(await self._http.get(_config_path(config_id)))

    async def list(self, *, limit: int = 50) -> AsyncGenerator[BrowserConfig, None]:
        """Yield them by id, page by page as they are consumed; ``limit`` is the size of a page."""
        async with aclosing(self._http.pages("/v1/browser-configs", "after", {"limit": limit}, read_config)) as rows:
            async for row in rows:
                yield row

    async def delete(self, config_id: str) -> None:
        """Delete it. Raises NotFound, Conflict (it is a test's default)."""
        await self._http.call("DELETE", _config_path(config_id))


class Tests:
    """The saved browser tests of the client's user."""

    __test__ = False  # pytest takes a class of this name for tests

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def faults(self, test: Mapping[str, Any] | str) -> tuple[str, ...]:
        """Return all that is wrong with a test, such as ``step 3: no target given``; nothing is saved."""
        checked = Fields(await self._http.call("POST", "/v1/tasks/check", body={"test": test}), "checked test")
        return tuple(Fields(row, "fault").text("message") for row in checked.rows("faults"))

    async def create(self, test: Mapping[str, Any] | str, *, task_id: str | None = None) -> SavedTest:
        """Save a test, an object or YAML or JSON text. Raises InvalidInput (which step), Conflict (the id is taken)."""
        body = {"id": task_id or new_run_id(), "test": test}
        return read_test(await self._http.call("POST", "/v1/tasks", body=body))

    async def save(
        self, task_id: str, test: Mapping[str, Any] | str, *, expected_version: int | None = None
    ) -> SavedTest:
        """Save the next version; the same test makes none. Raises NotFound, InvalidInput, Conflict."""
        body: dict[str, Any] = {"test": test}
        if expected_version is not None:
            body["expected_version"] = expected_version
        return read_test(await self._http.call("PUT", _task_path(task_id), body=body))

    async def get(self, task_id: str, version: int | None = None) -> SavedTest:
        """Return a version, None the newest. Raises NotFound."""
        path = _task_path(task_id)
        return read_test(await self._http.get(path if version is None else f"{path}/versions/{int(version)}"))

    async def list(self, *, limit: int = 50) -> AsyncGenerator[SavedTest, None]:
        """Yield them by id, page by page as they are consumed; ``limit`` is the size of a page."""
        async with aclosing(self._http.pages("/v1/tasks", "after", {"limit": limit}, read_test)) as rows:
            async for row in rows:
                yield row

    async def versions(self, task_id: str) -> tuple[SavedTest, ...]:
        """Return the versions that are kept, the newest first. Raises NotFound."""
        page = Fields(await self._http.get(f"{_task_path(task_id)}/versions"), "versions")
        return tuple(read_test(row) for row in page.rows("data"))

    async def delete(self, task_id: str) -> None:
        """Delete a test with its versions and its default configuration; its runs stay. Raises NotFound."""
        await self._http.call("DELETE", _task_path(task_id))

    async def execute(
        self,
        task_id: str,
        config_id: str | None = None,
        *,
        priority: Priority = "normal",
        run_id: str | None = None,
    ) -> str:
        """Run a saved test and return its run's id, which can be followed like any other.

        Args:
            task_id: the test.
            config_id: the browser configuration; default the test's own.
            priority: the class in which the run waits.
            run_id: an id of your own; the same id never starts a second run.

        Raises:
            NotFound: there is no such test or configuration; OverCapacity: too many wait; RunIdTaken.
        """
        config = checked_id(config_id or f"{task_id}_default", "browser configuration id")
        path = f"/test-runs/execute-configuration/{checked_id(task_id, 'test id')}/{config}"
        body = {"id": new_run_id() if run_id is None else checked_run_id(run_id), "priority": priority}
        return Fields(await self._http.call("POST", path, body=body), "test run").text("id")

    async def run(self, run_id: str) -> TestRun:
        """Return a test run with its steps so far. Raises NotFound."""
        return read_test_run(await self._http.get(f"/test-runs/{checked_run_id(run_id)}"))

    async def runs(self, task_id: str | None = None, *, limit: int = 50) -> AsyncGenerator[TestRun, None]:
        """Yield test runs, newest first, those of one test if it is named; without their steps."""
        query: dict[str, str | int] = {"limit": limit} if task_id is None else {"limit": limit, "task_id": task_id}
        async with aclosing(self._http.pages("/test-runs", "before", query, read_test_run)) as rows:
            async for row in rows:
                yield row

    async def report(self, run_id: str, format: ReportFormat = "html") -> AsyncGenerator[bytes, None]:
        """Yield the pieces of a run's report: one HTML page, or JUnit XML. Raises NotFound."""
        path = f"/v1/runs/{checked_run_id(run_id)}/report.{format}"
        async with aclosing(self._http.download(path)) as pieces:
            async for piece in pieces:
                yield piece

    async def traversal(self, run_id: str) -> Mapping[str, Any]:
        """Return what a browser run did so far (schema/traversal.json). Raises NotFound."""
        path = f"/v1/runs/{checked_run_id(run_id)}/traversal"
        return Fields(await self._http.get(path), "traversal").values

    async def input(self, run_id: str) -> Any:
        """Return what a run was started with, unchanged. Raises NotFound."""
        return Fields(await self._http.get(f"/v1/runs/{checked_run_id(run_id)}"), "run").values.get("input")


def read_test(value: object) -> SavedTest:
    """Return a saved test. Raises ProtocolViolation."""
    fields = Fields(value, "task")
    return SavedTest(
        id=fields.text("id"),
        name=fields.text("name"),
        version=fields.whole("version"),
        created_ms=fields.whole("created_ms"),
        test=fields.mapping_or_none("test"),
        text=fields.text_or_none("text"),
    )


def read_config(value: object) -> BrowserConfig:
    """Return a browser configuration. Raises ProtocolViolation."""
    fields = Fields(value, "browser configuration")
    return BrowserConfig(
        id=fields.text("id"),
        name=fields.text("name"),
        version=fields.whole("version"),
        created_ms=fields.whole("created_ms"),
        options=fields.object("options").values,
    )


def read_test_run(value: object) -> TestRun:
    """Return a test run. Raises ProtocolViolation."""
    fields = Fields(value, "test run")
    steps = fields.rows("steps") if "steps" in fields.values else []
    return TestRun(
        id=fields.text("id"),
        status=fields.word("current_state", RunStatus),
        verdict=fields.word_or_none("verdict", Verdict),
        error=decode_failure(fields.values.get("error")),
        task_id=fields.text_or_none("task_id"),
        task_version=fields.whole_or_none("task_version"),
        browser_config_id=fields.text_or_none("browser_config_id"),
        suite_run_id=fields.text_or_none("suite_run_id"),
        created_ms=fields.whole("created_ms"),
        started_ms=fields.whole_or_none("started_ms"),
        ended_ms=fields.whole_or_none("ended_ms"),
        steps=tuple(_read_step(row) for row in steps),
    )


def _read_step(value: object) -> TestStep:
    fields = Fields(value, "step")
    return TestStep(
        index=fields.whole("index", least=1),
        text=fields.text("text"),
        status=fields.text("status"),
        error=fields.text_or_none("error"),
        facts=fields.values,
    )


def _task_path(task_id: str) -> str:
    return f"/v1/tasks/{checked_id(task_id, 'test id')}"


def _config_path(config_id: str) -> str:
    return f"/v1/browser-configs/{checked_id(config_id, 'browser configuration id')}"
