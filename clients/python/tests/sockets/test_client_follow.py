"""Following over real sockets: a scripted server cuts, closes, refuses and falls silent; the entries come once each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from clients.python.tests import wire
from clients.python.tests.scripted_servers import (
    QUICK,
    TOKEN,
    QuickClock,
    Refuse,
    Script,
    SocketServer,
    run_from,
    says,
    socket_server,
)
from runwire_client import AsyncRunwire, Connected, Event, Heartbeat, Item, Queue, Reset, RunStatus, State
from runwire_client.credentials import TokenSource
from runwire_client.errors import (
    ClientClosed,
    NotAuthenticated,
    NotFound,
    ProtocolViolation,
    ReconnectExhausted,
    RunwireError,
    ScopeMissing,
    ServerFault,
)
from runwire_client.timing import Timing

ROWS = wire.log_rows(8)
WAIT_S = 5.0


def client(
    server: SocketServer, clock: QuickClock, *, token: TokenSource = TOKEN, timing: Timing = QUICK
) -> AsyncRunwire:
    """A client of the scripted server that waits for nothing."""
    return AsyncRunwire(server.url, token, timing=timing, clock=clock, random=lambda: 0.5)


async def all_items(items: AsyncGenerator[Item, None]) -> list[Item]:
    """Everything until the follow ends by itself, within a bound."""
    async with asyncio.timeout(WAIT_S), aclosing(items):
        return [item async for item in items]


def seqs(items: list[Item]) -> list[int]:
    """The seq of each entry."""
    return [item.seq for item in items if isinstance(item, State | Event)]


async def test_a_run_is_followed_to_its_end_and_the_socket_is_closed_cleanly() -> None:
    async with socket_server(says(*run_from(0, ROWS), close=1000)) as server, client(server, QuickClock()) as runwire:
        items = await all_items(runwire.follow(wire.RUN))
        assert seqs(items) == list(range(1, 9))
        last = items[-1]
        assert isinstance(last, State)
        assert last.status is RunStatus.SUCCEEDED
        assert await asyncio.wait_for(server.ended.get(), WAIT_S) == 1000
    request = server.requests[0]
    assert request.path == f"/ws/runs/{wire.RUN}?after=0&follow=1&batch=1"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Sec-WebSocket-Protocol"] == "runwire.v1"
    assert "Sec-WebSocket-Extensions" not in request.headers


async def test_a_server_that_does_not_close_after_the_end_is_closed_by_the_client() -> None:
    async with socket_server(says(*run_from(0, ROWS))) as server, client(server, QuickClock()) as runwire:
        assert len(await all_items(runwire.follow(wire.RUN))) == 8
        assert await asyncio.wait_for(server.ended.get(), WAIT_S) == 1000


async def test_cuts_at_every_entry_lose_and_repeat_nothing() -> None:
    scripts: list[Script | Refuse] = [
        says(wire.connected(8), *ROWS[max(after - 2, 0) : after + 1], abort=True) for after in range(8)
    ]
    async with socket_server(*scripts) as server, client(server, QuickClock()) as runwire:
        assert seqs(await all_items(runwire.follow(wire.RUN))) == list(range(1, 9))
    assert [server.query(number).get("after") for number in range(8)] == [str(after) for after in range(8)]
    assert [server.query(number).get("epoch") for number in range(8)] == [None] + [wire.EPOCH] * 7


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1011, 1012, 1013, 4008, 4009, 4029, 4401])
async def test_each_code_that_means_come_back_is_resumed(code: int) -> None:
    clock = QuickClock()
    first = says(*run_from(0, ROWS)[:4], close=code)
    async with socket_server(first, says(*run_from(3, ROWS), close=1000)) as server, client(server, clock) as runwire:
        assert seqs(await all_items(runwire.follow(wire.RUN))) == list(range(1, 9))
    assert server.query(1) == {"after": "3", "epoch": wire.EPOCH, "follow": "1", "batch": "1"}
    assert clock.slept_s == [{1012: 1.0, 1013: 7.5}.get(code, 0.1)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1002, ProtocolViolation),
        (1009, ProtocolViolation),
        (4501, ProtocolViolation),
        (4503, ScopeMissing),
        (4599, ServerFault),
    ],
)
async def test_each_fatal_code_is_raised_at_once(code: int, kind: type[RunwireError]) -> None:
    async with (
        socket_server(says(*run_from(0, ROWS)[:4], close=code)) as server,
        client(server, QuickClock()) as runwire,
    ):
        with pytest.raises(kind) as caught:
            await all_items(runwire.follow(wire.RUN))
    assert caught.value.close_code == code
    assert len(server.requests) == 1


async def test_a_silent_server_is_left_after_two_and_a_half_heartbeats() -> None:
    silent = says(wire.connected(8, heartbeat_s=0.1), *ROWS[:3])
    async with (
        socket_server(silent, says(*run_from(3, ROWS), close=1000)) as server,
        client(server, QuickClock()) as runwire,
    ):
        begun_s = time.monotonic()
        assert seqs(await all_items(runwire.follow(wire.RUN))) == list(range(1, 9))
        assert time.monotonic() - begun_s >= 0.25


async def test_a_server_that_accepts_and_never_greets_is_left_after_the_connect_timeout() -> None:
    timing = Timing(connect_timeout_s=0.2, close_timeout_s=0.5)
    async with (
        socket_server(says(), says(*run_from(0, ROWS), close=1000)) as server,
        client(server, QuickClock(), timing=timing) as runwire,
    ):
        assert seqs(await all_items(runwire.follow(wire.RUN))) == list(range(1, 9))


async def test_frames_also_yields_what_stands_outside_the_log() -> None:
    script = says(wire.connected(1), ROWS[0], wire.queue(3, 12), wire.heartbeat(1), *ROWS[1:], close=1000)
    async with socket_server(script) as server, client(server, QuickClock()) as runwire, asyncio.timeout(WAIT_S):
        kinds = [type(frame) async for frame in runwire.frames(wire.RUN)]
    assert kinds == [Connected, State, Queue, Heartbeat, State, *[Event] * 5, State]


async def test_a_reset_is_surfaced_and_the_new_log_follows() -> None:
    anew = says(wire.connected(8, resumed=False, epoch="e2"), wire.reset(8), *ROWS, close=1000)
    async with (
        socket_server(says(*run_from(0, ROWS)[:4], abort=True), anew) as server,
        client(server, QuickClock()) as runwire,
    ):
        items = await all_items(runwire.follow(wire.RUN))
    assert [type(item) for item in items[:4]] == [State, State, Event, Reset]
    assert isinstance(items[3], Reset)
    assert items[3].epoch == "e2"
    assert seqs(items[4:]) == list(range(1, 9))


async def test_bytes_that_break_the_contract_are_an_error_and_the_socket_is_gone() -> None:
    async with socket_server(says(wire.connected(8), "{")) as server, client(server, QuickClock()) as runwire:
        with pytest.raises(ProtocolViolation):
            await all_items(runwire.follow(wire.RUN))
        assert await asyncio.wait_for(server.ended.get(), WAIT_S) == 1006


async def test_a_message_beyond_the_limit_is_refused_before_it_is_held() -> None:
    huge = wire.event_row(1, type="CUSTOM", value="x" * (2 * 1024 * 1024))
    async with socket_server(says(wire.connected(8), huge)) as server, client(server, QuickClock()) as runwire:
        with pytest.raises(ProtocolViolation) as caught:
            await all_items(runwire.follow(wire.RUN))
    assert caught.value.close_code == 1009


# ---------------------------------------------------------------- refused upgrades and credentials


async def test_401_at_the_upgrade_is_tried_once_more_with_fresh_credentials() -> None:
    tokens = iter(["old", "new"])
    async with (
        socket_server(Refuse(401), says(*run_from(0, ROWS), close=1000)) as server,
        client(server, QuickClock(), token=lambda: next(tokens)) as runwire,
    ):
        assert len(await all_items(runwire.follow(wire.RUN))) == 8
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("refusal", [Refuse(401, "not_authenticated"), says(close=4401)], ids=["401", "4401"])
async def test_credentials_that_are_refused_twice_are_an_error(refusal: Script | Refuse) -> None:
    async with socket_server(refusal, refusal) as server, client(server, QuickClock()) as runwire:
        with pytest.raises(NotAuthenticated):
            await all_items(runwire.follow(wire.RUN))
    assert len(server.requests) == 2


async def test_no_token_is_an_error_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNWIRE_TOKEN", raising=False)
    monkeypatch.delenv("RUNWIRE_TOKEN_FILE", raising=False)
    async with socket_server() as server, client(server, QuickClock(), token=None) as runwire:
        with pytest.raises(NotAuthenticated, match="RUNWIRE_TOKEN"):
            await all_items(runwire.follow(wire.RUN))
    assert server.requests == []


async def test_an_unknown_run_is_an_error_with_the_problem_of_the_server() -> None:
    async with socket_server(Refuse(404, "not_found")) as server, client(server, QuickClock()) as runwire:
        with pytest.raises(NotFound) as caught:
            await all_items(runwire.follow(wire.RUN))
    assert (caught.value.status, caught.value.code, caught.value.message) == (404, "not_found", "Refused")


async def test_a_busy_server_is_asked_again_when_it_said() -> None:
    clock = QuickClock()
    busy = Refuse(503, headers={"Retry-After": "30"})
    async with socket_server(busy, says(*run_from(0, ROWS), close=1000)) as server, client(server, clock) as runwire:
        assert len(await all_items(runwire.follow(wire.RUN))) == 8
    assert clock.slept_s == [30.0]


async def test_a_redirect_is_not_followed() -> None:
    async with socket_server(says(*run_from(0, ROWS), close=1000)) as other:
        there = f"ws{other.url.removeprefix('http')}/"
        async with (
            socket_server(Refuse(302, headers={"Location": there})) as server,
            client(server, QuickClock()) as runwire,
        ):
            with pytest.raises(ServerFault):
                await all_items(runwire.follow(wire.RUN))
        assert other.requests == []


async def test_a_server_that_is_gone_is_given_up_after_reconnect_for_s_with_the_cursor() -> None:
    clock = QuickClock()
    async with socket_server(says(*run_from(0, ROWS)[:4])) as server:
        runwire = client(server, clock, timing=Timing(reconnect_for_s=60.0))
        async with runwire, asyncio.timeout(WAIT_S):
            items = runwire.follow(wire.RUN)
            for seq in (1, 2, 3):
                item = await anext(items)
                assert isinstance(item, State | Event)
                assert item.seq == seq
            server.stop()
            with pytest.raises(ReconnectExhausted) as caught:
                await anext(items)
    assert (caught.value.after, caught.value.epoch) == (3, wire.EPOCH)
    assert 40.0 < sum(clock.slept_s) <= 60.0


# ---------------------------------------------------------------- leaving


async def test_cancelling_the_waiting_task_closes_the_socket_at_once() -> None:
    async with socket_server(says(*run_from(0, ROWS)[:4])) as server, client(server, QuickClock()) as runwire:
        reached = asyncio.Event()

        async def consume() -> None:
            async for item in runwire.follow(wire.RUN):
                if isinstance(item, Event):
                    reached.set()

        task = asyncio.create_task(consume())
        await asyncio.wait_for(reached.wait(), WAIT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(server.ended.get(), 0.5) == 1006


async def test_leaving_the_loop_early_closes_the_socket_at_once() -> None:
    async with socket_server(says(*run_from(0, ROWS)[:4])) as server, client(server, QuickClock()) as runwire:
        async with aclosing(runwire.follow(wire.RUN)) as items:
            await asyncio.wait_for(anext(items), WAIT_S)
        assert await asyncio.wait_for(server.ended.get(), 0.5) == 1006


async def test_leaving_the_client_cuts_its_follows() -> None:
    async with socket_server(says(*run_from(0, ROWS)[:4])) as server:
        async with client(server, QuickClock()) as runwire:
            items = runwire.follow(wire.RUN)
            await asyncio.wait_for(anext(items), WAIT_S)
        assert await asyncio.wait_for(server.ended.get(), 0.5) == 1006
        with pytest.raises(ClientClosed):
            await all_items(items)


async def test_a_client_that_was_not_entered_says_so() -> None:
    runwire = AsyncRunwire("http://127.0.0.1:1", TOKEN)
    with pytest.raises(ClientClosed):
        await all_items(runwire.follow(wire.RUN))
    with pytest.raises(ClientClosed):
        await runwire.get(wire.RUN)
