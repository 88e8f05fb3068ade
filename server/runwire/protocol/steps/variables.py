"""Variables of a test: ``${name}`` in any text of a step. Floor 2; pure.

A ``$`` that is not followed by ``{name}`` is a dollar sign; ``$${name}`` is the text ``${name}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from runwire.errors import InvalidInput
from runwire.protocol.steps.actions import Action, Remember, SetVariable, Step

T = TypeVar("T")

_REFERENCE = re.compile(r"(\$?)\$\{([^}]*)\}")


def expand(action: Action, variables: Mapping[str, str]) -> Action:
    """Return the action with every reference replaced. Raises InvalidInput for a variable that has no value."""
    return _expanded(action, variables)


def check_references(steps: tuple[Step, ...], known: frozenset[str]) -> None:
    """Refuse a test whose steps use a variable before it has a value.

    Raises:
        InvalidInput: ``step 3: unknown variable ${nme}; known are name, price``.
    """
    names = set(known)
    for step in steps:
        for name in _references(step.action):
            if name not in names:
                listed = ", ".join(sorted(names)) or "none"
                raise InvalidInput(
                    f"step {step.index}: unknown variable ${{{name}}}; known are {listed}", step=step.index
                )
        if isinstance(step.action, SetVariable | Remember):
            names.add(step.action.name)


def expand_text(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with every reference replaced. Raises InvalidInput for a variable that has no value."""

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        if found[2] not in variables:
            raise InvalidInput(f"the variable ${{{found[2]}}} has no value")
        return variables[found[2]]

    return _REFERENCE.sub(value, text)


def _expanded(value: T, variables: Mapping[str, str]) -> T:
    changed: Any = {}
    for name, inner in _parts(value):
        new = expand_text(inner, variables) if isinstance(inner, str) else _expanded(inner, variables)
        if new is not inner:
            changed[name] = new
    return replace(value, **changed) if changed else value  # type: ignore[type-var]  # _parts() found fields in it


def _references(value: object) -> Iterator[str]:
    for _, inner in _parts(value):
        if isinstance(inner, str):
            yield from (found[2] for found in _REFERENCE.finditer(inner) if not found[1])
        else:
            yield from _references(inner)


def _parts(value: object) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a step's value that may hold a reference: texts and values made of texts."""
    if is_dataclass(value):
        for field in fields(value):
            inner = getattr(value, field.name)
            if (isinstance(inner, str) and field.name not in _NOT_TEXT) or is_dataclass(inner):
                yield field.name, inner


_NOT_TEXT = frozenset({"kind", "role", "comparison", "state", "button", "direction", "where", "content", "complaint"})
"""Fields that hold words of the language, and the content of an uploaded file, which is its own business."""
