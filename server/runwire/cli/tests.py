"""``runwire tests``: your saved browser tests, and what came of their runs. Floor 8."""

from __future__ import annotations

import argparse
import json
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runwire.cli.check import refuse_faulty, sound_test
from runwire.cli.door import add_door, talk_anywhere
from runwire.cli.reports import add_reports, write_reports
from runwire.cli.threads import printable
from runwire.errors import InvalidInput

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire, BrowserConfig, SavedTest


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("tests", help="save, list, show and delete browser tests; reports of their runs")
    actions = parser.add_subparsers(dest="action", required=True)
    saving = actions.add_parser(
        "save",
        help="save tests, each as the next version of what has its id",
        description="Check and save browser tests (YAML or JSON). A test that is there already gets a new version; "
        "the same test again makes none.",
    )
    saving.add_argument("files", metavar="FILE", nargs="+", type=Path)
    saving.add_argument("--id", metavar="ID", help="with one file; default: the file's name without its ending")
    saving.set_defaults(command=run_save)
    listing = actions.add_parser("list", help="list saved tests by id")
    listing.set_defaults(command=run_list)
    showing = actions.add_parser("show", help="print a saved test as it was given")
    showing.add_argument("test_id", metavar="ID")
    showing.add_argument("--version", type=int, metavar="N", help="default: the newest")
    showing.set_defaults(command=run_show)
    deleting = actions.add_parser("delete", help="delete a test with its versions; its runs stay")
    deleting.add_argument("test_id", metavar="ID")
    deleting.set_defaults(command=run_delete)
    running = actions.add_parser("runs", help="list runs of browser tests, newest first")
    running.add_argument("test_id", metavar="ID", nargs="?", help="only the runs of this saved test")
    running.add_argument("--limit", type=int, default=20, metavar="N", help="most lines; default: 20")
    running.set_defaults(command=run_runs)
    reporting = actions.add_parser("report", help="write the report of a run")
    reporting.add_argument("run_id", metavar="RUN_ID")
    add_reports(reporting)
    reporting.set_defaults(command=run_report)
    for action in (saving, listing, showing, deleting, running, reporting):
        add_door(action, anywhere=True)


def run_save(arguments: argparse.Namespace) -> int:
    """Save tests; nothing is saved unless all files are sound. Prints a line for each: id, version, name."""
    if arguments.id is not None and len(arguments.files) > 1:
        raise InvalidInput("--id names one test; give one FILE")
    tests = [(path, sound_test(path)) for path in arguments.files]

    async def save(client: AsyncRunwire) -> None:
        await refuse_faulty(client, tests)
        for path, text in tests:
            print(heading(await _save(client, arguments.id or path.stem, text)))

    return talk_anywhere(arguments, save)


async def _save(client: AsyncRunwire, test_id: str, text: str) -> SavedTest:
    from runwire_client.errors import NotFound

    try:
        return await client.tests.save(test_id, text)
    except NotFound:
        return await client.tests.create(text, task_id=test_id)


def run_list(arguments: argparse.Namespace) -> int:
    """Print a line for each test: id, version, when it was saved, name."""

    async def show(client: AsyncRunwire) -> None:
        async with aclosing(client.tests.list()) as found:
            async for one in found:
                print(heading(one))

    return talk_anywhere(arguments, show)


def run_show(arguments: argparse.Namespace) -> int:
    """Print a test as it was given: its own text, or JSON."""

    async def show(client: AsyncRunwire) -> None:
        found = await client.tests.get(arguments.test_id, arguments.version)
        text = found.text if found.text is not None else json.dumps(found.test, indent=2, ensure_ascii=False)
        print(text.rstrip("\n"))

    return talk_anywhere(arguments, show)


def run_delete(arguments: argparse.Namespace) -> int:
    """Delete a test."""

    async def delete(client: AsyncRunwire) -> None:
        await client.tests.delete(arguments.test_id)

    return talk_anywhere(arguments, delete)


def run_runs(arguments: argparse.Namespace) -> int:
    """Print a line for each run: when, id, how it stands or ended, test, configuration."""

    async def show(client: AsyncRunwire) -> None:
        left = arguments.limit
        async with aclosing(client.tests.runs(arguments.test_id)) as found:
            async for one in found:
                if left <= 0:
                    return
                left -= 1
                test = one.task_id or "-"
                print(
                    f"{_when(one.created_ms)}  {one.id}  {one.verdict or one.status:<9}  {test}  "
                    f"{one.browser_config_id or '-'}"
                )

    return talk_anywhere(arguments, show)


def run_report(arguments: argparse.Namespace) -> int:
    """Write the report of a run."""
    if arguments.junit is None and arguments.html is None:
        raise InvalidInput("say where to: --junit FILE, --html FILE, or both")

    async def report(client: AsyncRunwire) -> None:
        await write_reports(arguments, lambda format: client.tests.report(arguments.run_id, format))

    return talk_anywhere(arguments, report)


def heading(saved: SavedTest | BrowserConfig) -> str:
    """Return the line that says what was saved: id, version, when, name."""
    return f"{saved.id:<24}  version {saved.version:<4}  {_when(saved.created_ms)}  {printable(saved.name)}"


def _when(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000).astimezone():%Y-%m-%d %H:%M}"
