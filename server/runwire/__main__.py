"""``python -m runwire`` and the ``runwire`` command. Floor 8."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from runwire import __version__
from runwire.errors import RunwireError

BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended (128 + 13)."""

COMMANDS = {
    "serve": "serve",
    "run": "run",
    "retry": "retry",
    "tests": "tests",
    "browser-configs": "browser_configs",
    "suite": "suite",
    "readings": "readings",
    "artifacts": "artifacts",
    "replay": "replay",
    "top": "top",
    "queue": "queue_desk",
    "threads": "threads",
    "files": "files",
    "schedule": "schedule",
    "share": "share",
    "respond": "respond",
    "send": "send",
    "check": "check",
    "agents": "agents",
    "token": "token",
    "db": "db",
    "schema": "schema",
}
"""Every command and its module in ``runwire.cli``: only the one that was typed is imported (20 to 40 ms less)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a foreseen error is one line on standard error and exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="runwire", description="Execute agents and stream what they do.")
    parser.add_argument("--version", action="version", version=f"runwire {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for name in given[:1] if given and given[0] in COMMANDS else COMMANDS:
        import_module(f"runwire.cli.{COMMANDS[name]}").add_parser(commands)
    parsed = parser.parse_args(given)
    try:
        code: int = parsed.command(parsed)
    except RunwireError as error:
        print(f"runwire: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has left, as `| head` does: nothing more to say to anybody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


if __name__ == "__main__":
    sys.exit(main())
