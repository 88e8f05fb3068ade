"""Servers for the tests: in this process for speed (``server``, ``make_server``), as processes for signals (``folder``
with ``tests.support.process``).
"""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from runwire.persistence import migrations
from runwire.persistence.database import database_file, open_engine
from tests.support.embedded import EmbeddedServer, settings_for
from tests.support.gates import Gate, new_gate
from tests.support.isolation import wait_for_fork_servers

# Enough to find what a table or a codec forgets; the time of a busy machine is no property of the code.
hypothesis.settings.register_profile("suite", max_examples=50, deadline=None)
hypothesis.settings.load_profile("suite")

MakeServer = Callable[..., EmbeddedServer]
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--seed`` and ``--repeat``."""
    group = parser.getgroup("faults")
    group.addoption("--seed", type=int, default=1, help="seed of the fault tests (default 1)")
    group.addoption("--repeat", type=int, default=1, help="run each seeded fault test with that many seeds in a row")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests that are marked so, and use a server, once for each way to execute a run."""
    if "isolation" in metafunc.fixturenames and metafunc.definition.get_closest_marker("every_isolation"):
        metafunc.parametrize("isolation", ["thread", "process"], indirect=True, scope="module")


@pytest.fixture(scope="session", autouse=True)
def _quiet_logs() -> None:
    """Keep warnings and errors of servers in this process; pytest shows them with a failure."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.dev.ConsoleRenderer(colors=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An up-to-date database without runs: migrated once, copied for each server."""
    file = database_file(tmp_path_factory.mktemp("template"))
    migrations.upgrade(open_engine(file))
    return file


@pytest.fixture(scope="session")
def make_data(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Callable[[], Path]:
    """Return a function that makes a data folder with an up-to-date database."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp(f"data{next(_numbers)}")
        shutil.copy(empty_database, database_file(folder))
        return folder

    return make


@pytest.fixture
def data(make_data: Callable[[], Path]) -> Path:
    """A data folder with an up-to-date database."""
    return make_data()


@pytest.fixture(scope="module")
def isolation(request: pytest.FixtureRequest) -> str:
    """Where a module's servers execute agents: ``thread`` unless it says ``EVERY_ISOLATION``."""
    chosen: str = getattr(request, "param", "thread")
    return chosen


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path], isolation: str) -> Iterator[EmbeddedServer]:
    """A server with ordinary settings, shared by a module's tests: leave no run behind."""
    running = EmbeddedServer(settings_for(make_data(), isolation=isolation))
    try:
        running.start()
        if isolation == "process":
            wait_for_fork_servers()
        yield running
    finally:
        running.stop()


@pytest.fixture
def make_server(make_data: Callable[[], Path], isolation: str) -> Iterator[MakeServer]:
    """Return a function that starts a server with the given settings; it ends after the test."""
    started: list[EmbeddedServer] = []

    def make(data: Path | None = None, **settings: object) -> EmbeddedServer:
        made = EmbeddedServer(settings_for(data or make_data(), **{"isolation": isolation, **settings}))
        started.append(made)
        made.start()
        if made.settings.isolation == "process":
            wait_for_fork_servers()
        return made

    yield make
    for one in reversed(started):
        one.stop()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate for one agent."""
    with new_gate() as made:
        yield made
