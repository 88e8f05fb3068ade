"""Mission B7: explicit limits on every test, no test that waits and hopes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.support import deadlines

TESTS = Path(__file__).parents[1]
FOLDERS = ("unit", "integration", "e2e", "contract", "migration")
TIME_ITSELF = {"test_safe_ws.py", "test_safe_ws_hostile.py", "test_python_client.py"}
"""Peers that stop and start at a certain moment: passing time is what these test."""

TIMELESS = [path for folder in FOLDERS for path in (TESTS / folder).glob("*.py") if path.name not in TIME_ITSELF]


def test_b7_every_test_has_ten_seconds_and_warnings_are_errors() -> None:
    options = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert options["timeout"] == 10
    assert options["filterwarnings"] == ["error"]
    assert options["xfail_strict"] is True


def test_b7_the_limits_are_the_missions() -> None:
    assert (deadlines.CONNECT_S, deadlines.MESSAGE_S, deadlines.WAIT_S) == (25.0, 2.0, 12.0)


def test_b7_no_test_sleeps_and_hopes() -> None:
    """A pause is allowed where it is somebody's pace, and says so in the same line."""
    hoping = [
        f"{path.name}:{number}"
        for path in TIMELESS
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(r"\bsleep\((?!0\))", line) and "pace" not in line and "re.search" not in line
    ]
    assert hoping == []


def test_b7_unit_tests_open_no_socket_start_no_thread_and_never_sleep() -> None:
    forbidden = re.compile(r"^\s*(import|from) (socket|threading|websockets|httpx|subprocess|time)\b", re.MULTILINE)
    found = [path.name for path in (TESTS / "unit").glob("*.py") if forbidden.search(path.read_text())]
    assert found == []
