"""The part of a context that deals with people and with memory: ask, approve, inbox, step. Floor 5; the run's own
thread.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from runwire.contracts.agent import Approval
from runwire.engine.attempt_inbox import BlockingInbox, LiveInbox
from runwire.engine.questions import KEY_LENGTH, Questions, approval_of
from runwire.errors import InvalidInput, LimitExceeded
from runwire.protocol.codec import EVENT_BYTES, decode_body, encode_value


class LiveDialogue(ABC):
    """For an agent on the runner's loop."""

    _questions: Questions

    @abstractmethod
    async def close_message(self) -> None:
        """End a message that the agent left open."""

    @cached_property
    def inbox(self) -> LiveInbox:
        """What people say into the live run."""
        return LiveInbox(self._questions.messages(), self.close_message)

    async def recall(self, key: str) -> bytes | None:
        """Return a step's stored result, encoded; for a run in a process of its own."""
        return await self._questions.recall(_checked_key(key))

    async def remember(self, key: str, result: bytes) -> None:
        """Store a step's result; for a run in a process of its own. Raises LimitExceeded."""
        await self._questions.remember(_checked_key(key), _bounded(key, result))

    async def step(self, key: str, function: Callable[[], Any]) -> Any:
        """Return ``function()`` or what an earlier attempt has stored of it; see the contract."""
        stored = await self._questions.recall(_checked_key(key))
        if stored is None:
            result = function()
            if inspect.isawaitable(result):
                result = await result
            stored = _encoded(key, result)
            await self._questions.remember(key, stored)
        return decode_body(stored)

    async def ask(
        self,
        question: str,
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Any:
        """Ask a person and return the answer; see the contract."""
        return await self._questions.ask(question, schema, timeout_s, key)

    async def approve(
        self,
        tool_call: Mapping[str, Any],
        *,
        message: str | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Approval:
        """Ask whether a tool may be called; see the contract."""
        return approval_of(await self._questions.approve(tool_call, message, timeout_s, key))


class BlockingDialogue(ABC):
    """For a plain function: blocks the run's own thread, and nobody else."""

    _questions: Questions

    @abstractmethod
    def close_message(self) -> None:
        """End a message that the agent left open."""

    @cached_property
    def inbox(self) -> BlockingInbox:
        """What people say into the live run."""
        return BlockingInbox(self._questions.messages_blocking(), self.close_message)

    def step(self, key: str, function: Callable[[], Any]) -> Any:
        """Return ``function()`` or what an earlier attempt has stored of it; see the contract."""
        stored = self._questions.recall_blocking(_checked_key(key))
        if stored is None:
            stored = _encoded(key, function())
            self._questions.remember_blocking(key, stored)
        return decode_body(stored)

    def ask(
        self,
        question: str,
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Any:
        """Ask a person and return the answer; see the contract."""
        return self._questions.ask_blocking(question, schema, timeout_s, key)

    def approve(
        self,
        tool_call: Mapping[str, Any],
        *,
        message: str | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Approval:
        """Ask whether a tool may be called; see the contract."""
        return approval_of(self._questions.approve_blocking(tool_call, message, timeout_s, key))


def _checked_key(key: str) -> str:
    if not 0 < len(key) <= KEY_LENGTH:
        raise InvalidInput(f"key: a text of 1 to {KEY_LENGTH} characters")
    return key


def _encoded(key: str, result: Any) -> bytes:
    return _bounded(key, encode_value(result))


def _bounded(key: str, encoded: bytes) -> bytes:
    if len(encoded) > EVENT_BYTES:
        message = f"the result of the step {key!r} has {len(encoded)} bytes, the limit is {EVENT_BYTES}"
        raise LimitExceeded(message, limit="step_bytes")
    return encoded
