"""``GET /ws``: one socket for many commands and many followed runs (protocol, section 4). Floor 6.

Two parts: the endpoint's task only receives; commands are carried out in order by a task that lives while some wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog
from msgspec import UNSET
from starlette.websockets import WebSocket

from runwire.contracts.actors import OwnedRun, Reader, User, Visitor
from runwire.contracts.run_store import Created
from runwire.errors import BadCommand, Conflict, ProtocolViolation, RunwireError, ScopeMissing
from runwire.ids import new_id
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.commands import (
    Authenticate,
    CloseView,
    FollowRun,
    OneRun,
    OneThread,
    OpenView,
    Ping,
    Respond,
    RetryRun,
    SendMessage,
    StartRun,
    ViewControl,
    ViewInput,
    WholeQueue,
    parse_command,
)
from runwire.protocol.frames import End, ErrorObject, Frame, Heartbeat, Hello, Limits, Pong, Reply
from runwire.web.connection import SocketClosed, SocketConnection, check_subprotocol, guarded, refused
from runwire.web.endpoints.people import answer_view, sent_view
from runwire.web.error_map import error_object, internal_problem
from runwire.web.follow import FollowOptions, RunFollow
from runwire.web.live_view import SocketViews
from runwire.web.services import Services, get_services, make_connection
from runwire.web.topics import Topics

log = structlog.get_logger(__name__)

VISITOR_NAME = "visitor"
"""What the first frame calls whoever came with a share link."""

VISITOR_OPS = frozenset({"auth", "ping", "run.follow", "run.unfollow"})
"""All that a visitor may ask of a socket."""

LAST_COMMANDS_S = 5.0
"""How long the commands that a client sent before it left may take; as many wait as its pace allows."""


async def command_socket(websocket: WebSocket) -> None:
    """Carry out a client's commands and follow its runs."""
    services = get_services(websocket)
    connection = make_connection(websocket, services)
    user: Reader | None = None
    try:
        check_subprotocol(websocket)
        if connection.authenticated_early:
            user = await connection.user_from_headers()
    except RunwireError as error:
        await refused(connection, error)
        return
    try:
        await connection.accept()
    except SocketClosed:
        return
    await guarded(connection, _serve(connection, services, user))


async def _serve(connection: SocketConnection, services: Services, reader: Reader | None) -> None:
    if reader is None:
        reader = await services.visits.admit(connection)
    if services.connections.draining:
        connection.close(CloseCode.OVER_CAPACITY)  # no new work is taken; a run can still be followed on its own socket
        raise SocketClosed
    await CommandEndpoint(connection, services, reader).run()


