"""``runwire share``: read-only links to your runs and conversations, on a running server. Floor 8."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, talk

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire

DAY_S = 86_400.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("share", help="let people without a token look at a run or a conversation")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (("run", "one run"), ("thread", "a conversation with its later runs")):
        making = actions.add_parser(name, help=f"make a link to {text} and print it, once")
        making.add_argument("shared_id", metavar="ID")
        making.add_argument(
            "--expires-days",
            type=float,
            default=None,
            metavar="DAYS",
            help="default: 7, at most what the server allows",
        )
        making.set_defaults(command=run_add, kind=name)
        add_door(making)
    listing = actions.add_parser("list", help="list links that have not expired")
    listing.set_defaults(command=run_list)
    revoking = actions.add_parser("revoke", help="end a link; whoever has it open is cut off")
    revoking.add_argument("share_id", metavar="LINK_ID")
    revoking.set_defaults(command=run_revoke)
    for action in (listing, revoking):
        add_door(action)


def run_add(arguments: argparse.Namespace) -> int:
    """Make a link and print only that."""
    expires_s = None if arguments.expires_days is None else arguments.expires_days * DAY_S

    async def add(client: AsyncRunwire) -> None:
        run_id, thread_id = (arguments.shared_id, None) if arguments.kind == "run" else (None, arguments.shared_id)
        print((await client.shares.add(run_id=run_id, thread_id=thread_id, expires_s=expires_s)).url)

    return talk(arguments, add)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a line for each link: its id, when it ends, and what it leads to."""

    async def show(client: AsyncRunwire) -> None:
        for one in await client.shares.list():
            until = datetime.fromtimestamp(one.expires_ms / 1000).astimezone()
            target = f"run {one.run_id}" if one.run_id is not None else f"thread {one.thread_id}"
            print(f"{one.id}  until {until:%Y-%m-%d %H:%M}  {target}")

    return talk(arguments, show)


def run_revoke(arguments: argparse.Namespace) -> int:
    """End a link."""

    async def revoke(client: AsyncRunwire) -> None:
        await client.shares.revoke(arguments.share_id)

    return talk(arguments, revoke)
