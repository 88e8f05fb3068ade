"""JSON Schema for questions: what is none is refused, what does not fit is told, nothing is fetched."""

from __future__ import annotations

from typing import Any

import pytest

from runwire.errors import InvalidInput
from runwire.protocol.json_schema import check_schema, check_value


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"required": "name"}, 7, []])
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidInput, match="schema: "):
        check_schema(schema)


def test_every_violation_is_named_with_its_place_up_to_ten() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    with pytest.raises(InvalidInput) as refused:
        check_value({f"k{number:02}": "x" for number in range(20)}, schema, "the answer")
    violations = refused.value.details["violations"]
    assert [violation["path"] for violation in violations] == [f"$.k{number:02}" for number in range(10)]
    check_value({"k": 1}, schema, "the answer")


def test_a_reference_never_leaves_the_schema() -> None:
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    with pytest.raises(InvalidInput, match="leads out of the schema"):
        check_value(1, schema, "the answer")
    inside = {"$ref": "#/$defs/short", "$defs": {"short": {"maxLength": 2}}}
    check_value("ab", inside, "the answer")
    with pytest.raises(InvalidInput, match="'abc' is too long"):
        check_value("abc", inside, "the answer")
