"""Parameters of a query string, checked. Floor 6; pure."""

from __future__ import annotations

from collections.abc import Mapping

from runwire.errors import InvalidInput

PAGE = 50
MOST_PAGE = 200


def limit_of(query: Mapping[str, str], default: int = PAGE, most: int = MOST_PAGE) -> int:
    """Return how many items a page is to hold. Raises InvalidInput."""
    text = query.get("limit")
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= most:
        raise InvalidInput(f"limit: an integer from 1 to {most}, got {text[:20]!r}")
    return int(text)


def flag_of(query: Mapping[str, str], name: str) -> bool:
    """Return whether a flag is set. Raises InvalidInput."""
    text = query.get(name, "0")
    if text not in ("0", "1", "", "true", "false"):
        raise InvalidInput(f"{name}: 1 or 0, got {text[:20]!r}")
    return text in ("1", "", "true")
