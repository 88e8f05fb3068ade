"""``runwire run AGENT INPUT``: execute an agent and watch it, through the same pipeline as everybody. Floor 8."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwire.cli.answers import TerminalAnswers
from runwire.cli.door import RUN_SETTINGS, add_any_door, open_door, run_settings
from runwire.cli.interrupts import Interrupts
from runwire.cli.serve import add_settings, leave
from runwire.errors import ConfigurationError, InvalidInput
from runwire.settings import Settings

if TYPE_CHECKING:
    from runwire.cli.display import Display, JsonLines
    from runwire_client import AsyncRunwire, Event, State

SUCCEEDED, FAILED, NOT_STARTED, CANCELLED = 0, 1, 2, 130
"""The exit codes."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "run",
        help="execute an agent and watch it",
        description="Execute an agent and stream it to the terminal. Exit code: 0 succeeded or passed, 1 failed, "
        "2 could not start or follow, 130 cancelled. Ctrl-C cancels the run, a second Ctrl-C leaves it.",
    )
    parser.add_argument("agent", metavar="AGENT", nargs="?", help="see: runwire agents")
    parser.add_argument(
        "input",
        metavar="INPUT",
        nargs="?",
        default=None,
        help="text, JSON, a .json or .yaml file, or - for standard input",
    )
    parser.add_argument("--task", metavar="TASK_ID", help="run this saved browser test in place of AGENT INPUT")
    add_any_door(parser)
    parser.add_argument("--priority", choices=("high", "normal", "low"), default="normal")
    parser.add_argument("--timeout-s", type=float, default=None, metavar="SECONDS", help="time limit of the run")
    parser.add_argument(
        "--run-id", default=None, metavar="ID", help="the run's id: the same id never starts a second run"
    )
    parser.add_argument("--thread-id", default=None, metavar="ID", help="the conversation that the run belongs to")
    parser.add_argument(
        "--if-busy",
        choices=("parallel", "reject", "enqueue", "interrupt", "rollback", "steer"),
        default="parallel",
        help="what to do while the conversation has a run that has not ended",
    )
    parser.add_argument("--json", action="store_true", help="print the log itself, an entry a line")
    parser.add_argument(
        "--config",
        metavar="ID|FILE",
        help="with --task: the browser configuration, default the test's own; else a TOML file with settings "
        "[RUNWIRE_CONFIG]",
    )
    add_settings(parser, RUN_SETTINGS)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Execute and watch one run."""
    _check_names(arguments)
    given = read_input(arguments.input)

    async def start(client: AsyncRunwire) -> str:
        if arguments.task is not None:
            configuration = arguments.browser_config
            return await client.tests.execute(
                arguments.task, configuration, priority=arguments.priority, run_id=arguments.run_id
            )
        started = await client.start(
            arguments.agent,
            given,
            run_id=arguments.run_id,
            priority=arguments.priority,
            timeout_s=arguments.timeout_s,
            thread_id=arguments.thread_id,
            if_busy=arguments.if_busy,
        )
        return started.run_id

    return execute(arguments, arguments.task or arguments.agent, start)


def execute(arguments: argparse.Namespace, title: str, start: Callable[[AsyncRunwire], Awaitable[str]]) -> int:
    """Watch the run that ``start`` makes and whose id it returns."""
    try:
        import rich  # noqa: F401  # both belong to the extra `cli`; the display imports it later

        import runwire_client
    except ImportError as error:
        raise ConfigurationError(
            f"`runwire {arguments.name}` needs {error.name}: pip install 'runwire[cli]'"
        ) from error
    from runwire.telemetry.logs import configure_logs

    settings = run_settings(arguments)
    configure_logs("error" if arguments.log_level is None else settings.log_level, settings.log_format)
    try:
        leave(asyncio.run(_run(arguments, settings, title, start)))
    except asyncio.CancelledError:  # the second Ctrl-C: the run is left to itself
        leave(CANCELLED)
    except runwire_client.RunwireError as error:
        print(f"runwire: {error.message}", file=sys.stderr)
        return NOT_STARTED


def _check_names(arguments: argparse.Namespace) -> None:
    """Tell a saved test from an agent, and what ``--config`` means then. Raises InvalidInput."""
    if (arguments.agent is None) == (arguments.task is None):
        raise InvalidInput("give either an AGENT and its INPUT, or --task TASK_ID")
    if arguments.task is not None:
        if arguments.timeout_s is not None:
            raise InvalidInput("--timeout-s: a saved test has its own limit, timeout_s in the test")
        arguments.browser_config, arguments.config = arguments.config, None


def read_input(text: str | None) -> Any:
    """Return the run's input: a file's content, JSON, or the text itself. Raises InvalidInput for a broken file."""
    if text is None:
        return None
    if text == "-":
        return parsed_or_text(sys.stdin.read())
    path = Path(text)
    if path.suffix.lower() in (".json", ".yaml", ".yml"):
        return _read_file(path)
    return parsed_or_text(text)


def _read_file(path: Path) -> Any:
    import yaml

    try:
        content = path.read_text(encoding="utf-8")
        return json.loads(content) if path.suffix.lower() == ".json" else yaml.safe_load(content)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{path}: {error}") from error


def parsed_or_text(text: str) -> Any:
    """Return an object or array if the text is one; everything else is text, also numbers and words such as
    ``true``.
    """
    if text.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(text)
    return text


async def _run(
    arguments: argparse.Namespace, settings: Settings, title: str, start: Callable[[AsyncRunwire], Awaitable[str]]
) -> int:
    from runwire.cli.display import Display, JsonLines
    from runwire_client import AsyncRunwire

    display: Display | JsonLines = JsonLines() if arguments.json else Display()
    async with open_door(arguments, settings) as door, AsyncRunwire(door.url, door.token) as client:
        run_id = await start(client)
        display.begin(run_id, title)
        try:
            return await _watch(client, run_id, display, as_json=arguments.json)
        finally:
            display.close()


async def _watch(client: AsyncRunwire, run_id: str, display: Display | JsonLines, *, as_json: bool) -> int:
    """Show the run to its end; the first Ctrl-C cancels it, the second leaves it.

    Whoever sits at the terminal can answer what it asks.
    """
    from runwire_client import Event, Reset, State

    interrupts = Interrupts(f"run {run_id}", lambda: client.cancel(run_id), display.note)
    answers = TerminalAnswers(client, display.note, interactive=sys.stdin.isatty() and not as_json)
    with interrupts.installed(), contextlib.closing(answers):
        async with aclosing(client.follow(run_id, on_queue=display.place)) as items:
            async for item in items:
                match item:
                    case Event():
                        display.entry(_frame("event", item))
                        answers.on_event(item)
                    case State():
                        display.entry(_frame("state", item))
                        if item.status.is_terminal:
                            data = item.data
                            display.end(item.status, data.get("verdict"), data.get("result"), data.get("error"))
                            return exit_code(item.status, data.get("verdict"))
                    case Reset():
                        display.note(f"the log starts over ({item.reason})")
    return NOT_STARTED


def _frame(kind: str, item: Event | State) -> dict[str, Any]:
    """Return an entry in the shape that the log has."""
    return {
        "type": kind,
        "run_id": item.run_id,
        "seq": item.seq,
        "ts_ms": item.ts_ms,
        "data": dict(item.data),
    }


def exit_code(status: str, verdict: str | None) -> int:
    """Return the exit code of an ended run."""
    if status == "CANCELLED":
        return CANCELLED
    return SUCCEEDED if status == "SUCCEEDED" and verdict != "failed" else FAILED
