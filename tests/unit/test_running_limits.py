"""How many runs of an agent may be executed at once: its own word, the settings' over it, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runwire.agents.registry import AgentRegistry, spec_of
from runwire.errors import ConfigurationError


async def _wide(_ctx: object, _input: object) -> None:
    """Any number at once."""


async def _narrow(_ctx: object, _input: object) -> None:
    """Two at once."""


_narrow.max_running = 2  # type: ignore[attr-defined]


def _registry() -> AgentRegistry:
    return AgentRegistry([spec_of(_wide, "wide"), spec_of(_narrow, "narrow")])


def test_an_agents_own_limit_counts_unless_the_settings_say_otherwise() -> None:
    assert _registry().running_limits(()) == {"narrow": 2}
    assert _registry().running_limits(("narrow=7", "wide=3")) == {"narrow": 7, "wide": 3}


@pytest.mark.parametrize("text", ["wide", "wide=0", "wide=-1", "wide=x", "nobody=1", "=1"])
def test_a_wrong_limit_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="agent_max_running"):
        _registry().running_limits((text,))


def test_an_agent_of_which_none_may_run_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'narrow': max_running must be 1 or more"):
        replace(spec_of(_narrow, "narrow"), max_running=0)
