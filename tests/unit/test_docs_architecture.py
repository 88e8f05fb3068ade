"""``docs/architecture.md`` shows the floors that the import contract holds and every thread that the code names."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def _contract() -> list[set[str]]:
    """Return the rooms of each layer, from the top, as import-linter holds them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    floors = next(c for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == "floors")
    return [set(re.findall(r"[a-z_]+", layer)) for layer in floors["layers"]]


def _thread_names() -> set[str]:
    """Return the names, or their literal beginnings, that the package gives to threads."""
    found: set[str] = set()
    for file in (ROOT / "server/runwire").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Thread") and node.args:
                constants = [part for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)]
                found |= {str(part.value) for part in constants[:1] if str(part.value).startswith("runwire-")}
    return found


def test_the_floors_are_those_of_the_contract() -> None:
    rows = re.findall(r"^\| \d \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert [set(re.findall(r"`([a-z_]+)`", row)) for row in rows] == _contract()


def test_every_thread_is_named() -> None:
    names = _thread_names()
    assert {"runwire-writer", "runwire-runner-"} <= names, "threads are made in another way than this test looks for"
    assert [name for name in names if f"`{name}" not in PAGE] == []
