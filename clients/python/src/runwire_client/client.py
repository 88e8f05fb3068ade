"""``AsyncRunwire``: runs on a Runwire server, started, followed and asked about. One event loop, no thread.

It only joins the parts: names of paths and shapes of bodies stand here, everything else below.
"""

from __future__ import annotations

import asyncio
import os
import random as random_source
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Final, Literal, Self

from runwire_client.address import DEFAULT_URL, URL_VARIABLE, Address, checked_run_id
from runwire_client.address import new_run_id as fresh_run_id
from runwire_client.artifacts import Artifacts
from runwire_client.browser_tests import BrowserConfigs, Tests
from runwire_client.conversations import Conversations
from runwire_client.credentials import Credentials, TokenSource
from runwire_client.decode import decode_entry
from runwire_client.entries import Entry, Event, Frame, Item, Queue, Reset, State
from runwire_client.errors import DeadlineExceeded, ProtocolViolation
from runwire_client.fields import Fields, parse_json
from runwire_client.files import Files
from runwire_client.follower import Cursor, Follower
from runwire_client.http_door import HttpDoor, Reply
from runwire_client.live_view import LiveView
from runwire_client.queueing import Operator, QueueStatus, read_queue
from runwire_client.readings import Readings
from runwire_client.records import (
    Agent,
    Health,
    Run,
    RunRecord,
    RunResult,
    read_agent,
    read_run,
    read_started,
    result_of,
)
from runwire_client.schedules import Schedules
from runwire_client.shares import Shares
from runwire_client.socket_door import SocketDoor
from runwire_client.suites import Suites
from runwire_client.timing import Clock, Random, SystemClock, Timing
from runwire_client.usage import Usage, read_usage
from runwire_client.webhooks import Webhooks


