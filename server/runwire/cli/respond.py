"""``runwire respond``: answer what a run has asked. Floor 8."""

from __future__ import annotations

import argparse
import contextlib
import json
from typing import TYPE_CHECKING, Any

from runwire.cli.door import add_door, talk

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "respond",
        help="answer what a run has asked",
        description="Answer what a run has asked. What is no JSON is taken as text.",
    )
    parser.add_argument("run_id", metavar="RUN_ID")
    parser.add_argument("request_id", metavar="REQUEST_ID", help="the question's id, as `runwire run` prints it")
    parser.add_argument("payload", metavar="JSON", help="the answer, such as '{\"approved\":true}' or a text")
    add_door(parser)
    parser.set_defaults(command=run)


def parsed_answer(text: str) -> Any:
    """Return the JSON value that a person typed, or the text itself."""
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads(text)
    return text


def run(arguments: argparse.Namespace) -> int:
    """Send the answer; who was faster is told in one line."""

    async def work(client: AsyncRunwire) -> None:
        await client.respond(arguments.run_id, arguments.request_id, parsed_answer(arguments.payload))

    return talk(arguments, work)
