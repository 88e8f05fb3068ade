"""``runwire send``: say something into a live run. Floor 8."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, talk
from runwire.cli.run import parsed_or_text

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "send",
        help="say something into a live run",
        description="Say something into a live run. Prints `delivered`, or `queued_for_next_turn` if the run does not "
        "listen: then the next run of its thread gets it.",
    )
    parser.add_argument("run_id", metavar="RUN_ID")
    parser.add_argument("message", metavar="MESSAGE", help="a text, or a JSON object or array")
    add_door(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Send the message and print what becomes of it."""

    async def work(client: AsyncRunwire) -> None:
        print(await client.send(arguments.run_id, parsed_or_text(arguments.message)))

    return talk(arguments, work)
