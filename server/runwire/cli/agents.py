"""``runwire agents``: what can be run here. Floor 8."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runwire.cli.serve import add_settings, settings_from

if TYPE_CHECKING:
    from runwire.agents.registry import AgentSpec
    from runwire.settings import Settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("agents", help="list the agents that are installed here")
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings [RUNWIRE_CONFIG]")
    add_settings(parser, frozenset({"agents"}))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line an agent: its name and what it does; below it why it cannot be run here, if so."""
    from runwire.wiring.core import load_registry

    settings = settings_from(arguments)
    specs = list(load_registry(settings))
    width = max(len(spec.name) for spec in specs)
    for spec in specs:
        print(f"{spec.name:<{width}}  {spec.description}")
        if (reason := _unavailable_reason(spec, settings)) is not None:
            print(f"{'':<{width}}  unavailable: {reason}")
    return 0


def _unavailable_reason(spec: AgentSpec, settings: Settings) -> str | None:
    """Return why an agent could not be run with these settings, with what mends it, or None."""
    from runwire.browser.executable import why_unavailable
    from runwire.llm.support import ModelSupport

    headless, whole = settings.browser_headless, spec.needs_whole_browser
    missing = None if spec.unavailable is None else spec.unavailable()
    executable = settings.browser_executable
    no_browser = why_unavailable(executable, headless=headless, whole=whole) if spec.needs_browser else None
    return missing or no_browser or (ModelSupport(settings).unavailable_reason() if spec.needs_model else None)
