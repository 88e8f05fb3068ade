"""A whole browser test: read from YAML, JSON or an object, checked before anything starts. Floor 2; pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

import yaml

from runwire.errors import InvalidInput, UnknownSentence
from runwire.protocol.browser_options import BrowserOptions, parse_options
from runwire.protocol.readings import SentenceKey, scope_of_task, scope_of_test
from runwire.protocol.steps.actions import Action, InFrame, Step, Unread, Upload
from runwire.protocol.steps.grammar import parse_step
from runwire.protocol.steps.phrases import VARIABLE_NAME
from runwire.protocol.steps.shape import INPUT_SCHEMA, MAX_RETRIES, MAX_ROWS, MAX_STEPS, MAX_TEXT, KeepLogs
from runwire.protocol.steps.variables import check_references, expand_text

MODEL_COULD = "A model could read it, and none is configured: set model_url and model_name, or use other words"
"""Said of a test that is refused for its free words."""

OnFailure = Literal["stop", "continue"]


@dataclass(frozen=True, slots=True)
class TaskReference:
    """The saved test that a run carries out: its id and version, and the browser configuration's id."""

    id: str
    version: int
    configuration: str


@dataclass(frozen=True, slots=True)
class BrowserTest:
    """A test. ``url`` is where it starts (relative ones resolve against the sample site); limits are in seconds; no
    ``steps``: they are found on the way.
    """

    name: str
    url: str | None
    steps: tuple[Step, ...]
    timeout_s: float = 300.0
    step_timeout_s: float = 10.0
    on_failure: OnFailure = "stop"
    retries: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    data: tuple[Mapping[str, str], ...] = ()
    keep_logs: KeepLogs = "on_failure"
    browser: BrowserOptions = field(default_factory=BrowserOptions)
    files: Mapping[str, str] = field(default_factory=dict)
    task: TaskReference | None = None

    @property
    def rows(self) -> tuple[Mapping[str, str], ...]:
        """The variables of each round: the steps are carried out once for each row of ``data``, once if it has none."""
        return tuple({**self.variables, **row} for row in self.data or ({},))


def parse_test(source: object) -> BrowserTest:
    """Return the test that ``source`` (an object, or YAML or JSON text of one) describes.

    Raises:
        InvalidInput: with the place and the reason, such as ``step 3: no target given``. UnknownSentence: the grammar
            does not know some of its sentences, and that is all that is wrong with it.
    """
    test = parse_loosely(source)
    if unread := unread_sentences(test):
        first = next(step for step in test.steps if step.index in unread)
        complaint = first.action.complaint if isinstance(first.action, Unread) else ""
        error = UnknownSentence(f"{complaint}. {MODEL_COULD}", step=first.index, text=first.text)
        error.sentences = tuple(unread.values())
        raise error
    return test


def unread_sentences(test: BrowserTest) -> dict[int, SentenceKey]:
    """Return the sentences of a test that only a model could read, by the places of their steps."""
    scope = scope_of_test(test.name, test.url) if test.task is None else scope_of_task(test.task.id)
    seen: Counter[str] = Counter()
    found: dict[int, SentenceKey] = {}
    for step in test.steps:
        if isinstance(step.action, Unread):
            seen[step.text] += 1
            found[step.index] = SentenceKey(scope, step.text, seen[step.text])
    return found


def parse_loosely(source: object) -> BrowserTest:
    """The same for who can have a model read the sentences that the grammar does not know: they stay ``Unread``.

    Raises:
        InvalidInput: anything else is wrong.
    """
    data = as_object(source)
    unknown = sorted(str(key) for key in data if key not in INPUT_SCHEMA["properties"])
    if unknown:
        known = ", ".join(INPUT_SCHEMA["properties"])
        hint = "; it belongs under browser" if unknown[0] in BrowserOptions.__struct_fields__ else ""
        raise InvalidInput(f"unknown key {unknown[0]!r} in the test{hint}; known are {known}")
    variables, rows = parse_values(data.get("variables"), "variables"), _rows(data.get("data"))
    files = parse_values(data.get("files"), "files", names=False)
    steps = _with_files(_steps(data.get("steps")), files)
    given = frozenset(variables).union(*rows[:1])
    check_references(steps, given)
    url = _text(data, "url", 2_000)
    if url is not None:
        expand_text(url, dict.fromkeys(given, ""))
    return BrowserTest(
        name=_text(data, "name", 200) or "Browser test",
        url=url,
        steps=steps,
        timeout_s=seconds_of(data, "timeout_s", 300.0, 3_600.0),
        step_timeout_s=seconds_of(data, "step_timeout_s", 10.0, 600.0),
        on_failure=_on_failure(data.get("on_failure", "stop")),
        retries=_retries(data.get("retries", 0)),
        variables=variables,
        data=rows,
        files=files,
        keep_logs=_keep_logs(data.get("keep_logs", "on_failure")),
        browser=parse_options({} if data.get("browser") is None else data["browser"]),
        task=_task(data.get("task")),
    )


def as_object(source: object) -> Mapping[Any, Any]:
    """Return the object that ``source`` is, or holds as YAML or JSON text. Raises InvalidInput."""
    data = _load(source) if isinstance(source, str) else source
    if not isinstance(data, Mapping):
        raise InvalidInput(f"a browser test is an object with steps, not {_kind(data)}")
    return data


def _task(value: object) -> TaskReference | None:
    if value is None:
        return None
    match value:
        case {"id": str(task_id), "version": int(version), "configuration": str(configuration), **rest} if not rest:
            return TaskReference(task_id[:100], version, configuration[:100])
    raise InvalidInput("task: an object with id, version and configuration is needed; the server writes it")


