"""Mission F9, steering: messages into a live run; and what its steps have stored (protocol, section 4)."""

from __future__ import annotations

from typing import Any

from tests.conftest import MakeServer
from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.sockets import conversing, said

pytestmark = EVERY_ISOLATION


def _texts(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return who said what, message by message."""
    roles: dict[str, str] = {}
    texts: list[tuple[str, str]] = []
    for entry in entries:
        data = entry["data"]
        if data.get("type") == "TEXT_MESSAGE_START":
            roles[data["messageId"]] = data["role"]
        elif data.get("type") == "TEXT_MESSAGE_CONTENT":
            texts.append((roles[data["messageId"]], data["delta"]))
    return texts


async def test_f9_a_message_reaches_a_live_agent_and_stands_in_its_log(server: EmbeddedServer) -> None:
    async with server.http() as http, conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="listens", input=3))["run_id"]
        first = await socket.ok("run.send", run_id=run_id, message="left", message_id="message0001")
        assert first == {"run_id": run_id, "message_id": "message0001", "status": "delivered"}
        again = await socket.ok("run.send", run_id=run_id, message="left", message_id="message0001")
        assert again == first, "a repetition is no second message"
        conflict = await socket.refused("run.send", run_id=run_id, message="right", message_id="message0001")
        assert conflict["code"] == "conflict"
        answer = await http.post(f"/v1/runs/{run_id}/messages", json={"message": {"speed": 2}})
        assert (answer.status_code, answer.json()["status"]) == (202, "delivered")
        await socket.ok("run.send", run_id=run_id, message="stop")
        assert (await socket.until_end(run_id))["code"] == 1000
    entries = server.entries(run_id)
    assert_log_is_whole(entries)
    assert entries[-1]["data"]["result"] == [["left", "admin"], [{"speed": 2}, "admin"], ["stop", "admin"]]
    assert _texts(entries) == [
        ("assistant", "listening"),
        ("user", "left"),
        ("assistant", "heard 1"),
        ("assistant", "heard 2"),
        ("user", "stop"),
        ("assistant", "heard 3"),
    ]
    (custom,) = [entry["data"]["value"] for entry in entries if entry["data"].get("name") == "runwire.message"]
    assert (custom["content"], custom["from"]) == ({"speed": 2}, "admin")


async def test_a_plain_function_listens_and_a_wait_ends_by_itself(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "listens-plainly", {"patience_s": 0.5})
        await eventually_async(lambda: server.services.steering.listens(run_id, "scripted"), "it listens")
        assert (await http.post(f"/v1/runs/{run_id}/messages", json={"message": "one"})).json()["status"] == "delivered"
        assert (await ended(server, run_id))["result"] == ["one"]


async def test_a_message_to_who_does_not_listen_waits_for_the_next_turn(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http:
        deaf = await start(http, "gated", {"gate": gate.name}, thread_id="steered")
        await eventually_async(gate.arrived.is_set, "the agent works")
        sent = (await http.post(f"/v1/runs/{deaf}/messages", json={"message": "for later"})).json()
        assert sent["status"] == "queued_for_next_turn"
        gate.open()
        await ended(server, deaf)
        elsewhere = await start(http, "listens-plainly", {"patience_s": 0.05}, thread_id="another")
        assert (await ended(server, elsewhere))["result"] == []
        following = await start(http, "listens-plainly", {"patience_s": 0.05}, thread_id="steered")
        assert (await ended(server, following))["result"] == ["for later"]
        nobody = await start(http, "listens-plainly", {"patience_s": 0.05}, thread_id="steered")
        assert (await ended(server, nobody))["result"] == [], "a message is taken once"


async def test_what_was_promised_to_the_next_turn_is_not_given_to_this_one(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http:
        late = await start(http, "opens-late", {"gate": gate.name}, thread_id="late")
        await eventually_async(gate.arrived.is_set, "the agent works")
        sent = (await http.post(f"/v1/runs/{late}/messages", json={"message": "for later"})).json()
        assert sent["status"] == "queued_for_next_turn"
        gate.open()
        assert (await ended(server, late))["result"] == {"heard": None}
        following = await start(http, "opens-late", {"gate": gate.name}, thread_id="late")
        assert (await ended(server, following))["result"] == {"heard": "for later"}


async def test_what_a_listening_run_did_not_take_is_the_next_ones(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http:
        run_id = await start(http, "polls", {"gate": gate.name, "most": 1}, thread_id="leftover")
        await eventually_async(lambda: said(server.entries(run_id)) == ["open"], "the inbox is open")
        for word in ("taken", "left"):
            answer = await http.post(f"/v1/runs/{run_id}/messages", json={"message": word})
            assert answer.json()["status"] == "delivered"
        gate.open()
        assert (await ended(server, run_id))["result"] == {"heard": ["taken"]}
        last = await start(http, "listens", 1, thread_id="leftover")
        assert (await ended(server, last))["result"] == [["left", "admin"]]


async def test_polling_takes_what_has_come_and_waits_for_nothing(server: EmbeddedServer, gate: Gate) -> None:
    async with server.http() as http:
        run_id = await start(http, "polls", {"gate": gate.name})
        await eventually_async(lambda: said(server.entries(run_id)) == ["open"], "the inbox is open")
        for number in range(3):
            answer = await http.post(f"/v1/runs/{run_id}/messages", json={"message": number})
            assert answer.json()["status"] == "delivered"
        gate.open()
        assert (await ended(server, run_id))["result"] == {"heard": [0, 1, 2]}


async def test_messages_are_bounded_and_end_with_the_run(make_server: MakeServer) -> None:
    server = make_server(inbox_messages=2, inbox_bytes=100)
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"hang": "async"}]})
        path = f"/v1/runs/{run_id}/messages"
        problem_of(await http.post(path, json={"message": "x" * 100}), 429, "over_capacity")
        for _ in range(2):
            assert (await http.post(path, json={"message": "x"})).status_code == 202
        problem = problem_of(await http.post(path, json={"message": "x"}), 429, "over_capacity")
        assert problem["details"]["limit"] == "inbox_messages"
        for empty in (None, ""):
            problem_of(await http.post(path, json={"message": empty}), 422, "invalid_input")
        problem_of(await http.post(path, json={"message": "x" * 70_000}), 413, "too_large")
        await http.post(f"/v1/runs/{run_id}/cancel")
        await ended(server, run_id)
        problem_of(await http.post(path, json={"message": "late"}), 409, "run_ended")
    async with server.http(server.token_for("mallory")) as stranger:
        problem_of(await stranger.post(path, json={"message": "x"}), 404, "not_found")


async def test_a_cancelled_wait_loses_no_message_and_a_stop_ends_it(server: EmbeddedServer) -> None:
    async with server.http() as http:
        for agent, input in (("listens", 1), ("listens-plainly", {"patience_s": 60})):
            run_id = await start(http, agent, input)
            await eventually_async(lambda r=run_id: server.services.steering.listens(r, "scripted"), "it listens")  # type: ignore[misc]
            await http.post(f"/v1/runs/{run_id}/cancel")
            assert (await ended(server, run_id, 1.0))["status"] == "CANCELLED"


async def test_a_step_is_called_once_under_its_key(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "remembers-plainly", {"any": "value"})
        assert (await ended(server, run_id))["result"] == [1, 1, {"any": "value"}]


async def test_the_scripted_agent_receives(server: EmbeddedServer) -> None:
    steps = [{"text": "hello"}, {"receive": {"timeout_s": 5}}, {"receive": {"timeout_s": 0.05}}]
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": steps})
        await eventually_async(lambda: server.services.steering.listens(run_id, "scripted"), "it listens")
        await http.post(f"/v1/runs/{run_id}/messages", json={"message": "hi"})
        assert (await ended(server, run_id))["result"] == {"steps": 3, "answers": ["hi", None]}
