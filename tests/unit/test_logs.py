"""Logs carry facts, never content: no local variable of a traceback, in either format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from runwire.telemetry.logs import configure_logs, startup_step


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Put the suite's own configuration back."""
    before: dict[str, Any] = structlog.get_config()
    yield
    structlog.configure(**before)


def _fail() -> None:
    secret = "a-token-of-" + "somebody"
    structlog.get_logger("test").info("told", run_id="run00001")
    try:
        raise ValueError(f"{len(secret)} characters")
    except ValueError:
        structlog.get_logger("test").exception("failed")


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_shows_no_local_variable(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", style)
    _fail()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "ValueError" in printed.err
    assert "19 characters" in printed.err
    assert "a-token-of-somebody" not in printed.err


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    _fail()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("told", "info"), ("failed", "error")]
    assert lines[0]["run_id"] == "run00001"


def test_a_level_leaves_out_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("error", "console")
    _fail()
    assert "told" not in capsys.readouterr().err


def test_a_failed_step_of_the_start_up_says_which_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    with pytest.raises(RuntimeError), startup_step("database", path="x"):
        raise RuntimeError("disk gone")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["step"], line["error"]) == ("startup.failed", "database", "disk gone")
