"""``runwire retry RUN_ID``: repeat an ended run and watch the new one. Floor 8."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runwire.cli.run import execute
from runwire.cli.serve import add_settings

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "retry",
        help="repeat an ended run and watch it",
        description="Start a new run with the same agent, input and thread. Exit codes and Ctrl-C are those of run.",
    )
    parser.add_argument("run_id", metavar="RUN_ID", help="the run that has ended")
    parser.add_argument(
        "--from-seq", type=int, default=None, metavar="N", help="begin behind this entry, if the agent can fork"
    )
    parser.add_argument("--server", metavar="URL", help="execute on this server; default: the one that uses --data")
    parser.add_argument("--token", metavar="T", help="token for the server; default: the data folder's own")
    parser.add_argument("--json", action="store_true", help="print the log itself, an entry a line")
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(parser, frozenset({"data", "agents", "log_level"}))
    parser.set_defaults(command=run, embedded=False, headed=False)


def run(arguments: argparse.Namespace) -> int:
    """Repeat and watch one run."""

    async def start(client: AsyncRunwire) -> str:
        return (await client.retry(arguments.run_id, from_seq=arguments.from_seq)).run_id

    return execute(arguments, f"retry of {arguments.run_id}", start)
