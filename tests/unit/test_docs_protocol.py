"""``docs/protocol.md`` names every door, operation, frame and close code of the code, and none besides."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from runwire.protocol import VERSION
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.commands import OPS
from runwire.protocol.frames import FRAMES
from runwire.web.routes import DOORS

PAGE = (Path(__file__).resolve().parents[2] / "docs/protocol.md").read_text(encoding="utf-8")


def _section(number: int) -> str:
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the page has no section {number}"
    return found.group()


def _first_cells(section: str) -> set[str]:
    """Return the first column of every table of a section, without backticks."""
    return {cell.strip("` ") for cell in re.findall(r"^\|([^|]+)\|", section, re.MULTILINE)}


def _not_yet() -> set[str]:
    return set(re.findall(r"`([^`]+)`", _section(7)))


def test_every_door_is_named_and_none_is_invented() -> None:
    served = {f"{door.method} {door.path}" for door in DOORS}
    named = {cell for cell in _first_cells(_section(6)) if re.match(r"(GET|POST|PUT|PATCH|DELETE|WS) /", cell)}
    assert named == served


def test_every_operation_is_named_and_none_is_invented() -> None:
    named = {cell for cell in _first_cells(_section(4)) if re.fullmatch(r"[a-z]+(\.[a-z]+)?", cell)} - {"op", "event"}
    assert named == set(OPS)


def test_every_close_code_is_named_and_none_is_invented() -> None:
    named = {int(cell) for cell in _first_cells(_section(5)) if cell.isdigit()}
    assert named == {int(code) for code in CloseCode}


def test_every_frame_is_named() -> None:
    tags = {str(msgspec.inspect.type_info(frame).tag) for frame in FRAMES}  # type: ignore[attr-defined]  # a StructType
    missing = {tag for tag in tags if not re.search(rf"`{tag}[ `]|\"type\":\"{tag}\"", PAGE)}
    assert not missing


def test_what_is_not_yet_served_is_not_served() -> None:
    paths = {door.path for door in DOORS}
    assert not _not_yet() & (set(OPS) | paths)


@pytest.mark.parametrize("line", [*(f"L{n}" for n in range(1, 10)), *(f"S{n}" for n in range(1, 10))])
def test_every_numbered_line_stands_once(line: str) -> None:
    assert PAGE.count(f"- **{line}** ") == 1


def test_the_version_is_the_codes() -> None:
    assert f"the name of this contract is `{VERSION}`" in PAGE
