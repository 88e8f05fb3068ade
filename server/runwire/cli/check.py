"""``runwire check FILE...``: tell what is wrong with browser tests without running them. Floor 8; main thread.

Needs neither a server nor a data folder nor a browser, and knows nothing of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from runwire.errors import InvalidInput
from runwire.protocol.steps.shape import MAX_TEXT

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire

MODEL = "RUNWIRE_MODEL_URL"
SOUND, FAULTY = 0, 1
"""The exit codes; 2 is a wrong command line."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="check browser tests without running them",
        description="Check browser tests (YAML or JSON) without running them; a line for each sound file and for each "
        "fault. Exit code: 0 all are sound, 1 one is not. A sentence that only a model could read is a fault, unless "
        f"{MODEL} names one.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Check every file: what is sound goes to standard output, what is not, with its place, to standard error."""
    code = SOUND
    listed: set[str] = set()
    for path in arguments.files:
        faults, summary = _check(path, by_model=bool(os.environ.get(MODEL)))
        for fault in faults:
            said, _, known = fault.partition("; known are: ")
            print(f"{path}: {said if known in listed else fault}", file=sys.stderr)  # a long list is read once
            listed.add(known)
            code = FAULTY
        if not faults:
            print("\n".join(f"{path}: {line}" for line in summary))
    return code


def _check(path: Path, *, by_model: bool) -> tuple[list[str], list[str]]:
    """Return what is wrong with a test, such as ``step 3: no target given``; if nothing is, what it holds."""
    from runwire.protocol.steps.faults import faults_of  # with the language's tables; other commands need none
    from runwire.protocol.steps.testfile import parse_loosely, unread_sentences

    try:
        text = read_test(path)
    except InvalidInput as error:
        return [error.message], []
    if faults := faults_of(text, parse_loosely, by_model=by_model):
        hint = f" (only a model could read it, and {MODEL} names none)"
        return [fault.message + (hint if fault.for_model else "") for fault in faults], []
    test = parse_loosely(text)
    rows = f" × {len(test.data)} rows" if test.data else ""
    unread = (f"step {index} is for a model: {key.sentence}" for index, key in unread_sentences(test).items())
    return [], [f"ok, {len(test.steps)} steps{rows}", *unread]


def read_test(path: Path) -> str:
    """Return the file's text, never more than a test may have and one character. Raises InvalidInput."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_TEXT + 1)
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"is no UTF-8 text: byte {error.start}") from error


async def refuse_faulty(client: AsyncRunwire, tests: Iterable[tuple[Path, str]]) -> None:
    """Have the server check tests: it knows whether a model can read what the grammar cannot.

    Raises InvalidInput with the file and the place of the first fault.
    """
    for path, text in tests:
        for fault in await client.tests.faults(text):
            raise InvalidInput(f"{path}: {fault}")


def sound_test(path: Path) -> str:
    """Return a test's text. Raises InvalidInput with the file and the place, such as ``step 3: no target given``."""
    from runwire.protocol.steps.testfile import parse_loosely

    try:
        text = read_test(path)
        parse_loosely(text)  # whether a model can be asked, the server knows
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}") from error
    return text
