"""Typed reading of JSON objects that a peer sent. Any thread; pure; knows no frame and no record.

Every wrong type, sign or shape is a ``ProtocolViolation`` that names the object and the member.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, NoReturn, TypeVar

from runwire_client.errors import ProtocolViolation

E = TypeVar("E", bound=Enum)


def parse_json(raw: str | bytes, where: str) -> Any:
    """Return the decoded value.

    Args:
        raw: the bytes or text of one JSON document.
        where: what it is, for the error's text.

    Raises:
        ProtocolViolation: no JSON, not UTF-8, nested beyond reason, or NaN and infinities, which are none (RFC 8259).
    """

    def refuse(constant: str) -> NoReturn:
        raise ProtocolViolation(f"{where}: {constant} is no JSON")

    try:
        return json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation(f"{where}: no JSON ({error})") from error


class Fields:
    """One JSON object; ``where`` names it in errors."""

    __slots__ = ("values", "where")

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ProtocolViolation(f"{where}: an object was expected")
        self.values: dict[str, Any] = value
        self.where = where

    def _refusal(self, name: str, expected: str) -> ProtocolViolation:
        return ProtocolViolation(f"{self.where}: {name} must be {expected}")

    def text(self, name: str) -> str:
        """Return a string."""
        value = self.values.get(name)
        if isinstance(value, str):
            return value
        raise self._refusal(name, "a string")

    def text_or_none(self, name: str) -> str | None:
        """Return a string, or None if absent or null."""
        return None if self.values.get(name) is None else self.text(name)

    def whole(self, name: str, least: int = 0) -> int:
        """Return an integer of at least ``least``."""
        value = self.values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise self._refusal(name, f"an integer of at least {least}")

    def whole_or_none(self, name: str) -> int | None:
        """Return an integer of at least 0, or None if absent or null."""
        return None if self.values.get(name) is None else self.whole(name)

    def number(self, name: str) -> float:
        """Return a number of at least 0 that is no time."""
        return self.seconds(name)

    def seconds(self, name: str) -> float:
        """Return a number of at least 0."""
        value = self.values.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
        raise self._refusal(name, "a number of at least 0")

    def seconds_or_none(self, name: str) -> float | None:
        """Return a number of at least 0, or None if absent or null."""
        return None if self.values.get(name) is None else self.seconds(name)

    def flag(self, name: str) -> bool:
        """Return a boolean."""
        value = self.values.get(name)
        if isinstance(value, bool):
            return value
        raise self._refusal(name, "a boolean")

    def word(self, name: str, words: type[E]) -> E:
        """Return a member of the enumeration ``words``."""
        try:
            return words(self.values.get(name))
        except ValueError as error:
            raise self._refusal(name, f"one of {', '.join(str(word.value) for word in words)}") from error

    def word_or_none(self, name: str, words: type[E]) -> E | None:
        """Return a member of the enumeration ``words``, or None if absent or null."""
        return None if self.values.get(name) is None else self.word(name, words)

    def object(self, name: str) -> Fields:
        """Return the readers of an object inside this one."""
        return Fields(self.values.get(name), f"{self.where}.{name}")

    def mapping_or_none(self, name: str) -> Mapping[str, Any] | None:
        """Return an object unchanged, or None if absent or null."""
        return None if self.values.get(name) is None else self.object(name).values

    def rows(self, name: str) -> list[Any]:
        """Return a list unchanged."""
        value = self.values.get(name)
        if isinstance(value, list):
            return value
        raise self._refusal(name, "a list")

    def rows_or_empty(self, name: str) -> list[Any]:
        """Return a list unchanged, or an empty one if absent or null."""
        return [] if self.values.get(name) is None else self.rows(name)
