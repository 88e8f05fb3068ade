"""Secrets that tests type: on their origin alone, and in nothing that leaves the browser."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.browser.secrets import HttpSecret
from runwire.runs.state import Verdict
from runwire.testing.context import RecordingContext
from tests.browser.conftest import MakeHost

pytestmark = pytest.mark.timeout(30)
VALUE = "hunter2-very-secret"


@pytest.fixture
def secretive(make_host: MakeHost, site: str) -> Any:
    """Return a function that carries steps out on a host with secrets of two origins."""
    host = make_host(
        secrets={
            "mine": HttpSecret("robot", VALUE, site),
            "other": HttpSecret("robot", "other-password", "https://elsewhere.example"),
        }
    )

    async def carry_out(*steps: str, **more: Any) -> tuple[Any, RecordingContext]:
        ctx = RecordingContext(host)
        test = {"url": "/login.html", "steps": list(steps), "step_timeout_s": 1, "on_failure": "continue", **more}
        return await BrowserTestAgent().run(ctx, test), ctx

    return carry_out


async def test_a_secret_is_typed_and_stands_in_nothing_that_is_told(secretive: Any) -> None:
    result, ctx = await secretive(
        'Fill "Password" with "{{secret.mine}}"',
        'Type "{{ secret.mine.username }}" into "User"',
        'Verify value of "User" is "robot"',
        'Remember test id "echo" as said',
        'Verify text "You typed nothing"',
        'Verify value of "Password" is "something else"',
        'Verify text "${said}"',
        variables={"unused": "x"},
    )
    steps = result.result["steps"]
    assert [step["status"] for step in steps] == ["PASSED"] * 4 + ["FAILED", "FAILED", "FAILED"]
    assert '"{{secret.mine}}"' in steps[5]["error"]
    everything = json.dumps([result.result, ctx.events, ctx.said, [str(one) for one in ctx.traversal.saved]])
    assert VALUE not in everything
    assert "{{secret.mine}}" in everything


async def test_a_variable_may_be_a_secret(secretive: Any) -> None:
    steps = ['Fill "Password" with "${password}"', 'Verify text "You typed hunter2"']
    result, _ = await secretive(*steps, variables={"password": "{{secret.mine}}"})
    assert result.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('Fill "Password" with "{{secret.other}}"', "belongs to https://elsewhere.example"),
        ('Fill "Password" with "{{secret.absent}}"', "no secret 'absent'"),
        ('Verify text "{{secret.mine}}"', "used nowhere else"),
        ('In frame "inner": Fill "Inner" with "{{secret.mine}}"', "used nowhere else"),
        ('Type "{{secret.mine}}"', "used nowhere else"),
        ("Navigate to /login.html?{{secret.mine}}", ""),
    ],
)
async def test_a_secret_goes_nowhere_else(secretive: Any, step: str, said: str) -> None:
    result, _ = await secretive(step)
    (only,) = result.result["steps"]
    assert VALUE not in json.dumps(only)
    if said:
        assert said in only["error"]