class CommandEndpoint:
    """The life of one command socket after authentication."""

    __slots__ = (
        "_commands",
        "_connection",
        "_follows",
        "_reader",
        "_services",
        "_settings",
        "_topics",
        "_views",
        "_worker",
    )

    def __init__(self, connection: SocketConnection, services: Services, reader: Reader) -> None:
        self._connection = connection
        self._services = services
        self._reader = reader
        self._settings = services.settings
        self._follows: dict[str, RunFollow] = {}
        self._topics: Topics | None = None
        self._commands: list[dict[str, Any]] = []
        self._worker: asyncio.Task[None] | None = None
        self._views: SocketViews | None = None

    @property
    def _user(self) -> User:
        """Whose commands these are: a visitor's never come so far (:meth:`_operate`)."""
        assert isinstance(self._reader, User), "only a user's commands need one"
        return self._reader

    async def run(self) -> None:
        """Say hello and receive until the socket is closed.

        At most a burst of commands waits. The pace alone is no bound: with the storage away each takes half a minute.
        """
        connection, settings = self._connection, self._settings
        connection.heartbeats = self._heartbeats
        connection.behind = self._behind
        connection.sink.on_writable = self._pump
        connection.opened(idle_s=settings.command_idle_timeout_s)
        limits = Limits(
            message_bytes=settings.message_bytes,
            messages_per_s=settings.messages_per_s,
            message_burst=settings.message_burst,
            follows=settings.follows_per_socket,
        )
        name = VISITOR_NAME if isinstance(self._reader, Visitor) else self._reader.id
        connection.send(Hello(user=name, heartbeat_s=settings.heartbeat_s, limits=limits))
        try:
            while True:
                try:
                    message = await connection.receive()
                except BadCommand as error:
                    connection.send(Reply(id=error.details.get("id"), ok=False, error=error_object(error)))
                    continue
                if len(self._commands) >= settings.message_burst:
                    raise ProtocolViolation("too many commands wait", close_code=CloseCode.TOO_FAST)
                self._commands.append(message)
                if self._worker is None:
                    self._worker = asyncio.get_running_loop().create_task(self._work())
        finally:
            if (worker := self._worker) is not None:  # a client may send its last command and leave: it is done still
                await asyncio.wait((worker,), timeout=LAST_COMMANDS_S)
                worker.cancel()
            for follow in tuple(self._follows.values()):
                follow.stop()
            if self._topics is not None:
                self._topics.stop()
            if self._views is not None:
                self._views.close_all()

    def _heartbeats(self) -> list[Frame]:
        """One for each followed run, so that a client sees a silent gap in any of them; a bare one if there is none."""
        now_ms = self._services.clock.now_ms()
        return [follow.heartbeat(now_ms) for follow in self._follows.values()] or [Heartbeat(ts_ms=now_ms)]

    def _behind(self) -> bool:
        return any(follow.behind for follow in self._follows.values())

    def _pump(self) -> None:
        for follow in tuple(self._follows.values()):
            follow.pump()
        if self._topics is not None:
            self._topics.pump()
        if self._views is not None:
            self._views.pump()

    async def _work(self) -> None:
        """Carry out what waits, in order."""
        try:
            while self._commands:
                await self._carry_out(self._commands.pop(0))
        finally:
            self._worker = None

    async def _carry_out(self, message: dict[str, Any]) -> None:
        command_id = message.get("id")
        try:
            await self._operate(message, command_id)
        except RunwireError as error:
            self._connection.send(Reply(id=command_id, ok=False, error=error_object(error)))
        except Exception as error:  # the edge of one command: the client is told, the socket goes on
            incident, _ = internal_problem(error, **self._connection.facts)
            told = ErrorObject(code="internal_error", message=f"incident {incident}", retryable=False, details={})
            self._connection.send(Reply(id=command_id, ok=False, error=told))

    async def _operate(self, message: dict[str, Any], command_id: Any) -> None:
        if isinstance(self._reader, Visitor) and message["op"] not in VISITOR_OPS:
            raise ScopeMissing("this link lets you look, and nothing else")
        command = parse_command(message)
        match command:
            case StartRun():
                await self._start(command, command_id)
            case RetryRun():
                await self._retry(command, command_id)
            case FollowRun():
                await self._follow(command, command_id)
            case OneRun() if message["op"] == "run.cancel":
                await self._cancel(command, command_id)
            case SendMessage():
                await self._send(command, command_id)
            case Respond():
                await self._respond(command, command_id)
            case OneRun():
                self._unfollow(command, command_id)
            case WholeQueue() | OneThread():
                await self._follow_topic(message["op"], command, command_id)
            case OpenView() | CloseView() | ViewControl() | ViewInput():
                await self._view(command, command_id)
            case Ping():
                self._connection.send(Pong(id=UNSET if command_id is None else command_id))
            case Authenticate():
                raise Conflict("this socket is authenticated already")
            case _:
                raise BadCommand(f"{message['op']} is not served here")

    async def _start(self, command: StartRun, command_id: Any) -> None:
        """Store the run, reply, follow it. The follower is attached before the run exists, and needs no look
        into the past.
        """
        run_id, headers = command.run_id or new_id(), self._connection.carried
        start = partial(self._services.start_run, command, self._user, run_id, headers)
        await self._store_and_follow(run_id, command_id, start)

    async def _retry(self, command: RetryRun, command_id: Any) -> None:
        run_id, headers = command.new_run_id or new_id(), self._connection.carried
        retry = partial(self._services.retry_run, command, self._user, run_id, headers)
        await self._store_and_follow(run_id, command_id, retry)

    async def _store_and_follow(self, run_id: str, command_id: Any, store: Callable[[], Awaitable[Created]]) -> None:
        self._check_room(run_id)
        follow = self._attach(run_id)
        try:
            created = await store()
        except BaseException:
            follow.stop()
            raise
        if created.run.run_id != run_id:  # the start became a message: this is the run that it went to
            follow.stop()
            self._drop(created.run.run_id)
            follow = self._attach(created.run.run_id)
        with self._connection.sink:
            self._reply_run(command_id, created.run, existed=created.existed, steered=created.steered)
            self._begin(follow, created.run, FollowOptions(None, None, batch=True), fresh=not created.existed)

    async def _follow(self, command: FollowRun, command_id: Any) -> None:
        self._check_room(command.run_id)
        run = await self._services.store.get(command.run_id, self._reader)
        self._drop(run.run_id)
        with self._connection.sink:
            self._reply_run(command_id, run, existed=True)
            self._begin(self._attach(run.run_id), run, FollowOptions(command.after, command.epoch, command.batch))

    async def _follow_topic(self, op: str, command: WholeQueue | OneThread, command_id: Any) -> None:
        if self._topics is None:
            self._topics = Topics(self._connection, self._services, self._user)
        topics, begin = self._topics, op.endswith(".follow")
        with topics.held():
            if isinstance(command, OneThread):
                thread_id = command.thread_id
                result = await topics.follow_thread(thread_id) if begin else topics.unfollow_thread(thread_id)
            else:
                result = topics.follow_queue() if begin else topics.unfollow_queue()
            self._connection.send(Reply(id=command_id, ok=True, result=result))
        self._set_idle()

    async def _cancel(self, command: OneRun, command_id: Any) -> None:
        run = await self._services.store.get(command.run_id, self._user)
        status = await self._services.cancel_run(run)
        self._connection.send(
            Reply(id=command_id, ok=True, result={"run_id": run.run_id, "status": status.value, "cancel": "requested"})
        )

    async def _send(self, command: SendMessage, command_id: Any) -> None:
        run = await self._services.store.get(command.run_id, self._user)
        sent = await self._services.steering.send(run, command.message, self._user, command.message_id or None)
        self._connection.send(Reply(id=command_id, ok=True, result=sent_view(sent)))

    async def _respond(self, command: Respond, command_id: Any) -> None:
        run = await self._services.store.get(command.run_id, self._user)
        answered = await self._services.answers.respond(run, command.request_id, command.payload, self._user)
        self._connection.send(Reply(id=command_id, ok=True, result=answer_view(run.run_id, answered)))

    def _unfollow(self, command: OneRun, command_id: Any) -> None:
        followed = self._drop(command.run_id)
        self._connection.send(Reply(id=command_id, ok=True, result={"run_id": command.run_id, "followed": followed}))
        self._set_idle()

    async def _view(self, command: OpenView | CloseView | ViewControl | ViewInput, command_id: Any) -> None:
        if self._views is None:
            self._views = SocketViews(self._connection, self._services, self._user, self._set_idle)
        views = self._views
        if isinstance(command, OpenView):
            facts = await views.open(command)
        elif isinstance(command, ViewControl):
            facts = await views.control(command)
        else:
            facts = views.input(command) if isinstance(command, ViewInput) else views.close(command)
        self._connection.send(Reply(id=command_id, ok=True, result=facts))

    def _reply_run(
        self, command_id: Any, run: OwnedRun, *, existed: bool, steered: Mapping[str, Any] | None = None
    ) -> None:
        record = run.record
        facts: dict[str, Any] = {
            "run_id": record.id,
            "thread_id": record.thread_id,
            "status": record.status.value,
            "epoch": record.epoch,
            "existed": existed,
        }
        if steered is not None:
            facts["steered"] = steered
        self._connection.send(Reply(id=command_id, ok=True, result=facts))

    def _check_room(self, run_id: str | None) -> None:
        if run_id not in self._follows and len(self._follows) >= self._settings.follows_per_socket:
            raise Conflict(
                f"this socket follows {len(self._follows)} runs, its limit; unfollow one or open another socket",
                limit="follows_per_socket",
            )

    def _attach(self, run_id: str) -> RunFollow:
        return RunFollow(
            self._connection,
            self._services.bridge,
            self._services.waiting.places,
            run_id,
            partial(self._ended, run_id),
            stuck_timeout_s=self._settings.stuck_timeout_s,
            slow_frame_timeout_s=self._settings.slow_frame_timeout_s,
        )

    def _begin(self, follow: RunFollow, run: OwnedRun, options: FollowOptions, *, fresh: bool = False) -> None:
        self._drop(run.run_id)
        self._follows[run.run_id] = follow
        self._set_idle()
        follow.begin(run, options, self._settings.heartbeat_s, fresh=fresh)

    def _ended(self, run_id: str, code: CloseCode) -> None:
        self._follows.pop(run_id, None)
        self._connection.send(End(run_id=run_id, code=int(code)))
        self._set_idle()

    def _drop(self, run_id: str) -> bool:
        follow = self._follows.pop(run_id, None)
        if follow is not None:
            follow.stop()
        return follow is not None

    def _set_idle(self) -> None:
        """A socket that follows or views something is never idle; one that does not may be so for a while."""
        busy = bool(self._follows) or bool(self._topics) or bool(self._views)
        self._connection.idle_after(None if busy else self._settings.command_idle_timeout_s)
