"""Files that a run's input names. Floor 2; any thread; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runwire.errors import InvalidInput

MOST_FILES = 256
"""Files that one input may name; a guess."""


def file_ids_in(value: Any, encoded: bytes) -> tuple[str, ...]:
    """Return the ids in every ``{"file_id": …}`` of an input, each once; an object with other members is no such thing.

    ``encoded`` is the same value as JSON: an input that names no file costs one look for the word.

    Raises InvalidInput for more than :data:`MOST_FILES`.
    """
    if b'"file_id"' not in encoded:
        return ()
    found = tuple(dict.fromkeys(_file_ids(value)))
    if len(found) > MOST_FILES:
        raise InvalidInput(f"input: names {len(found)} files, at most {MOST_FILES} are allowed")
    return found


def _file_ids(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(file_id := value.get("file_id"), str):
            yield file_id
        for item in value.values():
            yield from _file_ids(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _file_ids(item)
