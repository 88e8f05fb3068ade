"""``runwire agents``: what can be run here. Floor 8."""

from __future__ import annotations

import argparse

from runwire.cli.serve import add_settings, settings_from


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("agents", help="list the agents that are installed here")
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(parser, frozenset({"agents"}))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line an agent: its name and what it does."""
    from runwire.wiring.core import load_registry

    specs = list(load_registry(settings_from(arguments)))
    width = max(len(spec.name) for spec in specs)
    for spec in specs:
        print(f"{spec.name:<{width}}  {spec.description}")
    return 0
