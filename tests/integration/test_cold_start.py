"""What a start does not load: each of these costs tens of milliseconds, and is needed later or never."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

import pytest

from runwire.__main__ import COMMANDS

LATER = ("prometheus_client", "opentelemetry", "yaml", "runwire.protocol.steps.grammar", "playwright", "alembic")


def _loaded(code: str, *names: str) -> list[str]:
    """Return which of the modules a fresh interpreter has loaded after ``code``."""
    told = f"import sys\n{code}\nprint(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=9, check=True)
    return done.stdout.splitlines()[-1].split()


def test_a_server_with_its_agents_loads_no_library_of_later() -> None:
    code = (
        "import runwire.wiring.server; from runwire.agents.registry import installed_agents; list(installed_agents())"
    )
    assert _loaded(code, *LATER) == []


def test_a_command_loads_no_other() -> None:
    code = "from runwire.__main__ import main\ntry: main(['token', '--help'])\nexcept SystemExit: pass"
    others = [f"runwire.cli.{module}" for module in COMMANDS.values() if module not in ("token", "serve")]
    assert _loaded(code, "asyncio", "rich", *others) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_its_modules(name: str) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    import_module(f"runwire.cli.{COMMANDS[name]}").add_parser(commands)
    assert list(commands.choices) == [name]
