"""Doubles for chat models: one in the program's own hands, and an OpenAI-compatible server on loopback. Floor 9.

Both say what a test has laid out, in order, and remember what they were asked.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from runwire.contracts.model import ModelAnswer, ModelRequest, ModelUsage, ToolCall
from runwire.errors import ModelFailed

STOP_S = 5.0
"""How long an answer that hangs does so at most."""


def call(name: str, **arguments: Any) -> ToolCall:
    """Return a call of a tool, as a model writes it."""
    return ToolCall(f"call-{name}", name, json.dumps(arguments))


Said: TypeAlias = str | ToolCall | Exception | Callable[[ModelRequest], "str | ToolCall"]


@dataclass(eq=False)
class ScriptedChatModel:
    """Fills ``contracts.model.ChatModel``: a text, a call, an error to raise, or a function of the question."""

    answers: list[Said]
    usage: ModelUsage = field(default_factory=lambda: ModelUsage(1, 100, 10))
    requests: list[ModelRequest] = field(default_factory=list)
    reason: str | None = None

    def unavailable_reason(self) -> str | None:
        """Return what the test has set."""
        return self.reason

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Return the next answer. Raises ModelFailed when none is left."""
        self.requests.append(request)
        if len(self.requests) > len(self.answers):
            raise ModelFailed(f"the test has laid out {len(self.answers)} answers, and this is one more question")
        said = self.answers[len(self.requests) - 1]
        if isinstance(said, Exception):
            raise said
        if callable(said):
            said = said(request)
        if isinstance(said, str):
            return ModelAnswer(said, (), self.usage, "scripted")
        return ModelAnswer("", (said,), self.usage, "scripted")


@dataclass(frozen=True, slots=True)
class Refused:
    """An HTTP answer that is no chat completion. ``hang``: nothing is sent until the server stops or the peer leaves;
    ``cut``: the connection is closed instead."""

    status: int = 500
    body: str = '{"error": {"message": "not today"}}'
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


Answer: TypeAlias = str | ToolCall | Refused | Callable[[dict[str, Any]], "str | ToolCall"]


@dataclass(eq=False)
class ScriptedModelServer:
    """An OpenAI-compatible server; request n gets ``answers[n]``. ``requests`` and ``keys`` are what it was sent."""

    answers: Sequence[Answer]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    """Set with the first request."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set when a peer has left an answer that hangs."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: dict[str, Any], key: str | None) -> str | ToolCall | Refused:
        """Note a request and return its answer."""
        with self.lock:
            self.requests.append(body)
            self.keys.append(key)
            number = len(self.requests)
        self.asked.set()
        if number > len(self.answers):
            return Refused(400, '{"error": {"message": "the script has ended"}}')
        answer = self.answers[number - 1]
        return answer(body) if callable(answer) else answer


@contextlib.contextmanager
def model_server(*answers: Answer) -> Iterator[ScriptedModelServer]:
    """Serve on a free loopback port for a block; ``url`` is what ``model_url`` takes."""
    scripted = ScriptedModelServer(answers)
    handler = type("Handler", (_Handler,), {"scripted": scripted})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False
    scripted.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        scripted.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(STOP_S)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request a connection."""

    scripted: ScriptedModelServer

    def do_POST(self) -> None:
        """Answer as scripted."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._send(404, '{"error": {"message": "no such path"}}', {})
            return
        answer = self.scripted.take(body, self.headers["Authorization"])
        if isinstance(answer, Refused):
            self._refuse(answer)
            return
        self._send(200, json.dumps(completion(answer, body.get("model", ""))), {})

    def _refuse(self, answer: Refused) -> None:
        if answer.hang:
            self.connection.settimeout(0.02)
            while not self.scripted.stopped.is_set():
                try:
                    if self.connection.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            self.scripted.left.set()
        elif not answer.cut:
            self._send(answer.status, answer.body, answer.headers)

    def _send(self, status: int, body: str, headers: dict[str, str]) -> None:
        data = body.encode()
        sent = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
        with contextlib.suppress(OSError):  # the peer has left
            self.send_response(status)
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def completion(answer: str | ToolCall, model: str) -> dict[str, Any]:
    """Return a chat completion as servers send it: 100 tokens read, 10 written."""
    message: dict[str, Any] = {"role": "assistant", "content": answer if isinstance(answer, str) else None}
    if isinstance(answer, ToolCall):
        function = {"name": answer.name, "arguments": answer.arguments}
        message["tool_calls"] = [{"id": answer.id, "type": "function", "function": function}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
