"""The services of the server that an isolated run's worker calls. Floor 5; the runner's loop.

Each is what the run's own context does: for this run and no other, within its limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import structlog

from runwire.contracts.agent import AgentFailure
from runwire.contracts.model import ModelRequest
from runwire.engine.context import LiveRunContext
from runwire.engine.family import FAMILY_SERVICES
from runwire.engine.isolation.messages import Answered, Asked, PipeBroken, told_error
from runwire.engine.isolation.pipe import Pipe
from runwire.errors import InternalError, InvalidInput, RunwireError
from runwire.protocol.readings import Reading, SentenceKey
from runwire.protocol.traversal import Traversal

log = structlog.get_logger(__name__)

MOST_CALLS = 32
"""Calls of services that one run may have under way; as many as its worker threads."""


class WorkerCalls:
    """One run's calls that are under way."""

    def __init__(self, context: LiveRunContext, link: Pipe, on_broken: Callable[[PipeBroken], None]) -> None:
        """``on_broken`` hears that an answer could not be sent, because the worker reads none."""
        self._context = context
        self._link = link
        self._on_broken = on_broken
        self._calls: dict[int, asyncio.Task[None]] = {}

    async def begin(self, asked: Asked) -> None:
        """Begin to answer a call; waits while too many are under way. Raises PipeBroken."""
        while len(self._calls) >= MOST_CALLS:
            await asyncio.wait(self._calls.values(), return_when=asyncio.FIRST_COMPLETED)
        if asked.id in self._calls:
            raise PipeBroken("the run's process has used the number of a call twice; it was killed")
        call = self._calls[asked.id] = asyncio.get_running_loop().create_task(self._serve(asked))
        call.add_done_callback(lambda _done: self._calls.pop(asked.id, None))

    def forget(self, number: int) -> None:
        """Give a call up: nobody waits for its answer any more."""
        if (call := self._calls.get(number)) is not None:
            call.cancel()

    async def close(self) -> None:
        """Give every call up."""
        calls = tuple(self._calls.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _serve(self, asked: Asked) -> None:
        services: dict[str, Callable[..., Awaitable[Any]]] = {
            "flush": self._flush,
            "artifacts.save": self._save_artifact,
            "traversals.save": self._save_traversal,
            "files.find": self._find_file,
            "model.complete": self._complete,
            "sentences.recall": self._recall_sentence,
            "sentences.remember": self._remember_sentence,
            "ask": self._ask,
            "approve": self._approve,
            "inbox.take": self._take_message,
            "inbox.arrival": self._wait_message,
            "steps.recall": self._context.recall,
            "steps.remember": self._context.remember,
            **{name: partial(self._context.family.ask, name) for name in FAMILY_SERVICES},
        }
        value: Any = None
        told = None
        try:
            if asked.service not in services:
                raise InternalError(f"no service {asked.service[:60]!r} for a run in a process of its own")
            value = await services[asked.service](**asked.arguments)
        except (RunwireError, AgentFailure) as error:
            told = told_error(error)
        except (TypeError, msgspec.ValidationError) as error:  # arguments that the contexts would never send
            told = told_error(InvalidInput(f"{asked.service[:60]}: {error}"))
        except Exception:  # the edge of one call: the worker is answered, whatever it was
            log.exception("run.call_failed", run_id=self._context.run_id, service=asked.service[:60])
            told = told_error(InternalError(f"{asked.service[:60]}: the server's log says why"))
        try:
            self._link.send(Answered(asked.id, value, told))
        except PipeBroken as error:
            self._on_broken(error)

    async def _flush(self) -> int:
        return await self._context.flush()

    async def _save_artifact(self, *, kind: str, name: str, mime: str, data: bytes) -> Any:
        return await self._context.artifacts.save(kind=kind, name=name, mime=mime, data=data, announce=False)

    async def _save_traversal(self, *, task: str, traversal: bytes) -> None:
        await self._context.traversal.save(task, msgspec.json.decode(traversal, type=Traversal))

    async def _find_file(self, *, file_id: str) -> Any:
        files = self._context.files
        return await files.info(file_id), str((await files.path(file_id)).resolve())

    async def _complete(self, *, request: bytes) -> Any:
        return await self._context.model.complete(msgspec.json.decode(request, type=ModelRequest))

    async def _recall_sentence(self, *, key: Any) -> Any:
        return await self._context.sentences.recall(msgspec.convert(key, SentenceKey))

    async def _remember_sentence(self, *, key: Any, reading: Any) -> None:
        await self._context.sentences.remember(msgspec.convert(key, SentenceKey), msgspec.convert(reading, Reading))

    async def _ask(self, *, message: str, schema: Any, timeout_s: float | None, key: str | None) -> Any:
        return await self._context.ask(message, schema=schema, timeout_s=timeout_s, key=key)

    async def _approve(self, *, tool_call: Any, message: str | None, timeout_s: float | None, key: str | None) -> Any:
        decided = await self._context.approve(tool_call, message=message, timeout_s=timeout_s, key=key)
        return {"approved": decided.approved, "editedArgs": decided.edited_arguments, "comment": decided.comment}

    async def _take_message(self) -> Any:
        return await self._context.inbox.poll()

    async def _wait_message(self) -> None:
        await self._context.inbox.arrival()
