"""``runwire db …``: look after the database. Floor 8."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from runwire.cli.serve import add_settings, settings_from
from runwire.errors import InvalidInput

_AGE = re.compile(r"(\d{1,6})([dhm])")
_MINUTES = {"d": 1_440, "h": 60, "m": 1}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("db", help="look after the database")
    actions = parser.add_subparsers(dest="action", required=True)
    _add(actions, "upgrade", upgrade, "bring the schema up to date, making the database if there is none")
    _add(actions, "check", check, "say whether the schema is the one of this version")
    pruning = _add(actions, "prune", prune, "remove entries, artifacts and traversals of old ended runs")
    add_settings(pruning, frozenset({"file_unused_s"}))
    pruning.add_argument(
        "--older-than", required=True, metavar="AGE", help="such as 30d, 12h or 90m, since the run ended"
    )
    saving = _add(actions, "backup", backup, "copy the database, also while the server runs")
    saving.add_argument("file", metavar="FILE", type=Path, help="where to write the copy")
    restoring = _add(actions, "restore", restore, "put a copy in the database's place; the server must be stopped")
    restoring.add_argument("file", metavar="FILE", type=Path, help="the copy that `db backup` wrote")


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text, description=text)
    action.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(action, frozenset({"data"}))
    action.set_defaults(command=function)
    return action


def upgrade(arguments: argparse.Namespace) -> int:
    """Bring the schema up to date."""
    from runwire.persistence import data_folder, database, migrations

    data = settings_from(arguments).data_path
    with data_folder.owned_data_folder(data):
        migrations.upgrade(database.open_engine(database.database_file(data)))
    print(f"{database.database_file(data)}: revision {database.HEAD_REVISION}")
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Say whether the schema is this version's; 1 and the differences if it is not."""
    from runwire.persistence import database, migrations

    data = settings_from(arguments).data_path
    engine = database.open_engine(database.database_file(data), read_only=True)
    database.check_schema(engine)
    differences = migrations.drift(engine)
    for difference in differences:
        print(difference)
    print("the schema differs from the table classes" if differences else "the schema is up to date")
    return 1 if differences else 0


def prune(arguments: argparse.Namespace) -> int:
    """Remove the entries of old ended runs but for the terminal one, their artifacts and traversals, and abandoned
    files.
    """
    from runwire.clock import SystemClock
    from runwire.persistence import data_folder, database, files, leftovers, retention

    settings = settings_from(arguments)
    data, now_ms = settings.data_path, SystemClock().now_ms()
    engine = database.open_engine(database.database_file(data))
    database.check_schema(engine)
    before_ms = now_ms - parse_age_ms(arguments.older_than)
    done = retention.prune(engine, before_ms)
    unused_ms = now_ms - int(settings.file_unused_s * 1000)
    unused, unused_bytes = files.remove_unused(engine, data_folder.files_folder(data), unused_ms)
    cleared = leftovers.clear(engine, data, before_ms)
    print(
        f"pruned {done.runs} runs, {done.entries} entries, {cleared.artifacts} artifacts, "
        f"{cleared.traversals} traversals"
    )
    size_bytes = cleared.size_bytes + unused_bytes
    print(f"removed {unused} unused and {cleared.abandoned} abandoned files; {size_bytes} bytes of files in all")
    return 0


def parse_age_ms(text: str) -> int:
    """Return an age such as ``30d`` in milliseconds. Raises InvalidInput."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise InvalidInput(f"--older-than: a number and d, h or m, such as 30d; got {text!r}")
    return int(match[1]) * _MINUTES[match[2]] * 60_000


def backup(arguments: argparse.Namespace) -> int:
    """Copy the database."""
    from runwire.persistence import database, retention

    size = retention.backup(database.database_file(settings_from(arguments).data_path), arguments.file)
    print(f"{arguments.file}: {size} bytes")
    return 0


def restore(arguments: argparse.Namespace) -> int:
    """Put a copy in the database's place."""
    from runwire.persistence import data_folder, database, retention

    data = settings_from(arguments).data_path
    with data_folder.owned_data_folder(data):
        retention.restore(arguments.file, database.database_file(data))
    print(f"{database.database_file(data)}: restored; clients will start their logs over")
    return 0
