"""Where settings come from, and how they are described. Floor 0; read once at start-up.

In this order: a flag (``--max-running 8``), the environment (``RUNWIRE_MAX_RUNNING=8``), a TOML file (``max_running =
8``; ``--config FILE`` or ``RUNWIRE_CONFIG``), the default of :class:`runwire.settings.Settings`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from runwire.errors import ConfigurationError
from runwire.settings import SECRET, Settings

ENV_PREFIX = "RUNWIRE_"


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """One setting as documentation shows it; ``kind`` is one of bool, int, float, str, list, choice."""

    name: str
    flag: str
    env: str
    kind: str
    default: Any
    help: str


@cache
def describe() -> tuple[SettingInfo, ...]:
    """Return every setting in its order of declaration."""
    return tuple(_describe())


def _describe() -> Iterator[SettingInfo]:
    info = msgspec.inspect.type_info(Settings)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        kind, text = _kind_and_help(field.type)
        yield SettingInfo(
            name=field.name,
            flag="--" + field.name.replace("_", "-"),
            env=ENV_PREFIX + field.name.upper(),
            kind=kind,
            default=field.default,
            help=text,
        )


def _kind_and_help(kind: msgspec.inspect.Type) -> tuple[str, str]:
    text = ""
    while isinstance(kind, msgspec.inspect.Metadata):
        text = (kind.extra_json_schema or {}).get("description", "") or text
        kind = kind.type
    names = {
        "BoolType": "bool",
        "IntType": "int",
        "FloatType": "float",
        "VarTupleType": "list",
        "LiteralType": "choice",
    }
    return names.get(type(kind).__name__, "str"), text


def load(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Merge file, environment and flags (``None`` means not given) into settings.

    Raises:
        ConfigurationError: a value has the wrong type or range, a name is unknown, or the file cannot be read; the
            message names the setting and where it came from.
    """
    known = {info.name: info for info in describe()}
    path = flags.get("config") or environ.get(ENV_PREFIX + "CONFIG")
    merged: dict[str, Any] = dict(_from_file(Path(path), known)) if path else {}
    for name, info in known.items():
        if (text := environ.get(info.env)) is not None:
            merged[name] = _convert_one(name, text, info, f"the environment variable {info.env}")
        if (flag := flags.get(name)) is not None:
            merged[name] = _convert_one(name, flag, info, f"the flag {info.flag}")
    return Settings(**merged)


def _from_file(path: Path, known: Mapping[str, SettingInfo]) -> Iterator[tuple[str, Any]]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"cannot read the settings file {path}: {error}") from error
    for name, value in values.items():
        if name not in known:
            raise ConfigurationError(f"the settings file {path} names an unknown setting: {name}")
        yield name, _convert_one(name, value, known[name], f"the file {path}")


def _convert_one(name: str, value: Any, info: SettingInfo, source: str) -> Any:
    """Check one value against its field's type; text is parsed by the field's kind."""
    if info.kind == "list" and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if info.kind == "bool" and isinstance(value, str):
        value = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(
            value.lower(), value
        )
    try:
        checked = msgspec.convert({name: value}, Settings, strict=False)
    except msgspec.ValidationError as error:
        got = "" if name in SECRET else f" (got {value!r})"
        raise ConfigurationError(f"{source}: {name}: {str(error).split(' - at')[0]}{got}") from error
    return getattr(checked, name)
