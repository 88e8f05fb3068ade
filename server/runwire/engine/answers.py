"""Takes people's answers to what runs have asked. Floor 5; the server's loop."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.inbox import InboxStore, InputRequest
from runwire.engine.doorbells import Doorbells
from runwire.engine.questions import ENVELOPE_BYTES
from runwire.errors import TooLarge
from runwire.protocol.codec import EVENT_BYTES, encode_value
from runwire.protocol.json_schema import check_value


class AnswerDesk:
    """Checks answers, stores them, and wakes the run that waits."""

    def __init__(self, store: InboxStore, bells: Doorbells) -> None:
        self._store = store
        self._bells = bells

    async def respond(self, run: OwnedRun, request_id: str, payload: Any, user: User) -> InputRequest:
        """Answer a question of ``run``, as ``user``; the same for every door.

        Raises:
            InvalidInput: the payload does not fit the question's schema; the question stays open.
            TooLarge: it would not fit into an event.
            NotFound, AlreadyAnswered, RequestClosed: see ``InboxStore.answer``.
        """
        encoded = encode_value(payload)
        limit = EVENT_BYTES - ENVELOPE_BYTES
        if len(encoded) > limit:
            raise TooLarge(f"an answer has at most {limit} bytes, this one {len(encoded)}", limit_bytes=limit)
        request = await self._store.request(run, request_id)
        schema = msgspec.json.decode(request.interrupt).get("responseSchema")
        if schema is not None and request.status.value == "open":
            await asyncio.to_thread(check_value, payload, schema, "the answer")
        answered = await self._store.answer(run, request_id, encoded, user.id)
        self._bells.ring(run.run_id)
        return answered

    async def requests(self, run: OwnedRun) -> list[InputRequest]:
        """Return what the run has asked, oldest first."""
        return list(await self._store.requests(run))
