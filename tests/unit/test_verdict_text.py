"""What the terminal says of a verdict."""

from __future__ import annotations

from typing import Any

import pytest

from runwire.cli.display import verdict_text


@pytest.mark.parametrize(
    ("verdict", "result", "text"),
    [
        ("passed", {"passed": 3, "total": 3}, "3/3 passed"),
        ("failed", {"passed": 2, "total": 3}, "2/3 passed"),
        ("failed", {"passed": 3, "total": 3}, "verdict failed, 3/3 passed"),
        ("passed", {"passed": 2, "total": 3}, "verdict passed, 2/3 passed"),
        ("failed", {}, "verdict failed"),
    ],
)
def test_counts_stand_alone_only_where_they_say_the_verdict(verdict: str, result: dict[str, Any], text: str) -> None:
    assert verdict_text(verdict, result) == text
