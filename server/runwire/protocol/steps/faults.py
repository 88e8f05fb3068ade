"""Everything that is wrong with a browser test, each fault at its place, for who writes one. Floor 2; pure.

``testfile.parse_test`` stops at the first fault, as a run must; here each sentence is read on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import yaml

from runwire.errors import InvalidInput, UnknownSentence
from runwire.protocol.steps.shape import MAX_STEPS
from runwire.protocol.steps.testfile import as_object, parse_test, step_of

MAX_FAULTS = 50
"""Most faults that are told: who has more of them has misunderstood something, and the first ones say what."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, and where: ``step`` counts from 1, ``line`` (of the text, from 1) is there if it was a text.

    ``for_model``: it is a sentence that a model could read.
    """

    message: str
    step: int | None = None
    line: int | None = None
    for_model: bool = False


def faults_of(
    source: object, whole: Callable[[object], object] = parse_test, *, by_model: bool = False
) -> tuple[Fault, ...]:
    """Return what is wrong with ``source`` (an object, or YAML or JSON text of one), in the order of the steps.

    Faults of sentences come first, all of them; without one ``whole`` reads the test and tells the first of the rest.
    Some hundred ms for the longest YAML. Raises nothing: what cannot be read at all is a fault too.
    ``by_model``: a model reads the sentences that the step language does not know.
    """
    try:
        steps = as_object(source).get("steps")
        found = _of_sentences(steps, by_model) if isinstance(steps, list) and len(steps) <= MAX_STEPS else []
        if not found:
            whole(source)
    except InvalidInput as error:
        found = [error]
    if not found:
        return ()
    lines = _lines_of_steps(source) if isinstance(source, str) else ()
    return tuple(_fault(error, lines) for error in found[:MAX_FAULTS])


def _of_sentences(steps: list[object], by_model: bool) -> list[InvalidInput]:
    found: list[InvalidInput] = []
    for index, sentence in enumerate(steps, start=1):
        try:
            step_of(index, sentence)
        except UnknownSentence as error:
            if not by_model:
                found.append(error)
        except InvalidInput as error:
            found.append(error)
    return found


def _fault(error: InvalidInput, lines: Sequence[int]) -> Fault:
    step, line = error.details.get("step"), error.details.get("line")
    if line is None and step is not None and step <= len(lines):
        line = lines[step - 1]
    return Fault(message=error.message, step=step, line=line, for_model=isinstance(error, UnknownSentence))


def _lines_of_steps(text: str) -> tuple[int, ...]:
    """Return the line of each step; nothing where the text is no YAML (JSON that is laid out with tabs)."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return ()
    if not isinstance(root, yaml.MappingNode):
        return ()
    steps = next((value for key, value in root.value if key.value == "steps"), None)
    return tuple(node.start_mark.line + 1 for node in steps.value) if isinstance(steps, yaml.SequenceNode) else ()
