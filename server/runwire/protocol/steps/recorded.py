"""A recorded traversal as something that can be done again. Floor 2; pure.

A traversal names variables (``${name}``) instead of holding their values, and leaves out the texts of uploaded files:
whoever replays it gives both again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from runwire.errors import InvalidInput
from runwire.protocol.browser_options import BrowserOptions, parse_options
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.testfile import BrowserTest, parse_values, seconds_of, with_file
from runwire.protocol.steps.variables import check_references
from runwire.protocol.traversal import Traversal, TraversalStep, kind_of

_KINDS: dict[str, type[Any]] = {kind_of(action): action for action in get_args(do.Action)}
_MEMBERS = frozenset({"traversal", "variables", "data", "files", "browser", "step_timeout_s", "timeout_s"})


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step that was carried out: what was recorded of it, and how it is done again. ``variables`` are its row's."""

    recorded: TraversalStep
    step: do.Step
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replay:
    """A traversal to be done again: ``test`` holds its steps of all rows, one after the other, and its limits."""

    test: BrowserTest
    steps: tuple[RecordedStep, ...]


def parse_replay(value: object) -> Replay:
    """Return the replay that an input describes: ``{traversal, variables?, data?, files?, browser?, …}``.

    Raises:
        InvalidInput: it is no traversal, nothing of it was carried out, or a variable or file is missing; the message
            names it.
    """
    if not isinstance(value, Mapping) or not set(value) <= _MEMBERS:
        raise InvalidInput(f"a replay is an object with some of {', '.join(sorted(_MEMBERS))}")
    try:
        traversal = msgspec.convert(value.get("traversal"), Traversal)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"traversal: {error}") from error
    steps = _steps(traversal, value)
    if not steps:
        raise InvalidInput("traversal: none of its steps was carried out, so there is nothing to do again")
    test = BrowserTest(
        name=f"Replay of {traversal.name}"[:200],
        url=traversal.url,
        steps=tuple(one.step for one in steps),
        timeout_s=seconds_of(value, "timeout_s", 300.0, 3_600.0),
        step_timeout_s=seconds_of(value, "step_timeout_s", 10.0, 600.0),
        browser=_browser(traversal, value.get("browser")),
    )
    return Replay(test, steps)


def action_of(facts: Mapping[str, Any]) -> do.Action:
    """Return the action that :func:`runwire.protocol.traversal.action_facts` told. Raises InvalidInput."""
    kind = _KINDS.get(str(facts.get("kind")))
    if kind is None:
        raise InvalidInput(f"{str(facts.get('kind'))[:40]!r} is no action of this version")
    inner = {name: value for name, value in facts.items() if name != "kind"}
    try:
        if kind is do.InFrame:
            return do.InFrame(msgspec.convert(inner.get("frame"), str), action_of(inner.get("action") or {}))
        action: do.Action = msgspec.convert(inner, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"action {facts['kind']}: {error}") from error
    return action


def _steps(traversal: Traversal, given: Mapping[str, Any]) -> tuple[RecordedStep, ...]:
    variables = parse_values(given.get("variables"), "variables")
    files = parse_values(given.get("files"), "files", names=False)
    data = given.get("data") or [{}]
    if not isinstance(data, list):
        raise InvalidInput("data: a list of objects is needed")
    rows = [{**variables, **parse_values(row, f"data row {number}")} for number, row in enumerate(data, start=1)]
    first: dict[int, int] = {}
    found: dict[int, list[RecordedStep]] = {}
    for one in traversal.steps:
        index = one.index - first.setdefault(one.row, one.index) + 1
        if one.status == "SKIPPED":
            continue
        if one.row > len(rows):
            raise InvalidInput(f"data: the traversal has a row {one.row}, and data has {len(rows)}")
        try:
            step = do.Step(index, one.text, with_file(one.index, action_of(one.action), files))
        except InvalidInput as error:
            raise InvalidInput(f"step {one.index}: {error.message.removeprefix(f'step {one.index}: ')}") from error
        found.setdefault(one.row, []).append(RecordedStep(one, step, rows[one.row - 1]))
    for row, steps in found.items():
        check_references(tuple(one.step for one in steps), frozenset(rows[row - 1]))
    return tuple(one for steps in found.values() for one in steps)


def _browser(traversal: Traversal, given: object) -> BrowserOptions:
    """Return the configuration given, else the recorded one, which knows no storage state."""
    return parse_options(traversal.browser if given is None else given)
