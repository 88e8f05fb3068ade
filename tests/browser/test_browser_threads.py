"""Runs whose thread is abandoned, or goes away without a word, hold no browser for good. Row C4; facts 5 and 8."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import httpx
import pytest

from runwire.browser.processes import descendants
from tests.browser import holding_agents
from tests.conftest import MakeServer
from tests.support.deadlines import WAIT_S, eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start

pytestmark = pytest.mark.timeout(40)
TEST = {"url": "/samples/shop/index.html", "steps": ['Verify title contains "Sample shop"']}


@pytest.fixture
def server(make_server: MakeServer) -> Iterator[EmbeddedServer]:
    """A server with one slot, so that what keeps a context keeps everybody waiting."""
    holding_agents.released.clear()
    yield make_server(
        agents=holding_agents.PATHS,
        max_running=1,
        browser_executable=os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""),
    )
    holding_agents.released.set()


async def have_a_pass(server: EmbeddedServer, http: httpx.AsyncClient) -> None:
    """Have a browser test pass."""
    end = await ended(server, await start(http, "browser-test", TEST), WAIT_S)
    assert (end["status"], end.get("verdict")) == ("SUCCEEDED", "passed"), end


long = (pytest.mark.slow, pytest.mark.faults)  # a run's limit and the engine's patience have to pass


@pytest.mark.parametrize(
    ("agent", "ending"),
    [
        pytest.param("blocks", "timeout", marks=long),
        pytest.param("swallows", "timeout", marks=long),
        ("forgets", None),
    ],
)
async def test_c4_an_abandoned_thread_gives_its_browser_back(
    server: EmbeddedServer, agent: str, ending: str | None
) -> None:
    async with server.http() as http:
        await have_a_pass(server, http)  # so that the limit is not spent on launching a browser
        end = await ended(server, await start(http, agent, timeout_s=2 if ending else 20), WAIT_S)
        assert end.get("error", {}).get("code") == ending
        await have_a_pass(server, http)

        def at_rest() -> bool:
            browsers = server.services.vitals.browsers()
            return browsers.leased == browsers.waiting == 0 and len(browsers.browsers) == 1

        await eventually_async(at_rest, "no context is leased", WAIT_S)
    holding_agents.released.set()
    await asyncio.to_thread(server.stop)
    assert not descendants(os.getpid())
