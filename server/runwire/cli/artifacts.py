"""``runwire artifacts``: what a run has stored: screenshots, downloads, logs. Floor 8."""

from __future__ import annotations

import argparse
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, talk_anywhere
from runwire.cli.reports import write_pieces
from runwire.cli.threads import printable

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("artifacts", help="list and fetch what a run has stored")
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="list a run's artifacts in the order of their making")
    listing.set_defaults(command=run_list)
    getting = actions.add_parser("get", help="write one to standard output")
    getting.set_defaults(command=run_get)
    packing = actions.add_parser("zip", help="write all of them, and the traversal, into an archive")
    packing.set_defaults(command=run_zip)
    for action in (listing, getting, packing):
        action.add_argument("run_id", metavar="RUN_ID")
        add_door(action, anywhere=True)
    getting.add_argument("artifact_id", metavar="ID")
    packing.add_argument("file", metavar="FILE", type=Path)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a line for each artifact: id, kind, bytes, name."""

    async def show(client: AsyncRunwire) -> None:
        for one in await client.artifacts.list(arguments.run_id):
            print(f"{one.id}  {printable(one.kind):<10}  {one.size_bytes:>12}  {printable(one.name)}")

    return talk_anywhere(arguments, show)


def run_get(arguments: argparse.Namespace) -> int:
    """Write an artifact to standard output, as it comes."""

    async def get(client: AsyncRunwire) -> None:
        async with aclosing(client.artifacts.download(arguments.run_id, arguments.artifact_id)) as pieces:
            async for piece in pieces:
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    return talk_anywhere(arguments, get)


def run_zip(arguments: argparse.Namespace) -> int:
    """Write a run's archive."""

    async def pack(client: AsyncRunwire) -> None:
        await write_pieces(arguments.file, client.artifacts.archive(arguments.run_id))

    return talk_anywhere(arguments, pack)
