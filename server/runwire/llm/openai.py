"""A client of an OpenAI-compatible chat-completions endpoint, small on purpose. Floor 4; any thread and loop.

One connection for each request, made and closed on the caller's own loop: nothing is shared between threads but the
TLS settings. The address is the administrator's; redirects are not followed, so the key goes nowhere else.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from dataclasses import dataclass

import httpcore
import structlog

from runwire.contracts.model import ModelAnswer, ModelRequest
from runwire.errors import ModelFailed, ModelNonsense, ModelRefused, ModelTimeout
from runwire.llm.endpoint import Endpoint
from runwire.llm.wire import MAX_TOLD, complaint_in, decode_answer, encode_request

log = structlog.get_logger(__name__)

ANSWER_BYTES = 2 * 1024 * 1024
"""Most bytes of an answer; a guess far above what a model writes in one."""
FIRST_REST_S = 0.5
"""Rest behind the first failure; each further one is twice it, with as much again by chance."""
LONGEST_REST_S = 20.0
"""Longest rest, also where the server asks for more; a guess: the run waits."""

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that may be different the next time."""


@dataclass(frozen=True, slots=True)
class _Answered:
    status: int
    body: bytes
    retry_after_s: float | None


class _Busy(Exception):
    """The request may be repeated, not before ``rest_s`` seconds if the server said so."""

    def __init__(self, why: str, rest_s: float | None = None) -> None:
        super().__init__(why)
        self.rest_s = rest_s


class OpenAIChatModel:
    """Implements ``contracts.model.ChatModel``."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._tls: ssl.SSLContext | None = None

    def unavailable_reason(self) -> None:
        """Return None: whether it can be reached is found out by asking."""

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Return the answer; a busy server is asked again, within the endpoint's attempts and time."""
        body, limit_s = encode_request(request, self._endpoint), self._endpoint.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._asked(body)
        except TimeoutError as error:
            raise ModelTimeout(f"the model gave no answer within {limit_s:g} s") from error

    async def _asked(self, body: bytes) -> ModelAnswer:
        attempts = self._endpoint.attempts
        for attempt in range(1, attempts + 1):
            try:
                return decode_answer(await self._post(body), self._endpoint)
            except _Busy as busy:
                if attempt == attempts:
                    raise ModelFailed(f"the model did not answer, asked {attempts} times: {busy}") from busy
                rest_s = _rest_s(attempt, busy.rest_s)
                log.info("model.busy", attempt=attempt, reason=str(busy), rest_s=round(rest_s, 2))
                await asyncio.sleep(rest_s)
        raise AssertionError("the last attempt returns or raises")

    async def _post(self, body: bytes) -> bytes:
        """POST once and return the body of a 200.

        Raises:
            _Busy: it may be different the next time. ModelRefused: it will not. ModelNonsense: an endless answer.
        """
        try:
            answered = await self._exchange(body)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise _Busy(f"{type(error).__name__}: {error}"[:300]) from error
        if answered.status == 200:
            return answered.body
        said = self._without_key(complaint_in(answered.body))[:MAX_TOLD]  # cut behind that: half a key is one, too
        why = f"HTTP {answered.status}{f': {said}' if said else ''}"
        if answered.status in _BUSY:
            raise _Busy(why, answered.retry_after_s)
        raise ModelRefused(f"the model refused the request: {why}{_HINTS.get(answered.status, '')}")

    async def _exchange(self, body: bytes) -> _Answered:
        if self._tls is None and self._endpoint.url.startswith("https:"):
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._endpoint.api_key:
            headers["Authorization"] = f"Bearer {self._endpoint.api_key}"
        async with (
            httpcore.AsyncConnectionPool(self._tls, max_connections=1) as pool,
            pool.stream("POST", self._endpoint.url, headers=list(headers.items()), content=body) as response,
        ):
            received = await _bounded(response)
            return _Answered(response.status, received, _retry_after_s(response))

    def _without_key(self, text: str) -> str:
        """Return a server's words without our key: some repeat it."""
        return text.replace(self._endpoint.api_key, "…") if self._endpoint.api_key else text


_HINTS = {
    401: "; look at model_api_key",
    403: "; look at model_api_key",
    404: "; look at model_url and model_name",
}


async def _bounded(response: httpcore.Response) -> bytes:
    received = bytearray()
    async for piece in response.aiter_stream():
        received += piece
        if len(received) > ANSWER_BYTES:
            raise ModelNonsense(f"the model's answer is longer than {ANSWER_BYTES} bytes")
    return bytes(received)


def _retry_after_s(response: httpcore.Response) -> float | None:
    """Return what the server asks for in seconds; a date is passed over: clocks differ."""
    for name, value in response.headers:
        if name.lower() == b"retry-after" and value.isdigit():
            return float(value)
    return None


def _rest_s(attempt: int, asked_s: float | None) -> float:
    """Return how long to rest behind the ``attempt``-th failure, seconds."""
    if asked_s is not None:
        return min(asked_s, LONGEST_REST_S)
    doubled = FIRST_REST_S * 2.0 ** (attempt - 1)
    return float(min(doubled * random.uniform(1.0, 2.0), LONGEST_REST_S))
