"""A person takes a run's browser from the agent and gives it back (protocol, section 4; row F10)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runwire_client import AsyncRunwire, Runwire, Verdict
from runwire_client.errors import Conflict, ControlTaken
from tests.browser.views import carried_out, step_begun, viewing
from tests.conftest import MakeServer
from tests.support.embedded import EmbeddedServer, settings_for
from tests.support.http import ended
from tests.support.isolation import EVERY_ISOLATION, wait_for_fork_servers
from tests.support.sockets import conversing

pytestmark = pytest.mark.timeout(40)
WAIT = 'Wait for text "never there"'
PRESS, NAME, OPEN, PAINT = (100, 40), (100, 100), (100, 160), (100, 220)


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path], isolation: str) -> Iterator[EmbeddedServer]:
    """A server whose browsers may visit the tests' own pages."""
    executable = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")
    running = EmbeddedServer(
        settings_for(make_data(), isolation=isolation, browser_executable=executable, browser_allow=("127.0.0.1",))
    )
    try:
        running.start()
        if isolation == "process":
            wait_for_fork_servers()
        yield running
    finally:
        running.stop()


def hand_overs(server: EmbeddedServer, run_id: str) -> list[dict[str, Any]]:
    """Return what the log says of control."""
    events = [entry["data"] for entry in server.entries(run_id) if entry["type"] == "event"]
    return [event["value"] for event in events if event.get("name") == "runwire.control"]


@EVERY_ISOLATION
async def test_person_helps_an_agent_that_waits_and_the_test_passes(server: EmbeddedServer, site: str) -> None:
    steps = ['Wait for text "clicked Ada"', 'Verify title is "Hand clicked"']
    async with carried_out(server, f"{site}/hand.html", *steps) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id, "Ada") as ada:
            await ada.picture()
            taken = await ada.take()
            assert (taken["control"], taken["holder"], 59 < taken["lease_s"] <= 60) == ("PERSON", "Ada", True)
            await ada.click(*PRESS)
            await ada.click(*NAME)
            await ada.use(kind="text", text="Ad")
            await ada.use(kind="key", key="a")
            assert (await ada.give())["control"] == "AGENT"
        assert (await ended(server, run_id, 10.0))["verdict"] == "passed"
    assert hand_overs(server, run_id) == [
        {"state": "PERSON", "person": "Ada", "reason": "taken"},
        {"state": "AGENT", "person": "Ada", "reason": "given"},
    ]


@EVERY_ISOLATION
async def test_agent_does_nothing_while_a_person_has_control_and_no_limit_runs(
    server: EmbeddedServer, site: str
) -> None:
    """The look that waits is longer held than its limit, and the run takes longer than the test's and its own: none of
    them fails.
    """
    steps = ["Wait 0.5 seconds", 'Click "Press"', 'Verify text "clicked"']
    more = {"step_timeout_s": 1, "timeout_s": 6}
    begun = time.monotonic()
    async with carried_out(server, f"{site}/hand.html", *steps, run={"timeout_s": 6}, **more) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id) as viewer:
            await viewer.take()
            before = await viewer.settled()
            await asyncio.sleep(5.5)
            assert (await viewer.settled_or(before)).jpeg == before.jpeg, "the agent has clicked"
            await viewer.give()
        assert (await ended(server, run_id, 10.0))["verdict"] == "passed"
        assert time.monotonic() - begun > 6


async def test_two_people_claim_one_wins_and_the_other_is_told_who(server: EmbeddedServer, site: str) -> None:
    async with carried_out(server, f"{site}/hand.html", WAIT) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id, "Ada") as ada, viewing(server, run_id, "Bob") as bob:
            claims = [one.socket.command("view.control", view=1, action="take") for one in (ada, bob)]
            replies = await asyncio.gather(*claims)
            assert sorted(reply["ok"] for reply in replies) == [False, True]
            winner, loser = (ada, bob) if replies[0]["ok"] else (bob, ada)
            error = next(reply["error"] for reply in replies if not reply["ok"])
            assert (error["code"], error["retryable"]) == ("control_taken", True)
            assert error["details"]["holder"] == winner.opened_as
            refused = await loser.socket.refused("view.input", view=1, input={"kind": "key", "key": "a"})
            assert (refused["code"], refused["details"]["holder"]) == ("conflict", winner.opened_as)
            assert (await loser.socket.refused("view.control", view=1, action="give"))["code"] == "conflict"
            await winner.give()
            told = await loser.socket.until("view", control="AGENT")
            assert "holder" not in told
            assert (await loser.take())["holder"] == loser.opened_as


async def test_control_goes_back_when_its_holder_leaves_or_does_nothing(make_server: MakeServer, site: str) -> None:
    server = make_server(browser_allow=("127.0.0.1",), control_lease_s=0.6, control_total_s=1.5)
    async with carried_out(server, f"{site}/hand.html", WAIT) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id, "Eve") as eve:
            async with viewing(server, run_id, "Ada") as ada:
                await ada.take()
            await eve.socket.until("view", control="AGENT")
            await eve.take()
            begun = time.monotonic()
            await eve.socket.until("view", control="AGENT")
            assert 0.5 < time.monotonic() - begun < 2.0
            for _ in range(2):  # each time a little, until the sum is used up
                await eve.take()
                await eve.socket.until("view", control="AGENT")
            refused = await eve.socket.refused("view.control", view=1, action="take")
            assert "for as long as they may" in refused["message"]
        assert {one["reason"] for one in hand_overs(server, run_id)} >= {"left", "expired", "limit"}


