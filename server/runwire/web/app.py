"""The Starlette application. Floor 6; made once, at start-up."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from runwire.errors import RunwireError
from runwire.web.body_limit import BodyBounds
from runwire.web.door_counts import DoorCounts
from runwire.web.error_map import on_client_left, on_http_exception, on_runwire_error, on_unforeseen
from runwire.web.routes import build_routes, doors_for, socket_paths
from runwire.web.socket_doors import SocketDoors


def build_app(body: BodyBounds, samples: Path | None, *, metrics_open: bool = False) -> tuple[Starlette, SocketDoors]:
    """Return the application and, in front of it, what the server serves; ``metrics_open`` as in the settings.

    Without its services: start-up puts them into ``app.state`` before the server listens.
    """
    counts = DoorCounts()
    app = Starlette(
        routes=build_routes(body, samples, counts, doors_for(metrics_open=metrics_open)),
        exception_handlers={
            RunwireError: on_runwire_error,
            HTTPException: on_http_exception,
            ClientDisconnect: on_client_left,
            Exception: on_unforeseen,
        },
    )
    app.state.door_counts = counts
    return app, SocketDoors(app, socket_paths())
