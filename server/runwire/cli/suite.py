"""``runwire suite run``: many browser tests as one request, with one report. Floor 8.

The tests are read and checked before anything starts; they run on a server, or in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from runwire.cli.check import refuse_faulty, sound_test
from runwire.cli.door import RUN_SETTINGS, add_any_door, open_door, run_settings
from runwire.cli.interrupts import Interrupts
from runwire.cli.reports import add_reports, write_reports
from runwire.cli.serve import add_settings, leave
from runwire.errors import ConfigurationError, InvalidInput
from runwire.settings import Settings

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire, SuiteMember, SuiteRun

PASSED, FAILED, NOT_STARTED, CANCELLED = 0, 1, 2, 130
"""The exit codes."""
SUFFIXES = (".yaml", ".yml", ".json")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("suite", help="run many browser tests, with one report")
    actions = parser.add_subparsers(dest="action", required=True)
    running = actions.add_parser(
        "run",
        help="run tests together and watch them",
        description="Run browser tests together: files, every test of a folder, saved tests, or a saved suite. Exit "
        "code: 0 all passed, 1 one did not, 2 could not start or follow, 130 cancelled. Ctrl-C cancels, a second "
        "Ctrl-C leaves.",
    )
    running.add_argument("paths", metavar="FILE|FOLDER", nargs="*", type=Path)
    running.add_argument(
        "--task", metavar="TASK_ID", action="append", default=[], help="run this saved test too; may be repeated"
    )
    running.add_argument("--saved", metavar="SUITE_ID", help="run this saved suite in place of files")
    running.add_argument("--name", help="what the report is called; default: the folder's or first file's name")
    running.add_argument(
        "--browser-config", metavar="ID", action="append", default=[], help="run each test with it; may be repeated"
    )
    add_reports(running)
    running.add_argument("--priority", choices=("high", "normal", "low"), default="normal")
    add_any_door(running)
    running.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(running, RUN_SETTINGS)
    running.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run tests together and watch them."""
    try:
        import runwire_client
    except ImportError as error:
        raise ConfigurationError(f"`runwire suite run` needs {error.name}: pip install 'runwire[cli]'") from error
    from runwire.telemetry.logs import configure_logs

    if bool(arguments.paths or arguments.task) == (arguments.saved is not None):
        raise InvalidInput("give either files or folders with tests and --task TASK_ID, or --saved SUITE_ID")
    tests = [(path, sound_test(path)) for path in _files(arguments.paths)]
    settings = run_settings(arguments)
    configure_logs("error" if arguments.log_level is None else settings.log_level, settings.log_format)
    try:
        leave(asyncio.run(_run(arguments, settings, tests)))
    except asyncio.CancelledError:  # the second Ctrl-C: the runs are left to themselves
        leave(CANCELLED)
    except runwire_client.RunwireError as error:
        print(f"runwire: {error.message}", file=sys.stderr)
        return NOT_STARTED


def _files(paths: Iterable[Path]) -> list[Path]:
    """Return the files to run, those of a folder by name. Raises InvalidInput for a folder without tests."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not inside:
            raise InvalidInput(f"{path}: no test in this folder ({', '.join(SUFFIXES)})")
        found += inside
    return found


async def _run(arguments: argparse.Namespace, settings: Settings, tests: list[tuple[Path, str]]) -> int:
    from runwire_client import AsyncRunwire

    async with open_door(arguments, settings) as door, AsyncRunwire(door.url, door.token) as client:
        await refuse_faulty(client, tests)
        started = await _start(client, arguments, tests)
        print(f"{started.name}: {len(started.runs)} runs, suite run {started.id}", flush=True)
        interrupts = Interrupts(f"suite run {started.id}", lambda: client.suites.cancel(started.id), _note)
        with interrupts.installed():
            async with aclosing(client.suites.ends(started)) as members:
                async for member in members:
                    await _show(client, member)
        ended = await client.suites.get_run(started.id)
        await write_reports(arguments, lambda format: client.suites.report(ended.id, format))
    _conclude(ended)
    if interrupts.asked:
        return CANCELLED
    return PASSED if ended.verdict == "passed" else FAILED


async def _start(client: AsyncRunwire, arguments: argparse.Namespace, tests: list[tuple[Path, str]]) -> SuiteRun:
    if arguments.saved is not None:
        return await client.suites.run(arguments.saved, priority=arguments.priority)
    name = arguments.name or (arguments.paths[0].resolve().stem if arguments.paths else arguments.task[0])
    given = [{"test": text} for _, text in tests] + [{"task": task_id} for task_id in arguments.task]
    return await client.suites.start(name, given, arguments.browser_config, priority=arguments.priority)


async def _show(client: AsyncRunwire, member: SuiteMember) -> None:
    """Print a line for a run that has ended, and why it did not pass."""
    passed = member.status == "SUCCEEDED" and member.verdict != "failed"
    word = "passed" if passed else "failed" if member.status == "SUCCEEDED" else member.status.lower()
    browser = f"  [{member.browser_config_id}]" if member.browser_config_id else ""
    print(f"{'✓' if passed else '✗'} {word}  {_plain(member.name)}{browser}  run {member.run_id}", flush=True)
    if not passed:
        run = await client.tests.run(member.run_id)
        reasons = [f"step {step.index}, {step.text}: {step.error}" for step in run.steps if step.error]
        if run.error is not None:
            reasons.insert(0, f"{run.error.code}: {run.error.message}")
        for reason in reasons[:3]:
            print(f"    {_plain(reason)}", flush=True)


def _conclude(ended: SuiteRun) -> None:
    counts = ended.counts
    words = [f"{counts[name]} {name}" for name in ("failed", "errors", "cancelled") if counts.get(name)]
    print(", ".join([f"{counts.get('passed', 0)}/{counts.get('total', 0)} passed", *words]), flush=True)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _plain(text: str) -> str:
    """Return text of others on one line that moves no cursor and colours no terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
