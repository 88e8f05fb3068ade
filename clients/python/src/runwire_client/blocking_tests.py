"""Tests and suites of ``Runwire``; arguments and errors are those of the asynchronous ones. Any thread; no logic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runwire_client.blocking_parts import Each, Wait
from runwire_client.browser_tests import BrowserConfig, BrowserConfigs, ReportFormat, SavedTest, TestRun, Tests
from runwire_client.suites import Suite, SuiteMember, SuiteRun, Suites


class BlockingBrowserConfigs:
    """The user's browser configurations, as AsyncRunwire.browser_configs."""

    def __init__(self, parts: BrowserConfigs, wait: Wait, each: Each) -> None:
        self._parts = parts
        self._wait = wait
        self._each = each

    def create(self, options: Mapping[str, Any], **more: Any) -> BrowserConfig:
        """Save one."""
        return self._wait(self._parts.create(options, **more))

    def save(self, config_id: str, options: Mapping[str, Any], **more: Any) -> BrowserConfig:
        """Save the next version."""
        return self._wait(self._parts.save(config_id, options, **more))

    def get(self, config_id: str) -> BrowserConfig:
        """Return the newest version."""
        return self._wait(self._parts.get(config_id))

    def list(self, *, limit: int = 50) -> Iterator[BrowserConfig]:
        """Yield them by id."""
        return self._each(self._parts.list(limit=limit))

    def delete(self, config_id: str) -> None:
        """Delete it."""
        self._wait(self._parts.delete(config_id))


class BlockingTests:
    """The user's saved tests, as AsyncRunwire.tests."""

    def __init__(self, parts: Tests, wait: Wait, each: Each) -> None:
        self._parts = parts
        self._wait = wait
        self._each = each

    def faults(self, test: Mapping[str, Any] | str) -> tuple[str, ...]:
        """Return all that is wrong with a test; nothing is saved."""
        return self._wait(self._parts.faults(test))

    def create(self, test: Mapping[str, Any] | str, *, task_id: str | None = None) -> SavedTest:
        """Save a test."""
        return self._wait(self._parts.create(test, task_id=task_id))

    def save(self, task_id: str, test: Mapping[str, Any] | str, *, expected_version: int | None = None) -> SavedTest:
        """Save the next version."""
        return self._wait(self._parts.save(task_id, test, expected_version=expected_version))

    def get(self, task_id: str, version: int | None = None) -> SavedTest:
        """Return a version."""
        return self._wait(self._parts.get(task_id, version))

    def list(self, *, limit: int = 50) -> Iterator[SavedTest]:
        """Yield them by id."""
        return self._each(self._parts.list(limit=limit))

    def versions(self, task_id: str) -> tuple[SavedTest, ...]:
        """Return the versions, the newest first."""
        return self._wait(self._parts.versions(task_id))

    def delete(self, task_id: str) -> None:
        """Delete a test with its versions."""
        self._wait(self._parts.delete(task_id))

    def execute(self, task_id: str, config_id: str | None = None, **more: Any) -> str:
        """Run a saved test and return its run's id."""
        return self._wait(self._parts.execute(task_id, config_id, **more))

    def run(self, run_id: str) -> TestRun:
        """Return a test run with its steps so far."""
        return self._wait(self._parts.run(run_id))

    def runs(self, task_id: str | None = None, *, limit: int = 50) -> Iterator[TestRun]:
        """Yield test runs, newest first."""
        return self._each(self._parts.runs(task_id, limit=limit))

    def report(self, run_id: str, format: ReportFormat = "html") -> Iterator[bytes]:
        """Yield the pieces of a run's report."""
        return self._each(self._parts.report(run_id, format))

    def traversal(self, run_id: str) -> Mapping[str, Any]:
        """Return what a browser run did so far."""
        return self._wait(self._parts.traversal(run_id))

    def input(self, run_id: str) -> Any:
        """Return what a run was started with."""
        return self._wait(self._parts.input(run_id))


class BlockingSuites:
    """The user's suites, as AsyncRunwire.suites."""

    def __init__(self, parts: Suites, wait: Wait, each: Each) -> None:
        self._parts = parts
        self._wait = wait
        self._each = each

    def create(
        self,
        name: str,
        tests: Sequence[Mapping[str, Any]],
        configurations: Sequence[str] = (),
        *,
        suite_id: str | None = None,
    ) -> Suite:
        """Save a suite."""
        return self._wait(self._parts.create(name, tests, configurations, suite_id=suite_id))

    def save(
        self, suite_id: str, name: str, tests: Sequence[Mapping[str, Any]], configurations: Sequence[str] = ()
    ) -> Suite:
        """Save the next version."""
        return self._wait(self._parts.save(suite_id, name, tests, configurations))

    def get(self, suite_id: str) -> Suite:
        """Return the newest version."""
        return self._wait(self._parts.get(suite_id))

    def list(self, *, limit: int = 50) -> Iterator[Suite]:
        """Yield them by id."""
        return self._each(self._parts.list(limit=limit))

    def delete(self, suite_id: str) -> None:
        """Delete it."""
        self._wait(self._parts.delete(suite_id))

    def run(self, suite_id: str, **more: Any) -> SuiteRun:
        """Run a saved suite."""
        return self._wait(self._parts.run(suite_id, **more))

    def start(
        self, name: str, tests: Sequence[Mapping[str, Any]], configurations: Sequence[str] = (), **more: Any
    ) -> SuiteRun:
        """Run tests together without saving them."""
        return self._wait(self._parts.start(name, tests, configurations, **more))

    def get_run(self, suite_run_id: str) -> SuiteRun:
        """Return a suite run."""
        return self._wait(self._parts.get_run(suite_run_id))

    def cancel(self, suite_run_id: str) -> None:
        """Ask each run of it that has not ended to stop."""
        self._wait(self._parts.cancel(suite_run_id))

    def ends(self, suite_run: SuiteRun) -> Iterator[SuiteMember]:
        """Yield its runs as they end."""
        return self._each(self._parts.ends(suite_run))

    def result(self, suite_run_id: str, timeout_s: float | None = None) -> SuiteRun:
        """Wait for its end."""
        return self._wait(self._parts.result(suite_run_id, timeout_s))

    def report(self, suite_run_id: str, format: ReportFormat = "html") -> Iterator[bytes]:
        """Yield the pieces of its report."""
        return self._each(self._parts.report(suite_run_id, format))
