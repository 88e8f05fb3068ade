"""``runwire serve``: start the server and run it until a signal. Floor 8; main thread."""

from __future__ import annotations

import argparse
import gc
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from runwire.errors import ConfigurationError, RunwireError
from runwire.settings import Settings
from runwire.settings_sources import describe, load

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, with a flag for every setting."""
    parser = commands.add_parser(
        "serve",
        help="start the server",
        description="Start the server. Every setting is a flag, an environment variable, or a line of a TOML file.",
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(parser)
    parser.set_defaults(command=run)


def add_settings(parser: argparse.ArgumentParser, only: frozenset[str] | None = None) -> None:
    """Add a flag for every setting, or for those named."""
    for info in describe():
        if only is not None and info.name not in only:
            continue
        default = ",".join(info.default) if info.kind == "list" else info.default
        text = f"{info.help} [{info.env}, default {default if default != '' else 'none'}]".replace("%", "%%")
        if info.kind == "bool":
            parser.add_argument(
                info.flag, dest=info.name, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            parser.add_argument(info.flag, dest=info.name, default=None, metavar=info.kind.upper(), help=text)


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Return the settings of a parsed command line. Raises ConfigurationError."""
    return load(vars(arguments), os.environ)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal, then end the process with 0. Raises RunwireError if the server could not start."""
    gc.disable()  # until spare_collections(): what the imports make is kept anyway
    settings = settings_from(arguments)
    if settings.host not in LOOPBACK:
        raise ConfigurationError(
            f"refusing to listen on {settings.host}: without TLS, tokens would cross the network in the clear. "
            "Listen on 127.0.0.1 behind a TLS proxy"
        )
    ensure_database(settings.data_path)
    from runwire.telemetry.logs import configure_logs
    from runwire.wiring.server import build_server
    from runwire.wiring.storage import first_token

    configure_logs(settings.log_level, settings.log_format)
    raise_descriptor_limit()
    first_token(settings)
    server = build_server(settings, lambda origin, login: announce(settings, origin, login))
    spare_collections()
    server.run()
    leave(0)


def spare_collections() -> None:
    """Leave what lives as long as the process out of every garbage collection.

    With the defaults it takes 6 % of a busy server's time and stops all its threads for 50 ms at a time, because each
    full one walks the 80,000 objects that the imports made. Without those a full one is cheap, and made more often than
    by default: every socket that closes leaves a cycle of some hundred objects, which would look like a leak.
    """
    gc.freeze()
    gc.set_threshold(1_500, 10, 2)
    gc.enable()


def leave(code: int) -> NoReturn:
    """End the process now: threads that an agent or a library has made would otherwise be waited for, for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def announce(settings: Settings, origin: str, login: str) -> None:
    """Say where the page is and how to try the server."""
    del origin
    example = f"{own_command()} run echo 'Hello, Runwire!'"
    if settings.data != "./data":
        example = f"RUNWIRE_DATA={settings.data} {example}"
    print(f"Open  {login}", flush=True)
    print(f"Try   {example}", flush=True)


def own_command() -> str:
    """Return what a person types to run this very program: its name if the shell finds it, else its path."""
    program = Path(sys.argv[0])
    if program.name != "runwire":
        return f"{Path(sys.executable).name} -m runwire"
    if shutil.which("runwire") == str(program.absolute()):
        return "runwire"
    return os.path.relpath(program)


def ensure_database(data: Path) -> None:
    """Create the database of a new data folder; an existing one is only ever changed by ``runwire db upgrade``.

    In a process of its own, because Alembic would stay in the server's memory for its whole life.
    """
    from runwire.persistence.database import database_file

    if database_file(data).exists():
        return
    command = [sys.executable, "-m", "runwire", "db", "upgrade", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RunwireError(f"cannot create the database in {data}: {done.stderr.strip() or done.stdout.strip()}")


def raise_descriptor_limit() -> None:
    """Allow as many sockets as the system grants: the usual soft limit of 1,024 is fewer than the server's own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
