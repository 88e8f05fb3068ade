"""``python -m runwire`` and the ``runwire`` command. Floor 8."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from runwire import __version__
from runwire.cli import agents, check, db, files, queue_desk, run, schema, serve, threads, token, top
from runwire.errors import RunwireError

BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended (128 + 13)."""

COMMANDS = (serve, run, top, queue_desk, threads, files, check, agents, token, db, schema)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a foreseen error is one line on standard error and exit code 2."""
    parser = argparse.ArgumentParser(prog="runwire", description="Execute agents and stream what they do.")
    parser.add_argument("--version", action="version", version=f"runwire {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    parsed = parser.parse_args(arguments)
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
