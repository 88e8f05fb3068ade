"""``runwire threads``: your conversations on a running server. Floor 8."""

from __future__ import annotations

import argparse
import sys
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, talk

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("threads", help="list, search, export and delete conversations")
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="list conversations, newest activity first")
    listing.add_argument("query", metavar="WORDS", nargs="*", help="only those that hold all of these words")
    listing.set_defaults(command=run_list)
    exporting = actions.add_parser("export", help="write a conversation to standard output")
    exporting.add_argument("thread_id", metavar="ID")
    exporting.add_argument("--format", choices=("markdown", "json", "zip"), default="markdown")
    exporting.set_defaults(command=run_export)
    deleting = actions.add_parser("delete", help="delete a conversation with everything in it")
    deleting.add_argument("thread_id", metavar="ID")
    deleting.add_argument("--force", action="store_true", help="cancel its live runs first")
    deleting.set_defaults(command=run_delete)
    for action in (listing, exporting, deleting):
        add_door(action)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a line for each conversation: when, id, runs, title, and where the words stand."""

    async def show(client: AsyncRunwire) -> None:
        async with aclosing(client.conversations.list(" ".join(arguments.query) or None)) as found:
            async for one in found:
                when = datetime.fromtimestamp(one.active_ms / 1000).astimezone()
                runs = f"{one.runs:>4} {'run ' if one.runs == 1 else 'runs'}"
                print(f"{when:%Y-%m-%d %H:%M}  {one.id}  {runs}  {printable(one.title)}")
                if one.snippet is not None:
                    print(f"    {printable(one.snippet)}")

    return talk(arguments, show)


def run_export(arguments: argparse.Namespace) -> int:
    """Write a conversation to standard output, as it comes."""

    async def write(client: AsyncRunwire) -> None:
        async with aclosing(client.conversations.export(arguments.thread_id, arguments.format)) as pieces:
            async for piece in pieces:
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    return talk(arguments, write)


def run_delete(arguments: argparse.Namespace) -> int:
    """Delete a conversation."""

    async def delete(client: AsyncRunwire) -> None:
        await client.conversations.delete(arguments.thread_id, force=arguments.force)

    return talk(arguments, delete)


def printable(text: str) -> str:
    """Return text of others on one line that moves no cursor and colours no terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
