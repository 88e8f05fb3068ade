"""``runwire check FILE...``: tell what is wrong with browser tests without running them. Floor 8; main thread.

Needs neither a server nor a data folder nor a browser, and knows nothing of them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from runwire.errors import InvalidInput
from runwire.protocol.steps.shape import MAX_TEXT

SOUND, FAULTY = 0, 1
"""The exit codes; 2 is a wrong command line."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="check browser tests without running them",
        description="Check browser tests (YAML or JSON) without running them; a line for each sound file and for each "
        "fault. Exit code: 0 all are sound, 1 one is not.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Check every file: what is sound goes to standard output, what is not, with its place, to standard error."""
    code = SOUND
    for path in arguments.files:
        faults, summary = _check(path)
        for fault in faults:
            print(f"{path}: {fault}", file=sys.stderr)
            code = FAULTY
        if not faults:
            print(f"{path}: {summary}")
    return code


def _check(path: Path) -> tuple[list[str], str]:
    """Return what is wrong with a test, such as ``step 3: no target given``; if nothing is, what it holds."""
    from runwire.protocol.steps.faults import faults_of  # with the language's tables; other commands need none
    from runwire.protocol.steps.testfile import parse_test

    try:
        text = read_test(path)
    except InvalidInput as error:
        return [error.message], ""
    if faults := faults_of(text):
        return [fault.message for fault in faults], ""
    test = parse_test(text)
    rows = f" × {len(test.data)} rows" if test.data else ""
    return [], f"ok, {len(test.steps)} steps{rows}"


def read_test(path: Path) -> str:
    """Return the file's text, never more than a test may have and one character. Raises InvalidInput."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_TEXT + 1)
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"is no UTF-8 text: byte {error.start}") from error


def sound_test(path: Path) -> str:
    """Return a test's text. Raises InvalidInput with the file and the place, such as ``step 3: no target given``."""
    from runwire.protocol.steps.testfile import parse_test

    try:
        text = read_test(path)
        parse_test(text)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}") from error
    return text
