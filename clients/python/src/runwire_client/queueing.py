"""The queue of a server: what everybody may see of it, and what operators do to it. One event loop.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from runwire_client.errors import InvalidInput
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """One of your waiting runs; ``position`` counts from 1 over all that wait.

    ``eta_s``: seconds until it starts, where the server has measured it; ``blocked``: why it waits although its turn
    may have come.
    """

    run_id: str
    position: int
    eta_s: float | None = None
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """What an operator has paused: one agent, or with None everything. ``by`` is told to operators alone."""

    agent: str | None
    since_ms: int
    by: str | None


@dataclass(frozen=True, slots=True)
class AgentLoad:
    """An agent that has runs in the queue or in work, of which ``max_running`` may be executed at once."""

    agent: str
    queued: int
    running: int
    max_running: int
    blocked: str | None


@dataclass(frozen=True, slots=True)
class UserLoad:
    """How many runs one user has in the queue and in work."""

    user: str
    queued: int
    running: int


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The queue: ``limits`` by name, how many runs of all users are in each live state, and your own that wait.

    ``users``, those with most runs, are told to operators alone.
    """

    limits: Mapping[str, Any]
    queued: int
    running: int
    waiting: int
    own: tuple[QueuePlace, ...]
    paused: tuple[Pause, ...] = ()
    agents: tuple[AgentLoad, ...] = ()
    users: tuple[UserLoad, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelledRuns:
    """What cancelling a user did: runs that waited and have ended, runs that were asked to stop."""

    ended: int
    stopping: int


class Operator:
    """What operators do to the queue; ``AsyncRunwire.operator``. All raise ScopeMissing without an admin's token."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def pause(self, agent: str | None = None) -> None:
        """Let no more runs of ``agent`` start, or none at all; those that are executed go on. It outlives a restart.

        Raises:
            InvalidInput: no such agent.
        """
        await self._http.call("POST", "/v1/queue/pause", body={"agent": agent})

    async def resume(self, agent: str | None = None) -> bool:
        """Take such a pause back; return whether there was one."""
        return Fields(await self._http.call("POST", "/v1/queue/resume", body={"agent": agent}), "resume").flag(
            "was_paused"
        )

    async def cancel_user(self, user: str) -> CancelledRuns:
        """Ask all runs of a user to stop that exist now; those that wait end at once.

        Raises:
            NotFound: nobody of that name has a token or a run; InvalidInput: an empty name.
        """
        if not user:
            raise InvalidInput("the user's name is empty")
        path = f"/v1/users/{quote(user, safe='')}/cancel"
        fields = Fields(await self._http.call("POST", path, body={}), "cancel")
        return CancelledRuns(fields.whole("cancelled"), fields.whole("stopping"))


def read_queue(value: object) -> QueueStatus:
    """Return the queue. Raises ProtocolViolation."""
    fields = Fields(value, "queue")
    return QueueStatus(
        limits=fields.object("limits").values,
        queued=fields.whole("queued"),
        running=fields.whole("running"),
        waiting=fields.whole("waiting"),
        own=tuple(_read_place(row) for row in fields.rows("data")),
        paused=tuple(_read_pause(row) for row in fields.rows_or_empty("paused")),
        agents=tuple(_read_agent(row) for row in fields.rows_or_empty("agents")),
        users=tuple(_read_user(row) for row in fields.rows_or_empty("users")),
    )


def _read_place(value: object) -> QueuePlace:
    fields = Fields(value, "queue.data")
    return QueuePlace(
        run_id=fields.text("run_id"),
        position=fields.whole("position", least=1),
        eta_s=fields.seconds_or_none("eta_s"),
        blocked=fields.text_or_none("blocked"),
    )


def _read_pause(value: object) -> Pause:
    fields = Fields(value, "queue.paused")
    return Pause(fields.text_or_none("agent"), fields.whole("since_ms"), fields.text_or_none("by"))


def _read_agent(value: object) -> AgentLoad:
    fields = Fields(value, "queue.agents")
    return AgentLoad(
        agent=fields.text("agent"),
        queued=fields.whole("queued"),
        running=fields.whole("running"),
        max_running=fields.whole("max_running"),
        blocked=fields.text_or_none("blocked"),
    )


def _read_user(value: object) -> UserLoad:
    fields = Fields(value, "queue.users")
    return UserLoad(fields.text("user"), fields.whole("queued"), fields.whole("running"))
