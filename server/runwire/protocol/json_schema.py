"""JSON Schema, draft 2020-12: is it one, and does a value fit it. Floor 2; any thread; pure.

``jsonschema`` is imported with the first use (0.1 s, paid only by servers whose agents ask for a shape). References
lead nowhere but into the schema itself: nothing is ever fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwire.errors import InvalidInput

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MOST_VIOLATIONS = 10
"""Violations that are told at once; more help nobody."""

MESSAGE_LENGTH = 300


def check_schema(schema: Any) -> None:
    """Refuse what is no schema. Raises InvalidInput that names the place."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise InvalidInput(f"schema: {error.message[:MESSAGE_LENGTH]} (at {error.json_path})") from error


def check_value(value: Any, schema: Any, what: str) -> None:
    """Refuse a value that does not fit; ``what`` names it in the message.

    Raises:
        InvalidInput: ``details["violations"]`` lists up to ten, each with its ``path`` and ``message``.
    """
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        errors = sorted(_validator(schema).iter_errors(value), key=lambda error: error.json_path)
    except Unresolvable as error:
        raise InvalidInput(f"schema: the reference {error.ref!r} leads out of the schema") from error
    if not errors:
        return
    worst = best_match(errors) or errors[0]
    violations = [
        {"path": error.json_path, "message": error.message[:MESSAGE_LENGTH]} for error in errors[:MOST_VIOLATIONS]
    ]
    raise InvalidInput(
        f"{what} does not fit the schema: {worst.message[:MESSAGE_LENGTH]} (at {worst.json_path})",
        violations=violations,
    )


def _validator(schema: Any) -> Validator:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    return Draft202012Validator(schema, registry=Registry())
