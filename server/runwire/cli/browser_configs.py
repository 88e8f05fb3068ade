"""``runwire browser-configs``: your browser configurations. Floor 8."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwire.cli.door import add_door, talk_anywhere
from runwire.cli.run import read_input
from runwire.cli.tests import heading
from runwire.errors import InvalidInput

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire, BrowserConfig


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("browser-configs", help="save, list, show and delete browser configurations")
    actions = parser.add_subparsers(dest="action", required=True)
    saving = actions.add_parser("save", help="save one, as the next version of what has its id")
    saving.add_argument(
        "options", metavar="OPTIONS", help='a JSON or YAML file, JSON such as \'{"device": "Pixel 8"}\', or - for stdin'
    )
    saving.add_argument("--id", metavar="ID", help="default: the file's name without its ending")
    saving.set_defaults(command=run_save)
    listing = actions.add_parser("list", help="list configurations by id")
    listing.set_defaults(command=run_list)
    showing = actions.add_parser("show", help="print one's options as JSON")
    showing.add_argument("config_id", metavar="ID")
    showing.set_defaults(command=run_show)
    deleting = actions.add_parser("delete", help="delete one with its versions")
    deleting.add_argument("config_id", metavar="ID")
    deleting.set_defaults(command=run_delete)
    for action in (saving, listing, showing, deleting):
        add_door(action, anywhere=True)


def run_save(arguments: argparse.Namespace) -> int:
    """Save a configuration. Prints its id, version and name."""
    options = read_input(arguments.options)
    if not isinstance(options, dict):
        raise InvalidInput('a configuration is an object of options, such as {"device": "Pixel 8"}')
    config_id = arguments.id or _name_of(arguments.options)

    async def save(client: AsyncRunwire) -> None:
        print(heading(await _save(client, config_id, options)))

    return talk_anywhere(arguments, save)


def _name_of(given: str) -> str:
    """Return what a file gives as an id. Raises InvalidInput: it is no file."""
    if given == "-" or given.lstrip().startswith("{"):
        raise InvalidInput("--id ID is needed where the options come from no file")
    return Path(given).stem


async def _save(client: AsyncRunwire, config_id: str, options: Mapping[str, Any]) -> BrowserConfig:
    from runwire_client.errors import NotFound

    try:
        return await client.browser_configs.save(config_id, options)
    except NotFound:
        return await client.browser_configs.create(options, config_id=config_id)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a line for each configuration: id, version, when it was saved, name."""

    async def show(client: AsyncRunwire) -> None:
        async with aclosing(client.browser_configs.list()) as found:
            async for one in found:
                print(heading(one))

    return talk_anywhere(arguments, show)


def run_show(arguments: argparse.Namespace) -> int:
    """Print a configuration's options."""

    async def show(client: AsyncRunwire) -> None:
        found = await client.browser_configs.get(arguments.config_id)
        print(json.dumps(dict(found.options), indent=2, ensure_ascii=False))

    return talk_anywhere(arguments, show)


def run_delete(arguments: argparse.Namespace) -> int:
    """Delete a configuration."""

    async def delete(client: AsyncRunwire) -> None:
        await client.browser_configs.delete(arguments.config_id)

    return talk_anywhere(arguments, delete)
