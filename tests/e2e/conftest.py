"""Servers as processes for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import ServerProcess, serving

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def start_server(data: Path) -> Iterator[StartServer]:
    """Return a function that starts ``runwire serve`` on the test's data folder, or another, with given settings."""
    with ExitStack() as stack:

        def start(folder: Path | None = None, **settings: Any) -> ServerProcess:
            return stack.enter_context(serving(folder or data, **settings))

        yield start


@pytest.fixture(scope="module")
def process(make_data: Callable[[], Path]) -> Iterator[ServerProcess]:
    """A server process shared by a module's tests: leave no run behind."""
    with serving(make_data()) as server:
        yield server
