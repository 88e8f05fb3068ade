"""The baseline: a raw ASGI endpoint under uvicorn that sends Runwire's bytes with no database, thread, auth or batch.

It is the limit of the stack that Runwire stands on: sans-IO WebSocket engine, httptools, no permessage-deflate, no log,
one ``send`` for each event and subscriber. Run as ``python -m bench.bare --port N``. One process, one loop.

Doors: ``/first`` answers each message with all frames of a one-event run, ``/run`` with those of a five-event run;
``/idle`` says nothing; ``GET /start?id&count&size&period_ms&begin_at`` schedules a stream to all sockets on
``/follow?id``, then closes them 1000.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, Final
from urllib.parse import parse_qsl

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_RUN_ID: Final = "r" * 24
_EPOCH: Final = "0123abcd.4567cdef"
_HEAD: Final = f'"run_id":"{_RUN_ID}","seq":'
_TS: Final = '"ts_ms":1790000000000'


def event_text(seq: int, pad: str, run_id: str = _RUN_ID) -> str:
    """Return one entry frame of the shape and size of those that the ``scripted`` agent's burst makes."""
    return f'{{"type":"event","run_id":"{run_id}","seq":{seq},{_TS},"data":{{"type":"RAW","event":"{pad}"}}}}'


def state_text(seq: int, status: str) -> str:
    """Return one state frame."""
    return f'{{"type":"state",{_HEAD}{seq},{_TS},"data":{{"status":"{status}","attempt":1}}}}'


def run_texts(events: int) -> list[str]:
    """Return every frame of one run on a command socket, from the reply to the end."""
    return [
        f'{{"type":"reply","id":1,"ok":true,"result":{{"run_id":"{_RUN_ID}","status":"QUEUED","epoch":"{_EPOCH}"}}}}',
        f'{{"type":"connected","run_id":"{_RUN_ID}","status":"QUEUED","epoch":"{_EPOCH}","first_seq":1,"last_seq":1,'
        '"resumed":true,"heartbeat_s":10.0,"protocol":"runwire.v1"}',
        state_text(1, "QUEUED"),
        state_text(2, "RUNNING"),
        *(event_text(seq, "x" * 100) for seq in range(3, 3 + events)),
        state_text(3 + events, "SUCCEEDED"),
        f'{{"type":"end","run_id":"{_RUN_ID}","code":1000}}',
    ]


def tick_text(seq: int, pad: str) -> str:
    """Return one entry frame that carries the moment of its making, as the paced agent's events do."""
    value = f'{{"t":{perf_counter()!r},"pad":"{pad}"}}'
    return f'{{"type":"event",{_HEAD}{seq},{_TS},"data":{{"type":"CUSTOM","name":"bench.tick","value":{value}}}}}'


class BareApp:
    """The ASGI application: a table of doors and the sockets that follow each stream."""

    def __init__(self) -> None:
        self._followers: dict[str, list[Send]] = defaultdict(list)
        self._ended: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._streams: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        query = dict(parse_qsl(scope.get("query_string", b"").decode()))
        if scope["type"] == "http":
            await self._http(scope["path"], query, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        match scope["path"]:
            case "/first":
                await _answer_each(receive, send, run_texts(1))
            case "/run":
                await _answer_each(receive, send, run_texts(5))
            case "/follow":
                await self._follow(query["id"], send)
            case _:
                await _answer_each(receive, send, [])

    async def _http(self, path: str, query: dict[str, str], send: Send) -> None:
        if path == "/start":
            task = asyncio.create_task(self._stream(query))
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    async def _follow(self, stream_id: str, send: Send) -> None:
        self._followers[stream_id].append(send)
        await self._ended[stream_id].wait()
        await send({"type": "websocket.close", "code": 1000})

    async def _stream(self, query: dict[str, str]) -> None:
        period_s = float(query["period_ms"]) / 1000
        pad = "x" * int(query["size"])
        make = tick_text if period_s else event_text
        due = max(float(query["begin_at"]), perf_counter())
        await asyncio.sleep(due - perf_counter())
        followers = self._followers.pop(query["id"])
        for seq in range(1, int(query["count"]) + 1):
            if period_s:
                due += period_s
                await asyncio.sleep(due - perf_counter())
            message = {"type": "websocket.send", "text": make(seq, pad)}
            for send in followers:
                await send(message)
        self._ended.pop(query["id"]).set()


async def _answer_each(receive: Receive, send: Send, texts: list[str]) -> None:
    answers = [{"type": "websocket.send", "text": text} for text in texts]
    while (await receive())["type"] == "websocket.receive":
        for answer in answers:
            await send(answer)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(
        BareApp(),
        host="127.0.0.1",
        port=options.port,
        ws="websockets-sansio",
        http="httptools",
        ws_per_message_deflate=False,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
    )


if __name__ == "__main__":
    main()
