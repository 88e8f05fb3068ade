"""``runwire schedule``: runs that start again and again, on a running server. Floor 8."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, talk
from runwire.cli.run import read_input
from runwire.cli.threads import printable

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("schedule", help="start runs again and again")
    actions = parser.add_subparsers(dest="action", required=True)
    adding = actions.add_parser("add", help="add a schedule and print its id")
    adding.add_argument("name", metavar="NAME")
    adding.add_argument("cron", metavar="CRON", help='five fields in one argument, such as "0 7 * * MON-FRI"')
    adding.add_argument("agent", metavar="AGENT")
    adding.add_argument("input", metavar="INPUT", nargs="?", default=None, help="as in: runwire run")
    adding.add_argument("--time-zone", default="UTC", metavar="ZONE", help="such as Europe/Berlin; default: UTC")
    adding.add_argument("--missed", choices=("skip", "once"), default="skip", help="firings while no server runs")
    adding.add_argument(
        "--overlap", choices=("skip", "allow", "cancel"), default="skip", help="while the last run lives"
    )
    adding.set_defaults(command=run_add)
    listing = actions.add_parser("list", help="list schedules")
    listing.set_defaults(command=run_list)
    doors = [adding, listing]
    for name, function, text in (
        ("pause", run_pause, "let one fire no more for now"),
        ("resume", run_resume, "let a paused one go on"),
        ("delete", run_delete, "remove one; its runs stay"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("schedule_id", metavar="ID")
        action.set_defaults(command=function)
        doors.append(action)
    for action in doors:
        add_door(action)


def run_add(arguments: argparse.Namespace) -> int:
    """Add a schedule and print its id."""
    given = read_input(arguments.input)

    async def add(client: AsyncRunwire) -> None:
        added = await client.schedules.add(
            arguments.name,
            arguments.cron,
            {"agent": arguments.agent, "input": given},
            time_zone=arguments.time_zone,
            missed=arguments.missed,
            overlap=arguments.overlap,
        )
        print(added.id)

    return talk(arguments, add)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a line for each schedule: id, when it fires next, expression, name, and what went wrong last."""

    async def show(client: AsyncRunwire) -> None:
        for one in await client.schedules.list():
            when = "paused" if one.paused else "never"
            if one.next_ms is not None:
                when = f"{datetime.fromtimestamp(one.next_ms / 1000).astimezone():%Y-%m-%d %H:%M}"
            print(f"{one.id}  {when:<16}  {one.cron} {one.time_zone}  {printable(one.name)}")
            if one.last_error is not None:
                print(f"    {printable(one.last_error)}")

    return talk(arguments, show)


def run_pause(arguments: argparse.Namespace) -> int:
    """Pause a schedule."""
    return _set_paused(arguments, paused=True)


def run_resume(arguments: argparse.Namespace) -> int:
    """Let a paused schedule go on."""
    return _set_paused(arguments, paused=False)


def _set_paused(arguments: argparse.Namespace, *, paused: bool) -> int:
    async def change(client: AsyncRunwire) -> None:
        await client.schedules.pause(arguments.schedule_id, paused)

    return talk(arguments, change)


def run_delete(arguments: argparse.Namespace) -> int:
    """Remove a schedule."""

    async def delete(client: AsyncRunwire) -> None:
        await client.schedules.delete(arguments.schedule_id)

    return talk(arguments, delete)
