"""``runwire files``: your files on a running server, for the inputs of runs. Floor 8."""

from __future__ import annotations

import argparse
import asyncio
import mimetypes
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, talk
from runwire.cli.threads import printable
from runwire.errors import InvalidInput

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire

PIECE_BYTES = 262_144


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("files", help="store files for the inputs of runs")
    actions = parser.add_subparsers(dest="action", required=True)
    putting = actions.add_parser("put", help="store a file and print its id")
    putting.add_argument("file", metavar="FILE", type=Path)
    putting.add_argument("--mime", metavar="TYPE", help="default: guessed from the name")
    putting.set_defaults(command=run_put)
    listing = actions.add_parser("list", help="list files, newest first")
    listing.set_defaults(command=run_list)
    getting = actions.add_parser("get", help="write a file to standard output")
    getting.add_argument("file_id", metavar="ID")
    getting.set_defaults(command=run_get)
    deleting = actions.add_parser("delete", help="remove a file")
    deleting.add_argument("file_id", metavar="ID")
    deleting.set_defaults(command=run_delete)
    for action in (putting, listing, getting, deleting):
        add_door(action)


def run_put(arguments: argparse.Namespace) -> int:
    """Store a file, piece by piece, and print its id."""
    path: Path = arguments.file
    if not path.is_file():
        raise InvalidInput(f"{path} is no file")
    mime = arguments.mime or mimetypes.guess_type(path.name)[0] or "application/octet-stream"

    async def put(client: AsyncRunwire) -> None:
        print((await client.files.put(path.name, _pieces(path), mime=mime)).id)

    return talk(arguments, put)


async def _pieces(path: Path) -> AsyncGenerator[bytes, None]:
    with path.open("rb") as file:  # a local file of the person who typed this; nobody else waits
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


def run_list(arguments: argparse.Namespace) -> int:
    """Print a line for each file: id, bytes, name."""

    async def show(client: AsyncRunwire) -> None:
        async with aclosing(client.files.list()) as stored:
            async for one in stored:
                print(f"{one.id}  {one.size_bytes:>12}  {printable(one.name)}")

    return talk(arguments, show)


def run_get(arguments: argparse.Namespace) -> int:
    """Write a file to standard output, as it comes."""

    async def get(client: AsyncRunwire) -> None:
        async with aclosing(client.files.download(arguments.file_id)) as pieces:
            async for piece in pieces:
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    return talk(arguments, get)


def run_delete(arguments: argparse.Namespace) -> int:
    """Remove a file."""

    async def delete(client: AsyncRunwire) -> None:
        await client.files.delete(arguments.file_id)

    return talk(arguments, delete)
