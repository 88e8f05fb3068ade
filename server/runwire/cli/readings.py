"""``runwire readings``: what models have made of the free words in your browser tests. Floor 8."""

from __future__ import annotations

import argparse
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING

from runwire.cli.door import add_door, talk
from runwire.cli.threads import printable
from runwire.errors import InvalidInput

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire
    from runwire_client.readings import Reading


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("readings", help="look at what a model made of a test's free words, and forget it")
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="list what is kept, newest first")
    listing.add_argument("--task", default=None, metavar="TASK_ID", help="of this saved test alone")
    listing.set_defaults(command=run_list)
    showing = actions.add_parser("show", help="show one: its test, both sentences, the model")
    showing.add_argument("reading_id", metavar="ID")
    showing.set_defaults(command=run_show)
    forgetting = actions.add_parser("forget", help="forget some: the test's next run asks a model again")
    forgetting.add_argument("reading_ids", metavar="ID", nargs="*")
    forgetting.add_argument("--task", default=None, metavar="TASK_ID", help="all of this saved test")
    forgetting.set_defaults(command=run_forget)
    for action in (listing, showing, forgetting):
        add_door(action)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a line for each: its id, its test, the sentence and what it was read as."""

    async def show(client: AsyncRunwire) -> None:
        async with aclosing(client.readings.list(arguments.task)) as readings:
            async for one in readings:
                print(f"{one.id}  {_test_of(one)}: {printable(one.sentence)} -> {printable(one.reading)}")

    return talk(arguments, show)


def run_show(arguments: argparse.Namespace) -> int:
    """Print one."""

    async def show(client: AsyncRunwire) -> None:
        one = await client.readings.get(arguments.reading_id)
        again = f" (number {one.occurrence} of the same)" if one.occurrence > 1 else ""
        print(f"test      {_test_of(one)}")
        print(f"sentence  {printable(one.sentence)}{again}")
        print(f"read as   {printable(one.reading)}")
        when = datetime.fromtimestamp(one.created_ms / 1000).astimezone()
        print(f"by        {printable(one.model)}, {when:%Y-%m-%d %H:%M}")

    return talk(arguments, show)


def run_forget(arguments: argparse.Namespace) -> int:
    """Forget those that were named, or all of one test, and say how many."""

    if not arguments.reading_ids and arguments.task is None:
        raise InvalidInput("name the readings to forget by their ids, or a saved test with --task")

    async def forget(client: AsyncRunwire) -> None:
        chosen = list(arguments.reading_ids)
        if arguments.task is not None:
            async with aclosing(client.readings.list(arguments.task)) as readings:
                chosen += [one.id async for one in readings]
        for reading_id in dict.fromkeys(chosen):
            await client.readings.forget(reading_id)
        print(f"forgotten: {len(set(chosen))}")

    return talk(arguments, forget)


def _test_of(reading: Reading) -> str:
    if reading.task_id is not None:
        return f"task {reading.task_id}"
    where = "" if reading.test_url is None else f" at {printable(reading.test_url)}"
    return f'"{printable(reading.test_name or "")}"{where}'
