"""An agent whose module needs an environment variable, as those that look for a key on import do."""

from __future__ import annotations

import os
from typing import Any

from runwire.contracts.agent import RunContext

KEY = os.environ["RUNWIRE_TEST_ONLY_HERE"]


async def needs_variable(_ctx: RunContext, _input: Any) -> str:
    """Return it."""
    return KEY


needs_variable.isolation = "process"  # type: ignore[attr-defined]
