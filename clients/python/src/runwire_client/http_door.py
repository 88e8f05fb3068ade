"""Requests over HTTP: the only user of httpx. One event loop; knows paths and JSON, but no run and no follow.

Every call may be repeated without harm (starts carry their run id, protocol L7; cancels are stored once), so one rule
holds for all: what was lost on the way is sent again, a few times, within one deadline.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx

from runwire_client.address import Address
from runwire_client.credentials import Credentials
from runwire_client.errors import (
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidInput,
    NotAuthenticated,
    ProtocolViolation,
    ServerUnavailable,
)
from runwire_client.fields import Fields, parse_json
from runwire_client.problems import problem_error
from runwire_client.timing import Clock, Random, Timing

REPETITIONS: Final = 3
"""How often a lost exchange is sent again; with the default back-off that bridges about half a second (a guess)."""

REPLY_BYTES: Final = 32 * 1024 * 1024
"""The largest reply that is read: eight times the server's largest page of events."""

Query = Mapping[str, str | int]
Content = bytes | AsyncIterable[bytes] | None
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpDoor:
    """A pool of connections to one server; open between ``__aenter__`` and ``aclose``."""

    def __init__(
        self, address: Address, credentials: Credentials, timing: Timing, clock: Clock, random: Random
    ) -> None:
        self._address = address
        self._credentials = credentials
        self._timing = timing
        self._clock = clock
        self._random = random
        self._client: httpx.AsyncClient | None = None

    def open(self) -> None:
        """Make the pool; nothing is connected yet."""
        self._client = httpx.AsyncClient(
            timeout=self._timing.connect_timeout_s,
            trust_env=not self._address.is_loopback,
            # Compressed replies could grow without bound while they are unpacked.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def aclose(self) -> None:
        """Close the pool; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(self, path: str, query: Query | None = None) -> Any:
        """Return the JSON of a GET; raises as :meth:`call`."""
        return await self.call("GET", path, query=query)

    async def call(self, method: str, path: str, *, query: Query | None = None, body: object = None) -> Any:
        """Return the JSON value of a successful reply; None for an empty one.

        Args:
            method: the HTTP method.
            path: from the root of the API, such as ``/v1/runs``; its parts are checked by the caller.
            query: the query's parameters.
            body: a JSON value, or None for no body.

        Raises:
            CallerError, PeerError: the server refused (see ``problems``).
            ConnectionFailed: no reply, repetitions included.
            DeadlineExceeded: ``request_timeout_s`` has passed.
            ProtocolViolation: the reply is no JSON, a redirect or too long.
        """
        what = f"{method} {path}"
        reply = await self._in_time(self._insist(method, path, query, _encoded(body)), what)
        return parse_json(reply.body, what) if reply.body else None

    async def pages(self, path: str, mark: str, query: Query, read: Callable[[object], T]) -> AsyncGenerator[T, None]:
        """Yield the rows of every page; ``mark`` is the parameter that takes a page's ``next``."""
        while True:
            page = Fields(await self.get(path, query), path)
            for row in page.rows("data"):
                yield read(row)
            following = page.text_or_none("next")
            if following is None:
                return
            query = {**query, mark: following}

    async def download(self, path: str, query: Query | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of a reply that may be large; not repeated when it is cut. Raises as :meth:`call`."""
        request = self._request("GET", path, query, None, {})
        try:
            response = await self._opened.send(request, stream=True)
            try:
                if not 200 <= response.status_code < 300:
                    _accepted(Reply(response.status_code, response.headers, await _bounded_body(response)))
                async for piece in response.aiter_raw():
                    yield piece
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise ConnectionFailed(f"GET {path}: {type(error).__name__} {error}".rstrip()) from error

    async def upload(self, path: str, content: bytes | AsyncIterable[bytes], *, query: Query, mime: str) -> Any:
        """POST a body that may be large and return the reply's JSON; not repeated, and without a deadline of its own:
        each piece has ``connect_timeout_s``. Raises as :meth:`call`.
        """
        request = self._request("POST", path, query, content, {"Content-Type": mime})
        try:
            response = await self._opened.send(request, stream=True)
            try:
                reply = Reply(response.status_code, response.headers, await _bounded_body(response))
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise ConnectionFailed(f"POST {path}: {type(error).__name__} {error}".rstrip()) from error
        return parse_json(_accepted(reply).body, path)

    async def probe(self, path: str) -> Reply:
        """Return the reply to one GET, whatever its status; raises the last three of :meth:`call`."""
        return await self._in_time(self._exchange("GET", path, None, None), f"GET {path}")

    async def _in_time(self, exchange: Awaitable[Reply], what: str) -> Reply:
        try:
            async with asyncio.timeout(self._timing.request_timeout_s):
                return await exchange
        except TimeoutError as error:
            raise DeadlineExceeded(f"{what}: no answer in {self._timing.request_timeout_s:g} s") from error

    async def _insist(self, method: str, path: str, query: Query | None, content: bytes | None) -> Reply:
        attempt = 0
        fresh_tried = False
        while True:
            try:
                return _accepted(await self._exchange(method, path, query, content))
            except NotAuthenticated:
                if fresh_tried or not self._credentials.refresh():
                    raise
                fresh_tried = True
            except (ConnectionFailed, ServerUnavailable) as error:
                if attempt == REPETITIONS:
                    raise
                await self._clock.sleep(max(self._timing.delay_s(attempt, self._random), error.retry_after_s or 0.0))
                attempt += 1

    async def _exchange(self, method: str, path: str, query: Query | None, content: bytes | None) -> Reply:
        headers = {} if content is None else {"Content-Type": "application/json"}
        request = self._request(method, path, query, content, headers)
        try:
            response = await self._opened.send(request, stream=True)
            try:
                return Reply(response.status_code, response.headers, await _bounded_body(response))
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise ConnectionFailed(f"{method} {path}: {type(error).__name__} {error}".rstrip()) from error

    @property
    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            raise ClientClosed("the client is not open: use `async with`")
        return self._client

    def _request(
        self, method: str, path: str, query: Query | None, content: Content, headers: Mapping[str, str]
    ) -> httpx.Request:
        everything = {**self._credentials.header(), **headers}
        url = self._address.http(path)
        return self._opened.build_request(method, url, params=query, content=content, headers=everything)


async def _bounded_body(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size_bytes = 0
    async for part in response.aiter_raw():
        size_bytes += len(part)
        if size_bytes > REPLY_BYTES:
            raise ProtocolViolation(f"the server's reply is longer than {REPLY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _accepted(reply: Reply) -> Reply:
    if 200 <= reply.status < 300:
        return reply
    if reply.status < 400:
        raise ProtocolViolation(f"the server answered {reply.status}; redirects are not followed", status=reply.status)
    raise problem_error(reply.status, reply.headers, reply.body)


def _encoded(body: object) -> bytes | None:
    if body is None:
        return None
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the input is no JSON: {error}") from error
