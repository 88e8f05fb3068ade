"""``runwire top``: what a running server does, again each second. Floor 8; main thread."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, running_server, talk
from runwire.cli.serve import settings_from
from runwire.errors import ConfigurationError

if TYPE_CHECKING:
    from runwire.cli.top_view import Look
    from runwire_client import AsyncRunwire

INTERVAL_S = 1.0
SHORTEST_S = 0.1

LINES_ABOVE = 11
"""Lines of the view that are not runs."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "top",
        help="watch what a server does",
        description="Show a running server's queue, runs of all users, sockets, writer, memory and browsers, again "
        "each second, until Ctrl-C. Needs an admin's token.",
    )
    parser.add_argument("--once", action="store_true", help="print one snapshot and leave")
    parser.add_argument(
        "--interval-s", type=float, default=INTERVAL_S, metavar="SECONDS", help="time between two looks [1]"
    )
    add_door(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the server's status; Ctrl-C is how one leaves, not an error."""
    if arguments.interval_s < SHORTEST_S:
        raise ConfigurationError(f"--interval-s: at least {SHORTEST_S:g}, got {arguments.interval_s:g}")
    if not arguments.once and not sys.stdout.isatty():
        raise ConfigurationError("`runwire top` needs a terminal; for a snapshot: runwire top --once")

    async def show(client: AsyncRunwire) -> None:
        server = running_server(arguments, settings_from(arguments)).url
        await (_snapshot(client, server) if arguments.once else _live(client, server, arguments.interval_s))

    try:
        return talk(arguments, show)
    except KeyboardInterrupt:
        return 0


async def _snapshot(client: AsyncRunwire, server: str) -> None:
    from rich.console import Console

    from runwire.cli.top_view import screen

    Console(highlight=False).print(screen(await _first_look(client, server), None, server=server))


async def _live(client: AsyncRunwire, server: str, interval_s: float) -> None:
    """Look and show until cancelled. A server that is away for a while is told, and asked again."""
    from rich.console import Console
    from rich.live import Live

    from runwire.cli.top_view import screen
    from runwire_client import RunwireError

    console = Console(highlight=False)
    now, before, note = await _first_look(client, server), None, ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            rows = max(1, console.height - LINES_ABOVE)
            live.update(screen(now, before, server=server, note=note, rows=rows), refresh=True)
            await asyncio.sleep(interval_s)
            try:
                now, before, note = await _look(client), now, ""
            except RunwireError as error:
                if not error.retryable:
                    raise
                note = f"no answer: {error.message}"


async def _first_look(client: AsyncRunwire, server: str) -> Look:
    from runwire_client.errors import ConnectionFailed

    try:
        return await _look(client)
    except ConnectionFailed as error:
        raise ConfigurationError(f"no server answers at {server}; start one with `runwire serve`") from error


async def _look(client: AsyncRunwire) -> Look:
    from runwire.cli.top_view import Look

    return Look(await client.status(), time.monotonic())
