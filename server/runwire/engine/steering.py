"""Carries people's messages into live runs. Floor 5; the server's loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runwire.agents.registry import AgentRegistry
from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.steering import MessageStore, NewMessage
from runwire.engine.doorbells import Doorbells
from runwire.engine.questions import ENVELOPE_BYTES
from runwire.errors import InvalidInput, TooLarge
from runwire.ids import new_id
from runwire.protocol.codec import EVENT_BYTES, encode_value


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message."""

    message_id: str
    run_id: str
    delivered: bool

    @property
    def status(self) -> str:
        """The word of the protocol."""
        return "delivered" if self.delivered else "queued_for_next_turn"


class Steering:
    """Stores messages and wakes the runs that they are for."""

    def __init__(self, store: MessageStore, bells: Doorbells, registry: AgentRegistry) -> None:
        self._store = store
        self._bells = bells
        self._registry = registry

    async def send(self, run: OwnedRun, content: Any, user: User, message_id: str | None = None) -> Sent:
        """Send ``content`` into ``run``; the same for every door. ``message_id`` makes a repetition harmless.

        Raises:
            InvalidInput: the content is empty. TooLarge: it would not fit into an event.
            RunEnded, Conflict, OverCapacity: see ``MessageStore.send``.
        """
        message = NewMessage(message_id or new_id(), checked_content(content), user.id)
        listens = self.listens(run.run_id, run.record.agent)
        delivered = await self._store.send(run, message, listens=listens)
        if delivered:
            self._bells.ring(run.run_id)
        return Sent(message.id, run.run_id, delivered)

    def listens(self, run_id: str, agent: str) -> bool:
        """Return whether the run takes messages: its agent says so, or it has opened its inbox here."""
        spec = self._registry.find(agent)
        return (spec is not None and spec.listens) or self._bells.listens(run_id)


def checked_content(content: Any) -> bytes:
    """Return a message's content, encoded. Raises InvalidInput, TooLarge."""
    if content is None or content == "":
        raise InvalidInput("message: a text, or another JSON value but null")
    encoded = encode_value(content)
    limit = EVENT_BYTES - ENVELOPE_BYTES
    if len(encoded) > limit:
        raise TooLarge(f"a message has at most {limit} bytes, this one {len(encoded)}", limit_bytes=limit)
    return encoded