class AsyncRunwire:
    """A client of one server; use it as ``async with AsyncRunwire() as runwire``.

    Safe to share between tasks of one event loop; leaving the block cuts every follow. Cancelling a call or a follow
    ends it at once and never stops the run: :meth:`cancel` does. Beside the errors that each method names, all raise
    what ``errors`` draws under PeerError and WorldError.
    """

    def __init__(
        self,
        base_url: str | None = None,
        token: TokenSource = None,
        *,
        timing: Timing | None = None,
        clock: Clock | None = None,
        random: Random = random_source.random,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            base_url: where the server is; default ``RUNWIRE_URL``, else ``http://127.0.0.1:8700``.
            token: the bearer token, or a function that returns the current one (called again when it was refused);
                default ``RUNWIRE_TOKEN``, else the content of the file that ``RUNWIRE_TOKEN_FILE`` names.
            timing: every limit, in seconds.
            clock: where time is read and waited for.
            random: the source of jitter.

        Raises:
            InvalidInput: the address is none.
        """
        environ = os.environ
        address = Address(base_url or environ.get(URL_VARIABLE) or DEFAULT_URL)
        credentials = Credentials(token, environ)
        self._timing = timing or Timing()
        self._random = random
        clock = clock or SystemClock()
        self._http = HttpDoor(address, credentials, self._timing, clock, random)
        self._sockets = SocketDoor(address, credentials, self._timing, clock)
        self.conversations: Final = Conversations(self._http)
        """The user's conversations."""
        self.files: Final = Files(self._http)
        """The user's files."""
        self.artifacts: Final = Artifacts(self._http)
        """What the user's runs have stored."""
        self.schedules: Final = Schedules(self._http)
        """Runs that start again and again."""
        self.shares: Final = Shares(self._http, address)
        """Read-only links for people without a token."""
        self.tests: Final = Tests(self._http)
        """The user's saved browser tests, and their runs."""
        self.browser_configs: Final = BrowserConfigs(self._http)
        """The user's browser configurations."""
        self.suites: Final = Suites(self._http, self.result)
        """Many browser tests as one request."""
        self.readings: Final = Readings(self._http)
        """What models have made of the free words in the user's browser tests."""
        self.webhooks: Final = Webhooks(self._http)
        """Whom the server tells of the ends of the user's runs."""

    async def __aenter__(self) -> Self:
        self._http.open()
        self._sockets.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sockets.close()
        await self._http.aclose()

    # ---------------------------------------------------------------- runs

    async def start(
        self,
        agent: str,
        input: Any,
        *,
        run_id: str | None = None,
        thread_id: str | None = None,
        priority: Literal["high", "normal", "low"] = "normal",
        timeout_s: float | None = None,
        on_disconnect: Literal["continue", "cancel"] = "continue",
        if_busy: Literal["parallel", "reject", "enqueue", "interrupt", "rollback", "steer"] = "parallel",
        webhook: Mapping[str, str] | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> Run:
        """Start a run; it goes on whether or not anybody follows it.

        Args:
            agent: the agent's name.
            input: any JSON value that the agent's input schema allows.
            run_id: an id of your own, ``[a-z0-9]{8,64}``; the same id and body name the same run, however often sent.
                Default: a fresh one, so that a repetition after a lost reply never starts a second run.
            thread_id: the conversation it belongs to; default a new one.
            priority: the class in which it waits.
            timeout_s: seconds that it may be RUNNING; default the server's.
            on_disconnect: ``cancel`` ends it when nobody has followed it for 15 s.
            if_busy: what to do while the thread has a run that has not ended; ``steer`` sends the input into that run,
                and the returned run is that one, with ``steered`` set.
            webhook: ``{"url": …, "secret_name": …}``: whom to tell of its end, and the webhook whose secret signs that.
            limits: what it may use at most, stricter than the agent's and the server's own limits: ``idle_timeout_s``
                (seconds of silence), ``events``, ``log_bytes``, ``artifacts``, ``artifact_bytes``.

        Raises:
            InvalidInput: a value is refused; RunIdTaken: the id names another run; OverCapacity: too many wait;
            ThreadBusy: ``if_busy`` is ``reject`` and the thread has a live run.
        """
        body: dict[str, Any] = {
            "agent": agent,
            "input": input,
            "run_id": fresh_run_id() if run_id is None else checked_run_id(run_id),
            "priority": priority,
            "on_disconnect": on_disconnect,
        }
        if if_busy != "parallel":  # a server that does not know it yet does what it says
            body["if_busy"] = if_busy
        body |= _given(thread_id=thread_id, timeout_s=timeout_s, webhook=webhook)
        body |= _given(limits=None if limits is None else dict(limits))
        return read_started(await self._http.call("POST", "/v1/runs", body=body))

    async def retry(self, run_id: str, *, from_seq: int | None = None, new_run_id: str | None = None) -> Run:
        """Start a new run that repeats an ended one in its thread, with its input and limits.

        Args:
            run_id: the run that has ended.
            from_seq: begin behind this entry of it; only for agents that are forkable.
            new_run_id: the new run's id, as ``run_id`` of :meth:`start`; default a fresh one.

        Raises:
            NotFound; Conflict: it has not ended, or cannot begin there; InvalidInput: the agent refuses the input now;
            RunIdTaken: the new id names another run; OverCapacity: too many wait.
        """
        body = _given(from_seq=from_seq)
        body["new_run_id"] = fresh_run_id() if new_run_id is None else checked_run_id(new_run_id)
        return read_started(await self._http.call("POST", f"{_path(run_id)}/retry", body=body))

    async def cancel(self, run_id: str) -> None:
        """Ask for the run's end; CANCELLED stands in its log when the work has stopped. Raises NotFound, Conflict."""
        await self._http.call("POST", f"{_path(run_id)}/cancel", body={})

    async def delete(self, run_id: str) -> None:
        """Delete an ended run with everything in it. Raises NotFound; Conflict: it has not ended."""
        await self._http.call("DELETE", _path(run_id))

    async def send(
        self, run_id: str, message: Any, *, message_id: str | None = None
    ) -> Literal["delivered", "queued_for_next_turn"]:
        """Say something into a live run.

        Args:
            run_id: the run.
            message: a text, or another JSON value but None.
            message_id: an id of your own, ``[a-z0-9]{8,64}``: the same id is the same message, however often sent.

        Returns:
            ``delivered`` if the run listens; else the next run of its thread gets the message.

        Raises:
            InvalidInput: it is empty; RunEnded: nobody takes it any more; OverCapacity: too many wait in the thread.
        """
        chosen = fresh_run_id() if message_id is None else checked_run_id(message_id)
        body = {"message": message, "message_id": chosen}
        reply = Fields(await self._http.call("POST", f"{_path(run_id)}/messages", body=body), "message")
        return "delivered" if reply.text("status") == "delivered" else "queued_for_next_turn"

    async def respond(self, run_id: str, request_id: str, payload: Any) -> None:
        """Answer what the run has asked; ``people.input_request`` reads questions from a follow.

        Args:
            run_id: the run.
            request_id: the ``id`` of the InputRequest.
            payload: any JSON value that the request's ``response_schema`` allows.

        Raises:
            InvalidInput: the payload does not fit, and the question stays open; NotFound: no such run or question;
            AlreadyAnswered: another answer was first; RequestClosed: it takes no answer any more.
        """
        body = {"request_id": request_id, "payload": payload}
        await self._http.call("POST", f"{_path(run_id)}/respond", body=body)

    async def get(self, run_id: str) -> RunRecord:
        """Return the run as one read saw it. Raises NotFound."""
        return read_run(await self._http.get(_path(run_id)))

    async def runs(
        self,
        *,
        status: str | None = None,
        agent: str | None = None,
        thread_id: str | None = None,
        parent_id: str | None = None,
        limit: int = 50,
    ) -> AsyncGenerator[RunRecord, None]:
        """Yield your runs, newest first, page by page as they are consumed; ``limit`` is the size of a page."""
        query = _given(status=status, agent=agent, thread_id=thread_id, parent_id=parent_id, limit=limit)
        async with aclosing(self._http.pages("/v1/runs", "before", query, read_run)) as rows:
            async for row in rows:
                yield row

    async def events(self, run_id: str, after: int = 0, limit: int = 256) -> list[Entry]:
        """Return stored entries ``after + 1`` onwards, at most ``limit``; empty behind the last. Raises NotFound."""
        page = Fields(await self._http.get(f"{_path(run_id)}/events", {"after": after, "limit": limit}), "events")
        return [decode_entry(row) for row in page.rows("data")]

    # ---------------------------------------------------------------- following

    async def frames(self, run_id: str, *, after: int = 0, epoch: str | None = None) -> AsyncGenerator[Frame, None]:
        """Yield everything that a follow sees: entries, and Connected, Reset, Queue and Heartbeat outside the log.

        Arguments, promises and errors are those of :meth:`follow`.
        """
        follower = Follower(checked_run_id(run_id), Cursor(after, epoch), self._timing, self._random)
        async with aclosing(self._sockets.frames(run_id, follower)) as frames:
            async for frame in frames:
                yield frame

    async def follow(
        self,
        run_id: str,
        *,
        after: int = 0,
        epoch: str | None = None,
        on_queue: Callable[[Queue], None] | None = None,
    ) -> AsyncGenerator[Item, None]:
        """Yield each entry of the run's log exactly once, in order, and end after the terminal state.

        It survives cut connections and restarts of the server by itself. Should the log itself have started over, a
        ``Reset`` says so before its first entry: discard what you hold. To stop early at a known moment, wrap it in
        ``contextlib.aclosing``; cancelling the task that waits for the next entry closes the socket at once.

        Args:
            run_id: the run.
            after: the ``seq`` of the last entry that you hold; 0 for none.
            epoch: the epoch that this ``seq`` belongs to; None trusts that it is still the same.
            on_queue: called with the run's place while it waits, when that changes, once a second at most.

        Raises:
            NotFound: absent, or somebody else's; NotAuthenticated: the token is refused, also a fresh one;
            ReconnectExhausted: cut, and not back within ``reconnect_for_s``; it holds ``after`` and ``epoch``.
        """
        async with aclosing(self.frames(run_id, after=after, epoch=epoch)) as frames:
            async for frame in frames:
                if isinstance(frame, State | Event | Reset):
                    yield frame
                elif on_queue is not None and isinstance(frame, Queue):
                    on_queue(frame)

    async def result(self, run_id: str, timeout_s: float | None = None) -> RunResult:
        """Wait for the run's end and return it, whatever it is; a FAILED run is a result, no exception.

        Args:
            run_id: the run.
            timeout_s: seconds to wait; None waits as long as the run lives.

        Raises:
            NotFound: as :meth:`follow`; DeadlineExceeded: ``timeout_s`` has passed; the run goes on.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._terminal(await self.get(run_id))
        except DeadlineExceeded:
            raise
        except TimeoutError as error:
            raise DeadlineExceeded(f"run {run_id} has not ended in time ({timeout_s:g} s)") from error

    async def _terminal(self, record: RunRecord) -> RunResult:
        # From the entry before the last known one: if the run has ended already, that last one is its terminal state.
        after = max(record.as_of_seq - 1, 0)
        async with aclosing(self.follow(record.id, after=after, epoch=record.epoch)) as items:
            async for item in items:
                if isinstance(item, State) and item.status.is_terminal:
                    return result_of(item)
        raise ProtocolViolation(f"run {record.id} was closed as ended, without a terminal state (S5)")

    # ---------------------------------------------------------------- seeing and using a run's browser

    @asynccontextmanager
    async def view(self, run_id: str, *, name: str | None = None) -> AsyncIterator[LiveView]:
        """Look at the browser of a run: iterate over what the block gets for pictures, until the run ends.

        Args:
            run_id: the run; one that has no page yet is waited for.
            name: what others who look are told of you, should you take control; default the user.

        Raises:
            NotFound: absent, or somebody else's; Conflict: it has ended; ConnectionFailed: not connected, or cut.
        """
        async with self._sockets.conversation() as socket:
            view = LiveView(socket, self._timing.request_timeout_s)
            try:
                yield await view.open(checked_run_id(run_id), name)
            finally:
                await view.close()

    # ---------------------------------------------------------------- the server

    async def agents(self) -> list[Agent]:
        """Return the agents of this server, also those that cannot be started just now."""
        return [read_agent(row) for row in Fields(await self._http.get("/v1/agents"), "agents").rows("data")]

    async def queue(self) -> QueueStatus:
        """Return the queue: limits, counts of all users, what is paused, and the places of your own runs."""
        return read_queue(await self._http.get("/v1/queue"))

    @property
    def operator(self) -> Operator:
        """What operators do to the queue."""
        return Operator(self._http)

    async def status(self) -> dict[str, Any]:
        """Return what the server does right now: queue, runs of all users, sockets, writer, process and browsers.

        For an admin's token; fields are added as the server grows. Raises ScopeMissing.
        """
        return _object(await self._http.get("/v1/status"), "status")

    async def browsers(self) -> dict[str, Any]:
        """Return the server's browsers: launches, reuse, errors, closes, memory. As :meth:`status`."""
        return _object(await self._http.get("/v1/browsers"), "browsers")

    async def usage(self) -> Usage:
        """Return what your ended runs have used in this period, and what they may."""
        return read_usage(await self._http.get("/v1/usage"))

    async def health(self) -> Health:
        """Return whether the server lives and is ready; needs no token. Raises ConnectionFailed if nobody answers."""
        live, ready = await self._http.probe("/healthz"), await self._http.probe("/readyz")
        return Health(live.status == 200, ready.status == 200, _report(ready))


def _path(run_id: str) -> str:
    return f"/v1/runs/{checked_run_id(run_id)}"


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolViolation(f"{what}: an object was expected")
    return value


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _report(reply: Reply) -> dict[str, Any]:
    """The body of a health reply, if it is an object: plain text is allowed there."""
    try:
        value = parse_json(reply.body, "readyz")
    except ProtocolViolation:
        return {"text": reply.body[:1024].decode("utf-8", "replace")}
    return value if isinstance(value, dict) else {"value": value}
