"""Every door has a policy, and a door without one does not start (architecture: deny by default)."""

from __future__ import annotations

import pytest

from runwire.auth.policy import Policy
from runwire.errors import StartupIncomplete
from runwire.web.body_limit import BodyBounds
from runwire.web.door_counts import DoorCounts
from runwire.web.routes import DOORS, Door, build_routes

PUBLIC = {
    ("GET", "/"),
    ("GET", "/login"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/shared"),
    ("GET", "/shared/{share_id}"),
    ("POST", "/v1/login"),
    ("POST", "/v1/shared"),
}
"""What anybody may reach, beside the documents of the protocol and the files of the page."""

DOCUMENTS = ("/openapi.json", "/asyncapi.json", "/schema")


def test_nothing_is_public_but_what_must_be() -> None:
    public = {(door.method, door.path) for door in DOORS if door.policy is Policy.PUBLIC}
    assert {(method, path) for method, path in public if not path.startswith(DOCUMENTS)} == PUBLIC


def test_a_door_without_a_policy_does_not_start() -> None:
    door = Door("GET", "/v1/forgotten", DOORS[0].endpoint, None)
    with pytest.raises(StartupIncomplete, match="GET /v1/forgotten declares no policy"):
        build_routes(BodyBounds(1_000, 1.0), None, DoorCounts(), (*DOORS, door))


def test_no_door_changes_anything_by_get() -> None:
    verbs = ("cancel", "respond", "retry", "logout", "tickets")
    assert [door.path for door in DOORS if door.method == "GET" and door.path.endswith(verbs)] == []


def test_every_door_is_there_once() -> None:
    doors = [(door.method, door.path) for door in DOORS]
    assert len(doors) == len(set(doors))
    assert {path for method, path in doors if method == "WS"} == {"/ws", "/ws/runs/{run_id}"}
