"""``runwire replay``: do a recorded browser run again and see where the page has changed. Floor 8."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwire.cli.door import RUN_SETTINGS, add_any_door
from runwire.cli.run import execute, read_input
from runwire.cli.serve import add_settings
from runwire.errors import InvalidInput

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire

AGENT = "browser-replay"
FROM_TEST = ("variables", "data", "files", "browser", "step_timeout_s", "timeout_s")
"""What a traversal does not hold, and the test does."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        help="do a recorded browser run again and see where the page has changed",
        description="Do a recorded browser run again, without a model, and tell step by step whether it comes out as "
        "recorded. Exit code: 0 nothing has changed, 1 something has, 2 could not start, 130 cancelled.",
    )
    parser.add_argument("recorded", metavar="TRAVERSAL_FILE|RUN_ID")
    parser.add_argument(
        "--test", metavar="FILE", help="the test of a traversal file, for its variables, data rows and uploaded files"
    )
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="value of a variable; may be repeated"
    )
    parser.add_argument("--priority", choices=("high", "normal", "low"), default="normal")
    parser.add_argument("--json", action="store_true", help="print the log itself, an entry a line")
    add_any_door(parser)
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(parser, RUN_SETTINGS)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Do a recorded run again and watch it."""
    file = Path(arguments.recorded)
    variables = dict(_assignment(text) for text in arguments.set)
    test = {} if arguments.test is None else _facts(read_input(arguments.test))
    recorded = _read(file) if file.is_file() else None

    async def start(client: AsyncRunwire) -> str:
        traversal, facts = recorded, test
        if traversal is None:
            traversal = dict(await client.tests.traversal(arguments.recorded))
            facts = {**_facts(await client.tests.input(arguments.recorded)), **test}
        given = {"traversal": traversal, **facts}
        if variables:
            given["variables"] = {**given.get("variables", {}), **variables}
        return (await client.start(AGENT, given, priority=arguments.priority)).run_id

    return execute(arguments, f"replay of {file.name if recorded is not None else arguments.recorded}", start)


def _read(file: Path) -> dict[str, Any]:
    """Return a traversal. Raises InvalidInput if the file holds none."""
    try:
        traversal = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file} holds no traversal: {error}") from error
    if not isinstance(traversal, dict):
        raise InvalidInput(f"{file} holds no traversal")
    return traversal


def _facts(test: Any) -> dict[str, Any]:
    """Return what a test says besides its steps. Raises InvalidInput if it is none."""
    from runwire.protocol.steps.testfile import as_object

    return {name: value for name, value in as_object(test).items() if name in FROM_TEST and value is not None}


def _assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InvalidInput(f"--set takes NAME=VALUE, got {text!r}")
    return name, value
