"""What the fault tests share: servers that can be killed, a seed, repetition. Long tests run only when asked for."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.server import Server, Zygote

StartServer = Callable[..., "Server"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test that takes a ``seed`` its seeds."""
    if "seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("seed", 1)
        metafunc.parametrize("seed", range(first, first + metafunc.config.getoption("repeat", 1)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out unless a marker expression (``-m faults``) or a test's own name asks for them."""
    if config.option.markexpr or any("::" in argument for argument in config.args):
        return
    long = [item for item in items if item.get_closest_marker("faults")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("faults")]


@pytest.fixture
def chance(seed: int) -> random.Random:
    """The only source of chance in a test."""
    return random.Random(seed)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Where servers are forked from."""
    source = Zygote()
    yield source
    source.close()


@pytest.fixture(scope="session")
def template(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an empty database and a token, to be copied."""
    folder = tmp_path_factory.mktemp("template")
    for command, output in ((["db", "upgrade"], "upgrade.log"), (["token", "create", "faults"], "token")):
        pid = zygote.spawn([*command, "--data", str(folder)], os.environ, folder / output)
        assert zygote.reap(pid) == 0, (folder / output).read_text()
    return folder


@pytest.fixture
async def new_server(zygote: Zygote, template: Path, tmp_path: Path) -> AsyncIterator[StartServer]:
    """Return a function that makes a server on a folder of its own (not started); what runs at the end is killed."""
    made: list[Server] = []

    def make(**settings: str) -> Server:
        server = Server(zygote, tmp_path / f"data-{len(made)}", template, settings)
        made.append(server)
        return server

    yield make
    for server in made:
        if server.pid:
            await server.kill()


@pytest.fixture
async def server(new_server: StartServer) -> Server:
    """A running server with default settings."""
    made = new_server()
    assert await made.start(), made.log
    return made
