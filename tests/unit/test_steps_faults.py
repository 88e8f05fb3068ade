"""All faults of a browser test at once, each with its step and its line."""

from __future__ import annotations

from typing import Any

import pytest

from runwire.protocol.saved_tests import check_test
from runwire.protocol.steps.faults import MAX_FAULTS, faults_of


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ('# by hand\nname: x\nsteps:\n  - Click "A"\n\n  - Click\n  # more\n  - Juggle\n', [(2, 6), (3, 8)]),
        ({"steps": ["Click", "Reload"]}, [(1, None)]),
        ('{\n "steps": [\n  "Reload",\n  "Click"]}', [(2, 4)]),
        ('{"steps": [\n\t"Click"]}', [(1, None)]),
        ("steps: [Reload]\nsteps_timeout: 1\n", [(None, None)]),
        ("name: x\nsteps: [\n", [(None, 3)]),
        ('steps:\n  - Reload\n  - Verify text "${name}"\n', [(2, 3)]),
        ("steps: [Reload]\n", []),
        ("- Reload\n", [(None, None)]),
        ({"steps": "Reload"}, [(None, None)]),
    ],
)
def test_every_fault_has_its_place(source: Any, places: list[tuple[int | None, int | None]]) -> None:
    assert [(fault.step, fault.line) for fault in faults_of(source)] == places


def test_faults_are_bounded() -> None:
    assert len(faults_of({"steps": ["Click"] * 400})) == MAX_FAULTS
    assert [fault.step for fault in faults_of({"steps": ["Click"] * 501})] == [None]


def test_a_check_says_what_saving_would() -> None:
    sound = check_test('name: Look\nsteps: [Reload, Click "A"]')
    assert sound == {"ok": True, "name": "Look", "steps": 2, "faults": []}
    task = {"steps": ["Reload"], "task": {"id": "x", "version": 1, "configuration": "y"}}
    refused = check_test(task)
    assert (refused["ok"], refused["name"], refused["steps"]) == (False, None, None)
    assert "leave it out" in refused["faults"][0]["message"]
