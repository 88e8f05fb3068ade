"""User names and passwords that browser runs may use without seeing them. Floor 4; read once, at start-up.

A TOML file that the server's administrator keeps, a table a secret. Each belongs to one origin: Chromium sends it there
and nowhere else, so no test can carry it away.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runwire.errors import ConfigurationError

_MEMBERS = frozenset({"username", "password", "origin"})


@dataclass(frozen=True, slots=True)
class HttpSecret:
    """Credentials of one origin (``https://staging.example.org``)."""

    username: str
    password: str = field(repr=False)
    origin: str


def read_secrets(path: str) -> Mapping[str, HttpSecret]:
    """Return the secrets by name; an empty ``path`` has none.

    Raises:
        ConfigurationError: the file cannot be read, others may read it, or an entry is incomplete.
    """
    if not path:
        return {}
    try:
        if Path(path).stat().st_mode & 0o077:
            raise ConfigurationError(f"browser_secrets: others may read {path}; run: chmod 600 {path}")
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"browser_secrets: cannot read {path}: {error}") from error
    return {name: _secret(name, table) for name, table in tables.items()}


def _secret(name: str, table: Any) -> HttpSecret:
    if not isinstance(table, dict) or set(table) != _MEMBERS or not all(isinstance(v, str) for v in table.values()):
        raise ConfigurationError(f"browser_secrets: [{name}] needs username, password and origin, all of them texts")
    if not table["origin"].startswith(("http://", "https://")) or table["origin"].count("/") != 2:
        raise ConfigurationError(f"browser_secrets: [{name}] origin must look like https://staging.example.org")
    return HttpSecret(**table)
