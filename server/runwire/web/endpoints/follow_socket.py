"""``GET /ws/runs/{run_id}``: one run on one socket, which closes itself at the end (protocol, section 3). Floor 6."""

from __future__ import annotations

from msgspec import UNSET
from starlette.websockets import WebSocket

from runwire.contracts.actors import OwnedRun
from runwire.errors import BadCommand, InvalidInput, NotAuthenticated, RunwireError
from runwire.protocol.commands import Ping, parse_command, parse_cursor
from runwire.protocol.frames import Pong, Reply
from runwire.web.connection import SocketClosed, SocketConnection, check_subprotocol, guarded, refused
from runwire.web.error_map import error_object
from runwire.web.follow import FollowOptions, RunFollow
from runwire.web.services import Services, get_services, make_connection

MOST_BAD_MESSAGES = 10
"""Messages that cannot be understood before the socket is closed 4501."""


async def follow_socket(websocket: WebSocket) -> None:
    """Follow one run."""
    services = get_services(websocket)
    connection = make_connection(websocket, services)
    run_id = websocket.path_params["run_id"]
    try:
        options, to_the_end = parse_options(websocket)
        run: OwnedRun | None = None
        if connection.authenticated_early:
            run = await services.store.get(run_id, await connection.user_from_headers())
    except RunwireError as error:
        await refused(connection, error)
        return
    try:
        await connection.accept()
    except SocketClosed:
        return
    endpoint = _FollowEndpoint(connection, services, options, to_the_end=to_the_end)
    await guarded(connection, endpoint.run(run_id, run))


def parse_options(websocket: WebSocket) -> tuple[FollowOptions, bool]:
    """Return how to follow, and whether to the end. Raises BadCommand (HTTP 400) that names the parameter."""
    query = websocket.query_params
    check_subprotocol(websocket)
    try:
        after = parse_cursor(query["after"]) if "after" in query else None
    except InvalidInput as error:
        raise BadCommand(error.message) from error
    flags = {}
    for name in ("follow", "batch"):
        value = query.get(name, "0")
        if value not in ("0", "1"):
            raise BadCommand(f"{name}: 0 or 1, got {value[:20]!r}")
        flags[name] = value == "1"
    return FollowOptions(after, query.get("epoch"), flags["batch"]), flags["follow"]


class _FollowEndpoint:
    """The life of one follow socket after 101."""

    def __init__(
        self, connection: SocketConnection, services: Services, options: FollowOptions, *, to_the_end: bool
    ) -> None:
        self._connection = connection
        self._services = services
        self._options = options
        self._to_the_end = to_the_end

    async def run(self, run_id: str, run: OwnedRun | None) -> None:
        """Authenticate if need be, follow, and receive until the socket is closed."""
        connection, services = self._connection, self._services
        if run is None:
            run = await services.store.get(run_id, await services.visits.admit(connection))
        settings = services.settings
        follow = RunFollow(
            connection,
            services.bridge,
            services.waiting.places,
            run.run_id,
            connection.close,
            stuck_timeout_s=settings.stuck_timeout_s,
            slow_frame_timeout_s=settings.slow_frame_timeout_s,
        )
        try:
            connection.sink.on_writable = follow.pump
            connection.behind = lambda: follow.behind
            connection.heartbeats = lambda: [follow.heartbeat(services.clock.now_ms())]
            connection.opened(idle_s=None if self._to_the_end else settings.idle_timeout_s)
            follow.begin(run, self._options, settings.heartbeat_s)
            await self._receive()
        finally:
            follow.stop()

    async def _receive(self) -> None:
        bad = 0
        while True:
            try:
                message = await self._connection.receive()
                if not isinstance(parse_command(message), Ping):
                    raise BadCommand(f"this socket takes ping, not {message['op'][:40]}", id=message.get("id"))
                self._connection.send(Pong(id=message.get("id", UNSET)))
            except NotAuthenticated:
                raise
            except InvalidInput as error:
                bad += 1
                if bad >= MOST_BAD_MESSAGES:
                    raise
                self._connection.send(Reply(id=error.details.get("id"), ok=False, error=error_object(error)))
