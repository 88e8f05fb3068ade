"""What an agent takes and what it returns: shown as JSON Schema, checked, and built where a type is given. Floor 4; any
thread; pure.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from runwire.contracts.agent import AgentResult
from runwire.errors import ConfigurationError, InvalidInput
from runwire.protocol.json_schema import check_schema, check_value

_PLACE = re.compile(r" - at `(.*)`\Z")
"""How msgspec ends a message with the place; it gives it in no other way."""


@dataclass(frozen=True, slots=True)
class ValueShape:
    """A shape that a value must have: a JSON Schema, and the Python type that it was made from, if it was."""

    schema: dict[str, Any]
    kind: Any = None

    def check(self, value: Any, what: str) -> None:
        """Refuse a decoded JSON value that does not fit; ``what`` names it.

        Raises:
            InvalidInput: ``details["violations"]`` lists each ``path`` with its ``message``.
        """
        if self.kind is None:
            check_value(value, self.schema, what)
        else:
            self.build(value, what)

    def build(self, value: Any, what: str) -> Any:
        """Return a decoded JSON value as the type, or unchanged if there is none. Raises InvalidInput."""
        if self.kind is None:
            return value
        try:
            return msgspec.convert(value, self.kind)
        except msgspec.ValidationError as error:
            told = str(error)
            place = _PLACE.search(told)
            path = place[1] if place else "$"
            violation = {"path": path, "message": _PLACE.sub("", told)}
            message = f"{what} does not fit the schema: {violation['message']} (at {path})"
            raise InvalidInput(message, violations=[violation]) from error


def shape_of(declared: Any, agent: str, name: str) -> ValueShape | None:
    """Return the shape that an agent declares as ``name``: a JSON Schema as a dict, or a type that msgspec knows.

    Raises:
        ConfigurationError: it is neither.
    """
    if declared is None:
        return None
    try:
        if isinstance(declared, dict):
            check_schema(declared)
            return ValueShape(declared)
        return ValueShape(msgspec.json.schema(declared), declared)
    except (InvalidInput, TypeError) as error:
        raise ConfigurationError(f"the agent {agent!r} has a wrong {name}: {error}") from error


def annotated_input(call: Callable[..., Any]) -> Any:
    """Return the type of a call's second parameter if it is a structure: what the run's input is built as."""
    parameters = [name for name in inspect.signature(call).parameters if name != "self"]
    return _structure(_hints(call).get(parameters[1])) if len(parameters) > 1 else None


def annotated_result(call: Callable[..., Any]) -> Any:
    """Return the type that a call returns if it is a structure."""
    kind = _structure(_hints(call).get("return"))
    return None if kind is AgentResult else kind


def _hints(call: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(call)
    except (NameError, TypeError):  # a name that is imported for the type checker alone: then nothing is declared
        return {}


def _structure(kind: Any) -> Any:
    """Return ``kind`` if it has named fields; ``dict``, ``int`` and the like promise too little to be enforced."""
    is_struct = inspect.isclass(kind) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind))
    return kind if is_struct or typing.is_typeddict(kind) else None
