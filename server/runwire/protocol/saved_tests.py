"""Saved tests, browser configurations and suites as request bodies, and what they become. Floor 2; pure.

The step language is loaded with the first test: a server starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from runwire.errors import InvalidInput
from runwire.protocol.browser_options import BrowserOptions, overlaid, parse_options
from runwire.protocol.codec import encode_value
from runwire.protocol.commands import RunId
from runwire.runs.state import Priority

MAX_TESTS = 200
MAX_CONFIGURATIONS = 20
MAX_SUITE_RUNS = 500
"""Most runs of one suite run; a guess, half of what one user may have waiting."""
DEFAULT = "_default"
"""What the id of a test's own configuration ends with."""

Slug = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)", description="small letters, digits, - and _; at most 64")
]
ConfigurationId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$(?!\n)")]
Version = Annotated[int, Meta(ge=1, le=2**31)]


class SaveTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Save a test: the body of ``POST /v1/tasks``."""

    id: Slug | UnsetType = UNSET
    test: Annotated[Any, Meta(description="a browser test as an object, or as YAML or JSON text")]


class ChangeTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Save a test's next version: the body of ``PUT /v1/tasks/{task_id}``."""

    test: Annotated[Any, Meta(description="a browser test as an object, or as YAML or JSON text")]
    expected_version: Annotated[
        Version | UnsetType, Meta(description="refuse (409) unless this is the newest version")
    ] = UNSET


class CheckTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Check a test without saving it: the body of ``POST /v1/tasks/check``."""

    test: Annotated[Any, Meta(description="a browser test as an object, or as YAML or JSON text")]


class SaveConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Save a browser configuration: the body of ``POST /v1/browser-configs``."""

    id: ConfigurationId | UnsetType = UNSET
    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    options: BrowserOptions = BrowserOptions()


class ChangeConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Save a configuration's next version: the body of ``PUT /v1/browser-configs/{browser_config_id}``."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    options: BrowserOptions
    expected_version: Version | UnsetType = UNSET


class SuiteTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A test of a suite: a saved one (``task``, its newest version unless one is named), or the test itself."""

    task: Slug | None = None
    version: Version | None = None
    test: Any = None


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tests that run together: each with each configuration; without any, a saved test with its own default."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    tests: Annotated[tuple[SuiteTest, ...], Meta(min_length=1, max_length=MAX_TESTS)]
    configurations: Annotated[tuple[ConfigurationId, ...], Meta(max_length=MAX_CONFIGURATIONS)] = ()


class SaveSuite(Suite, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Save a suite: the body of ``POST /v1/suites``."""

    id: Slug | UnsetType = UNSET


class ChangeSuite(Suite, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Save a suite's next version: the body of ``PUT /v1/suites/{suite_id}``."""

    expected_version: Version | UnsetType = UNSET


class RunSuite(Suite, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Run tests together without saving a suite: the body of ``POST /v1/suite-runs``."""

    id: Annotated[RunId | UnsetType, Meta(description="the suite run's id; the same id never starts a second one")] = (
        UNSET
    )
    priority: Priority = Priority.NORMAL


class Execute(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to run what is saved: the body of the two doors that do; may be left out."""

    id: Annotated[
        RunId | UnsetType, Meta(description="of the run, or the suite run; the same id never starts a second one")
    ] = UNSET
    priority: Priority = Priority.NORMAL


class SavedTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test as it is kept: the object, and the text that it was given as, if it was one."""

    test: dict[str, Any]
    text: str | None = None


def checked_test(source: object, *, by_model: bool = False) -> tuple[str, SavedTest]:
    """Return a test's name and what is kept of it; some hundred ms for the longest YAML: call it off the loop.
    ``by_model``: a model reads the sentences that the step language does not know.

    Raises:
        InvalidInput: it could not be carried out, such as ``step 3: no target given``.
    """
    from runwire.protocol.steps.testfile import (  # with the language's tables: a start needs none
        as_object,
        parse_loosely,
        parse_test,
    )

    test = dict(as_object(source))
    if test.get("task") is not None:
        raise InvalidInput("task: the server writes it when a saved test is run; leave it out")
    name = (parse_loosely if by_model else parse_test)(test).name
    encode_value(test)
    return name, SavedTest(test=test, text=source if isinstance(source, str) else None)


def check_test(source: object, *, by_model: bool = False) -> dict[str, Any]:
    """Return whether a test could be saved: ``ok``, its ``name`` and number of ``steps``, and all of its ``faults``,
    each with ``message``, ``step`` and ``line``. As slow as ``checked_test``: call it off the loop.
    """
    from runwire.protocol.steps.faults import faults_of  # as above

    faults = faults_of(source, partial(checked_test, by_model=by_model), by_model=by_model)
    name, test = (None, None) if faults else checked_test(source, by_model=by_model)
    steps = None if test is None else len(test.test["steps"])
    return {"ok": not faults, "name": name, "steps": steps, "faults": [msgspec.to_builtins(fault) for fault in faults]}


def checked_suite(suite: Suite, *, by_model: bool = False) -> None:
    """Refuse a suite that cannot run, apart from what it refers to. Raises InvalidInput that names the test."""
    for number, one in enumerate(suite.tests, start=1):
        if (one.task is None) == (one.test is None):
            raise InvalidInput(f"tests[{number}]: give either task (the id of a saved test) or test (the test itself)")
        if one.test is not None:
            try:
                checked_test(one.test, by_model=by_model)
            except InvalidInput as error:
                raise InvalidInput(f"tests[{number}]: {error.message}", **error.details) from error
    runs = len(suite.tests) * max(1, len(suite.configurations))
    if runs > MAX_SUITE_RUNS:
        raise InvalidInput(f"{runs} runs in one suite run, the limit is {MAX_SUITE_RUNS}; split it")


def run_input(test: Mapping[str, Any], options: BrowserOptions, task: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the input of a run of ``browser-test``: the test under a configuration, whose word counts before the
    test's own; ``task`` names the saved test.
    """
    made = dict(test)
    browser = overlaid(parse_options(made.pop("browser", None) or {}), options)
    if browser != BrowserOptions():
        made["browser"] = msgspec.to_builtins(browser)
    if task is not None:
        made["task"] = dict(task)
    return made