async def test_what_a_person_opens_comes_to_the_front(server: EmbeddedServer, site: str) -> None:
    async with carried_out(server, f"{site}/hand.html", WAIT) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id) as viewer:
            first = await viewer.settled()
            await viewer.take()
            await viewer.click(*OPEN)
            popup = await viewer.changes(first, 8.0)
            popup = await viewer.settled_or(popup)
            await viewer.click(100, 40)  # the popup's own button: it closes itself
            await viewer.changes(popup, 8.0)


async def test_input_reaches_the_page_and_is_seen_soon(server: EmbeddedServer, site: str) -> None:
    async with carried_out(server, f"{site}/hand.html", WAIT) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id) as viewer:
            await viewer.take()
            seen = await viewer.settled()
            begun = time.monotonic()
            await viewer.click(*PRESS)
            await viewer.changes(seen)
            assert time.monotonic() - begun < 1.0


async def test_two_quick_clicks_are_a_double_click(server: EmbeddedServer, site: str) -> None:
    async with carried_out(server, f"{site}/hand.html", 'Verify title is "Hand clicked clicked twice"') as (
        socket,
        run_id,
    ):
        await step_begun(socket, 1)  # the page has been opened by then
        async with viewing(server, run_id) as viewer:
            await viewer.picture()
            await viewer.take()
            for clicks in (1, 2):
                for action in ("down", "up"):
                    await viewer.use(kind="mouse", action=action, x=PRESS[0], y=PRESS[1], clicks=clicks)
            await viewer.give()
        assert (await ended(server, run_id, 10.0))["verdict"] == "passed"


async def test_inputs_are_bounded_in_form_and_pace(make_server: MakeServer, site: str) -> None:
    server = make_server(browser_allow=("127.0.0.1",), message_burst=20, view_inputs_per_s=1)
    async with carried_out(server, f"{site}/hand.html", WAIT) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id) as viewer:
            await viewer.take()
            for wrong in (
                {"kind": "mouse", "action": "click", "x": -1, "y": 0},
                {"kind": "text", "text": "x" * 2_001},
                {"kind": "script", "text": "alert(1)"},
                {"kind": "key", "key": "a", "more": 1},
            ):
                assert (await viewer.socket.refused("view.input", view=1, input=wrong))["code"] == "invalid_input"
            for _ in range(30):
                await viewer.socket.send(
                    {"op": "view.input", "view": 1, "input": {"kind": "mouse", "action": "move", "x": 1, "y": 1}}
                )
            assert await viewer.socket.closed_with() == 4029


async def test_taking_over_can_be_switched_off(make_server: MakeServer, site: str) -> None:
    server = make_server(browser_allow=("127.0.0.1",), browser_control=False)
    async with carried_out(server, f"{site}/hand.html", WAIT) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id) as viewer:
            await viewer.picture()
            refused = await viewer.socket.refused("view.control", view=1, action="take")
            assert "browser_control" in refused["message"]


@EVERY_ISOLATION
async def test_a_run_without_a_page_cannot_be_taken_over(server: EmbeddedServer) -> None:
    async with conversing(server) as socket:
        started = await socket.ok("run.start", agent="scripted", input={"steps": [{"sleep_s": 60}]})
        opened = await socket.ok("view.open", run_id=started["run_id"])
        refused = await socket.refused("view.control", view=opened["view"], action="take")
        assert "no page open" in refused["message"]
        await socket.ok("run.cancel", run_id=started["run_id"])


@EVERY_ISOLATION
async def test_cancel_ends_a_run_that_a_person_holds(server: EmbeddedServer, site: str) -> None:
    async with carried_out(server, f"{site}/hand.html", WAIT) as (socket, run_id):
        await step_begun(socket, 1)
        async with viewing(server, run_id) as viewer:
            await viewer.take()
            await socket.ok("run.cancel", run_id=run_id)
            assert (await viewer.socket.until("view_end", 8.0))["status"] == "CANCELLED"


async def test_python_client_sees_and_helps(server: EmbeddedServer, site: str) -> None:
    async with (
        carried_out(server, f"{site}/hand.html", 'Wait for text "clicked Ada"') as (_, run_id),
        AsyncRunwire(server.origin, server.token) as runwire,
    ):
        async with runwire.view(run_id, name="Ada") as view:
            first = await anext(view)
            assert (first.width, first.height, first.jpeg[:2], first.held) == (1280, 720, b"\xff\xd8", False)
            with pytest.raises(Conflict, match="not yours"):
                await view.click(*PRESS)
            assert (await view.take()).holder == "Ada"
            async with runwire.view(run_id, name="Bob") as other:
                with pytest.raises(ControlTaken, match="Ada has control"):
                    await other.take()
            await view.click(*PRESS)
            await view.click(*NAME)
            await view.type("Ad")
            await view.press("a")
            await view.give()
            async for _ in view:
                pass
        assert (await runwire.result(run_id)).verdict is Verdict.PASSED
        with pytest.raises(Conflict, match="has ended"):
            async with runwire.view(run_id):
                pass


async def test_blocking_client_sees(server: EmbeddedServer, site: str) -> None:
    def look(run_id: str) -> bytes:
        with Runwire(server.origin, server.token) as runwire, closing(runwire.view(run_id)) as pictures:  # type: ignore[type-var]  # a generator
            return next(pictures).jpeg

    async with carried_out(server, f"{site}/hand.html", WAIT) as (socket, run_id):
        await step_begun(socket, 1)
        assert (await asyncio.to_thread(look, run_id)).startswith(b"\xff\xd8")
