"""A test file: what it may hold, and how precisely it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runwire.errors import InvalidInput
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.shape import INPUT_SCHEMA
from runwire.protocol.steps.target import Target
from runwire.protocol.steps.testfile import BrowserTest, parse_test
from runwire.protocol.steps.variables import expand

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "tests").glob("*.yaml"))

YAML = """
name: Buy
url: /samples/shop/index.html
timeout_s: 60
step_timeout_s: 2.5
on_failure: continue
steps:
  - Click "Add to cart"
  - Verify text "Thank you"
"""


def test_yaml_json_and_object_are_the_same_test() -> None:
    test = parse_test(YAML)
    assert test.name == "Buy"
    assert (test.url, test.timeout_s, test.step_timeout_s) == ("/samples/shop/index.html", 60.0, 2.5)
    assert test.on_failure == "continue"
    assert [step.action for step in test.steps][1] == do.VerifyText("Thank you")
    data = {
        "name": "Buy",
        "url": "/samples/shop/index.html",
        "timeout_s": 60,
        "step_timeout_s": 2.5,
        "on_failure": "continue",
        "steps": ['Click "Add to cart"', 'Verify text "Thank you"'],
    }
    assert parse_test(data) == test
    assert parse_test(json.dumps(data)) == test


def test_variables_have_a_value_before_they_are_used() -> None:
    source = {
        "variables": {"shop": "Shop", "count": 2},
        "data": [{"product": "Mug"}, {"product": "Pot"}],
        "steps": ['Set both to "${product} of ${shop}"', 'Verify text "${both} $${count}"', "Open $5"],
    }
    test = parse_test(source)
    assert test.rows == (
        {"shop": "Shop", "count": "2", "product": "Mug"},
        {"shop": "Shop", "count": "2", "product": "Pot"},
    )
    first, second, third = (step.action for step in test.steps)
    assert expand(first, test.rows[1]) == do.SetVariable("both", "Pot of Shop")
    assert expand(second, {"both": "B"}) == do.VerifyText("B ${count}")
    assert expand(third, {}) is third
    inner = do.InFrame("f", do.Click(Target("${a}", within="${b}")))
    assert expand(inner, {"a": "A", "b": "B"}) == do.InFrame("f", do.Click(Target("A", within="B")))


def test_uploaded_file_comes_with_its_content() -> None:
    test = parse_test({"files": {"a.txt": "${kept} as it is"}, "steps": ['Upload "a.txt" to "File"']})
    assert test.steps[0].action == do.Upload(Target("File"), "a.txt", "${kept} as it is")
    assert expand(test.steps[0].action, {}) == test.steps[0].action


def test_only_steps_are_needed() -> None:
    test = parse_test({"steps": ["Go back"]})
    assert (test.name, test.url, test.on_failure) == ("Browser test", None, "stop")
    assert isinstance(test, BrowserTest)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    assert parse_test(path.read_text(encoding="utf-8")).steps


def test_schema_example_is_valid() -> None:
    assert parse_test(INPUT_SCHEMA["examples"][0]).url == "/samples/shop/index.html"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "a browser test is an object with steps, not nothing"),
        (7, "not a number"),
        ("just words", "not a text"),
        ({}, "steps: a list of at least one sentence is needed"),
        ({"steps": []}, "steps: a list of at least one sentence is needed"),
        ({"steps": "Go back"}, "steps: a list of at least one sentence is needed"),
        ({"steps": ["Go back"] * 501}, "501 steps, the limit is 500"),
        ({"steps": ["Go back", 5]}, "step 2: a sentence is needed, not a number"),
        ({"steps": [{"Verify text": "x"}]}, "step 1: a sentence is needed, not an object; put the whole sentence"),
        ({"steps": ["Go back", "Click"]}, "step 2: no target given"),
        (
            {"steps": ["Go back"], "video": "always"},
            "unknown key 'video' in the test; it belongs under browser; known are name",
        ),
        ({"steps": ["Go back"], "stepps": 1}, "unknown key 'stepps' in the test; known are name, url, steps"),
        ({"steps": ["Go back"], "name": ""}, "name: a text of 1 to 200 characters is needed"),
        ({"steps": ["Go back"], "url": 1}, "url: a text of 1 to 2000 characters is needed"),
        ({"steps": ["Go back"], "timeout_s": True}, "timeout_s: a number of seconds above 0 and at most 3600"),
        ({"steps": ["Go back"], "timeout_s": float("nan")}, "timeout_s: a number of seconds above 0"),
        ({"steps": ["Go back"], "step_timeout_s": 601}, "step_timeout_s: a number of seconds above 0 and at most 600"),
        ({"steps": ["Go back"], "on_failure": "retry"}, "on_failure: stop or continue is needed"),
        ({"steps": ["Go back"], "retries": 6}, "retries: a whole number from 0 to 5"),
        ({"steps": ["Go back"], "variables": [1]}, "variables: an object of names and texts is needed, not a list"),
        ({"steps": ["Go back"], "variables": {"a b": "x"}}, "variables: 'a b' is no name"),
        ({"steps": ["Go back"], "variables": {"a": None}}, "variables: a must be a text, not nothing"),
        ({"steps": ["Go back"], "data": []}, "data: a list of 1 to 100 objects is needed"),
        ({"steps": ["Go back"], "data": [{"a": 1}, {"b": 1}]}, "data row 2: its names differ from those of row 1 (a)"),
        ({"steps": ['Verify text "${a}"']}, "step 1: unknown variable ${a}; known are none"),
        ({"steps": ['Verify text "${a}"', 'Set a to "x"'], "variables": {"b": 1}}, "known are b"),
        ({"steps": ["Go back"], "url": "/${a}"}, "the variable ${a} has no value"),
        ({"steps": ['Upload "x.txt" to "File"']}, 'step 1: no file "x.txt" under files; there are: none'),
        ('{"steps": [', "the test is no JSON: line 1"),
        ('{"steps": ["Go back"], "steps": []}', "the key 'steps' stands twice in the test"),
        ("steps: [Go back]\nsteps: []", "the key 'steps' stands twice in the test (object at line 1)"),
        ("steps:\n  - 'Go", "the test is no YAML: line"),
        ("a: &x [1]\nsteps: *x", "uses a YAML alias"),
        ("steps: !!python/object:os.system {}", "the test is no YAML"),
        ("steps: [" + "[" * 5000, "nested too deeply"),
        ("x" * 262_145, "longer than 262144 characters"),
    ],
)
def test_senseless_test_is_refused_precisely(source: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_test(source)
    assert message in caught.value.message