def parse_values(value: object, where: str, *, names: bool = True) -> dict[str, str]:
    """Return a mapping of names to texts; numbers are taken as they are written."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where}: an object of names and texts is needed, not {_kind(value)}")
    found: dict[str, str] = {}
    for name, inner in value.items():
        if not isinstance(name, str) or (names and not VARIABLE_NAME.fullmatch(name)):
            raise InvalidInput(f"{where}: {name!r} is no name: use letters, digits and _")
        if isinstance(inner, bool) or not isinstance(inner, str | int | float):
            raise InvalidInput(f"{where}: {name} must be a text, not {_kind(inner)}")
        found[name] = str(inner)
    return found


def _rows(value: object) -> tuple[dict[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= MAX_ROWS:
        raise InvalidInput(f"data: a list of 1 to {MAX_ROWS} objects is needed")
    rows = tuple(parse_values(row, f"data row {number}") for number, row in enumerate(value, start=1))
    for number, row in enumerate(rows, start=1):
        if set(row) != set(rows[0]):
            raise InvalidInput(f"data row {number}: its names differ from those of row 1 ({', '.join(rows[0])})")
    return rows


def _with_files(steps: tuple[Step, ...], files: Mapping[str, str]) -> tuple[Step, ...]:
    """Return the steps with the files that they upload."""
    return tuple(replace(step, action=with_file(step.index, step.action, files)) for step in steps)


def with_file(index: int, action: Action, files: Mapping[str, str]) -> Action:
    """Return an action with the text of the file that it uploads. Raises InvalidInput that lists the files."""
    if isinstance(action, InFrame):
        return replace(action, action=with_file(index, action.action, files))
    if not isinstance(action, Upload):
        return action
    if action.file not in files:
        listed = ", ".join(files) or "none"
        raise InvalidInput(f'step {index}: no file "{action.file}" under files; there are: {listed}', step=index)
    return replace(action, content=files[action.file])


def _retries(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_RETRIES:
        raise InvalidInput(f"retries: a whole number from 0 to {MAX_RETRIES} is needed")
    return value


def _steps(value: object) -> tuple[Step, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidInput("steps: a list of at least one sentence is needed")
    if len(value) > MAX_STEPS:
        raise InvalidInput(f"steps: {len(value)} steps, the limit is {MAX_STEPS}")
    return tuple(_step_or_unread(index, item) for index, item in enumerate(value, start=1))


def _step_or_unread(index: int, item: object) -> Step:
    try:
        return step_of(index, item)
    except UnknownSentence as error:
        sentence = _sentence(index, item)
        return Step(index, sentence, Unread(sentence, error.message))


def step_of(index: int, item: object) -> Step:
    """Return the step that an item of ``steps`` at place ``index`` (from 1) means. Raises InvalidInput,
    UnknownSentence.
    """
    return parse_step(index, _sentence(index, item))


def _sentence(index: int, item: object) -> str:
    if isinstance(item, str):
        return item.strip()
    hint = "; put the whole sentence in quotes, YAML reads a colon as a key" if isinstance(item, Mapping) else ""
    raise InvalidInput(f"step {index}: a sentence is needed, not {_kind(item)}{hint}", step=index)


def _text(data: Mapping[Any, Any], key: str, longest: int) -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise InvalidInput(f"{key}: a text of 1 to {longest} characters is needed")
    return value.strip()


def seconds_of(data: Mapping[Any, Any], key: str, default: float, most: float) -> float:
    """Return a number of seconds in ``(0, most]``. Raises InvalidInput."""
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise InvalidInput(f"{key}: a number of seconds above 0 and at most {most:g} is needed")
    return float(value)


def _on_failure(value: object) -> OnFailure:
    if value == "stop":
        return "stop"
    if value == "continue":
        return "continue"
    raise InvalidInput("on_failure: stop or continue is needed")


def _keep_logs(value: object) -> KeepLogs:
    for known in get_args(KeepLogs):
        if value == known:
            return cast("KeepLogs", known)
    raise InvalidInput("keep_logs: on_failure, always or never is needed")


def _kind(value: object) -> str:
    names = {type(None): "nothing", dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


def _load(text: str) -> object:
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"the test is longer than {MAX_TEXT} characters")
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text, object_pairs_hook=_without_duplicates)
        return yaml.load(text, Loader=_StrictLoader)  # a SafeLoader
    except json.JSONDecodeError as error:
        raise InvalidInput(f"the test is no JSON: line {error.lineno}: {error.msg}", line=error.lineno) from error
    except RecursionError as error:
        raise InvalidInput("the test is nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        reason = error.problem or error.context
        if error.problem_mark is None:
            raise InvalidInput(f"the test is no YAML: {reason}") from error
        line = error.problem_mark.line + 1
        raise InvalidInput(f"the test is no YAML: line {line}: {reason}", line=line) from error
    except (yaml.YAMLError, ValueError) as error:  # a character that YAML forbids, a date that does not exist
        raise InvalidInput(f"the test is no YAML: {str(error).splitlines()[0]}") from error


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise InvalidInput(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in the test")
    return found


class _StrictLoader(yaml.SafeLoader):
    """A SafeLoader that refuses a key given twice and an alias: a test needs neither, and an alias can be a bomb."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise InvalidInput("the test uses a YAML alias (*name), which is not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise InvalidInput(f"the key {key!r} stands twice in the test (object at line {line})", line=line)
        return dict(super().construct_mapping(node, deep))
