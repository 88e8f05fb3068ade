"""Which server a command talks to, and how. Floor 8. Importing it needs no client library."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
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


def add_door(parser: argparse.ArgumentParser, *, anywhere: bool = False) -> None:
    """Add the flags that name a running server; ``anywhere``: or a server in this process, if nobody uses the data."""
    parser.add_argument("--server", metavar="URL", help="talk to this server; default: the one that uses --data")
    if anywhere:
        parser.add_argument("--embedded", action="store_true", help="do it in this process, without a running server")
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
    """Return the settings of a command that may execute by itself.

    Raises:
        ConfigurationError: a flag is wrong, or a window was asked for and there is no display or browser for it.
    """
    if not arguments.headed:
        return settings_from(arguments)
    from runwire.browser.executable import why_unavailable

    arguments.browser_headless = False
    settings = settings_from(arguments)
    if _means_running(arguments, settings):
        raise ConfigurationError(
            "--headed shows this process's own browser, not a server's: add --embedded and a --data that no server uses"
        )
    if (reason := why_unavailable(settings.browser_executable, headless=False)) is not None:
        raise ConfigurationError(f"--headed: {reason}")
    return settings


def _means_running(arguments: argparse.Namespace, settings: Settings) -> bool:
    """Return whether the flags mean a server that runs already. Raises ConfigurationError."""
    from runwire.persistence import data_folder

    if arguments.server and arguments.embedded:
        raise ConfigurationError("--server and --embedded exclude each other")
    return bool(arguments.server) or (not arguments.embedded and data_folder.is_owned(settings.data_path))


@asynccontextmanager
async def open_door(arguments: argparse.Namespace, settings: Settings) -> AsyncIterator[Door]:
    """Give the server to use: the named one, the one that owns the data folder, or one in this process."""
    if _means_running(arguments, settings):
        yield running_server(arguments, settings)
    else:
        ensure_database(settings.data_path)
        from runwire.wiring.server import embedded_server

        async with embedded_server(settings) as (url, token):
            yield Door(url, token)


def talk(arguments: argparse.Namespace, work: Callable[[AsyncRunwire], Awaitable[None]]) -> int:
    """Do ``work`` with a client of the running server; a refusal is one line on standard error and exit code 2."""
    return _talk(arguments, work, lambda settings: nullcontext(running_server(arguments, settings)))


def talk_anywhere(arguments: argparse.Namespace, work: Callable[[AsyncRunwire], Awaitable[None]]) -> int:
    """The same for flags of ``add_door(…, anywhere=True)``: with a server in this process if ``--embedded`` asks."""
    if not arguments.embedded:
        return talk(arguments, work)
    from runwire.telemetry.logs import configure_logs

    configure_logs("error", "console")
    return _talk(arguments, work, lambda settings: open_door(arguments, settings))


def _talk(
    arguments: argparse.Namespace,
    work: Callable[[AsyncRunwire], Awaitable[None]],
    door_of: Callable[[Settings], AbstractAsyncContextManager[Door]],
) -> int:
    try:
        import runwire_client
    except ImportError as error:
        raise ConfigurationError(f"this command needs {error.name}: pip install 'runwire[cli]'") from error

    settings = settings_from(arguments)

    async def with_client() -> None:
        async with door_of(settings) as door, runwire_client.AsyncRunwire(door.url, door.token) as client:
            await work(client)

    try:
        asyncio.run(with_client())
    except runwire_client.RunwireError as error:
        print(f"runwire: {error.message}", file=sys.stderr)
        return FAILED
    return 0


def running_server(arguments: argparse.Namespace, settings: Settings) -> Door:
    """Return the server that the flags name, else the one that uses the data folder. Raises ConfigurationError."""
    address = arguments.server or _stored_address(settings)
    return Door(address, arguments.token or _stored_token(settings))


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
