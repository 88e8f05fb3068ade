"""Which server a command talks to, and how. Floor 8. Importing it needs no client library."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwire.cli.serve import add_settings, ensure_database, settings_from
from runwire.errors import ConfigurationError
from runwire.settings import Settings

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire

FAILED = 2


@dataclass(frozen=True, slots=True)
class Door:
    """A server's address and a token for it."""

    url: str
    token: str


def add_door(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name a running server."""
    parser.add_argument("--server", metavar="URL", help="talk to this server; default: the one that uses --data")
    parser.add_argument("--token", metavar="T", help="token for the server; default: the data folder's own")
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(parser, frozenset({"data"}))


RUN_SETTINGS = frozenset(
    {
        "data",
        "agents",
        "samples",
        "log_level",
        "browser_executable",
        "browser_headless",
        "browser_allow",
        "browser_secrets",
        "browser_isolation",
        "browser_wrapper",
    }
)
"""The settings of a command that may execute by itself."""


def add_any_door(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name a running server, or say that none is wanted."""
    parser.add_argument("--server", metavar="URL", help="execute on this server; default: the one that uses --data")
    parser.add_argument("--token", metavar="T", help="token for the server; default: the data folder's own")
    parser.add_argument("--embedded", action="store_true", help="execute in this process, without a running server")
    parser.add_argument("--headed", action="store_true", help="with --embedded: show the browser's window")


def run_settings(arguments: argparse.Namespace) -> Settings:
    """Return the settings of a command that may execute by itself. Raises ConfigurationError."""
    if arguments.headed:
        arguments.browser_headless = False
    return settings_from(arguments)


@asynccontextmanager
async def open_door(arguments: argparse.Namespace, settings: Settings) -> AsyncIterator[Door]:
    """Give the server to use: the named one, the one that owns the data folder, or one in this process."""
    from runwire.persistence import data_folder

    if arguments.server and arguments.embedded:
        raise ConfigurationError("--server and --embedded exclude each other")
    if arguments.server or (not arguments.embedded and data_folder.is_owned(settings.data_path)):
        yield running_server(arguments, settings)
    else:
        ensure_database(settings.data_path)
        from runwire.wiring.server import embedded_server

        async with embedded_server(settings) as (url, token):
            yield Door(url, token)


def talk(arguments: argparse.Namespace, work: Callable[[AsyncRunwire], Awaitable[None]]) -> int:
    """Do ``work`` with a client of the running server; a refusal is one line on standard error and exit code 2."""
    try:
        import runwire_client
    except ImportError as error:
        raise ConfigurationError(f"this command needs {error.name}: pip install 'runwire[cli]'") from error

    door = running_server(arguments, settings_from(arguments))

    async def with_client() -> None:
        async with runwire_client.AsyncRunwire(door.url, door.token) as client:
            await work(client)

    try:
        asyncio.run(with_client())
    except runwire_client.RunwireError as error:
        print(f"runwire: {error.message}", file=sys.stderr)
        return FAILED
    return 0


def running_server(arguments: argparse.Namespace, settings: Settings) -> Door:
    """Return the server that the flags name, else the one that uses the data folder. Raises ConfigurationError."""
    token = arguments.token or _stored_token(settings)
    return Door(arguments.server or _stored_address(settings), token)


def _stored_token(settings: Settings) -> str:
    from runwire.persistence.data_folder import token_file

    try:
        return token_file(settings.data_path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError("no token: give --token, or --data with the server's data folder") from error


def _stored_address(settings: Settings) -> str:
    from runwire.persistence import data_folder

    try:
        return data_folder.address_file(settings.data_path).read_text(encoding="utf-8").strip()
    except OSError as error:
        if data_folder.is_owned(settings.data_path):
            raise ConfigurationError(
                f"a process uses {settings.data_path} but is not listening (yet); try again, or give --server"
            ) from error
        raise ConfigurationError(
            f"no server uses {settings.data_path}: start one with `runwire serve`, or give --server"
        ) from error
