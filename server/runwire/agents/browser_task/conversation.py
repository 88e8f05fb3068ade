"""What a model and a task have said to each other, and the questions to people about it. Floor 4; the run's own loop.

The model is shown the newest page only; of earlier steps the conversation keeps its calls and what became of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from runwire.contracts.agent import AgentFailure, Approval, InputExpired, RunContext
from runwire.contracts.model import Message, ModelAnswer, ModelRequest, Tool, ToolCall
from runwire.errors import BrowserError, BrowserLost, InvalidInput, ModelNonsense

T = TypeVar("T")

NONSENSE_MOST = 3
"""Answers in a row that cannot be carried out, until the model is given up; a guess."""
MAX_OUTCOME = 600
"""Most characters that the model is told of what became of a step."""
MAX_KEPT = 4_000
"""Most characters of a call's arguments that stay in the conversation."""
DENIED = Approval(approved=False, comment="this run may not ask anybody")


class Conversation:
    """One task's talk with the model: ``opening`` stays on top of it, ``tools`` are what may be called."""

    def __init__(self, ctx: RunContext, opening: tuple[Message, ...], tools: tuple[Tool, ...]) -> None:
        self._ctx = ctx
        self._opening = opening
        self._tools = tools
        self._history: list[Message] = []

    async def choose(self, look: Message, understood: Callable[[ModelAnswer], Awaitable[T]]) -> tuple[T, ModelAnswer]:
        """Show the model the page and return what it chose, as ``understood`` takes it, and its answer. One that cannot
        be understood (InvalidInput, BrowserError) is told so.

        Raises:
            ModelNonsense: :data:`NONSENSE_MOST` answers in a row could not be; BrowserLost, and the model's own errors.
        """
        complaint = ""
        for _ in range(NONSENSE_MOST):
            messages = (*self._opening, *self._history, look)
            answer = await self._ctx.model.complete(ModelRequest(messages, self._tools, must_call=True))
            try:
                return await understood(answer), answer
            except BrowserLost:
                raise
            except (InvalidInput, BrowserError) as error:
                complaint = error.message[:MAX_OUTCOME]
                self.remember(answer, f"not done: {complaint}")
        raise ModelNonsense(
            f"{NONSENSE_MOST} answers of the model in a row could not be carried out; the last: {complaint}"
        )

    def remember(self, answer: ModelAnswer, outcome: str, most: int = MAX_OUTCOME) -> None:
        """Keep what the model chose and what became of it, at most ``most`` characters, for its next choice."""
        if not answer.calls:
            self._history += [Message("assistant", answer.text[:MAX_OUTCOME] or "…"), Message("user", outcome[:most])]
            return
        call = answer.calls[0]
        arguments = call.arguments if len(call.arguments) <= MAX_KEPT else "{}"
        kept = ToolCall(f"call-{len(self._history)}", call.name[:60], arguments)
        self._history += [
            Message("assistant", answer.text[:MAX_OUTCOME], calls=(kept,)),
            Message("tool", outcome[:most], call_id=kept.id),
        ]

    def note(self, text: str) -> None:
        """Tell the model something with the next question."""
        self._history.append(Message("user", text))


class People:
    """The questions of one task to people. ``mode`` is ``ask`` or ``deny``, ``timeout_s`` how long each one waits."""

    def __init__(self, ctx: RunContext, mode: str, timeout_s: float) -> None:
        self._ctx = ctx
        self._mode = mode
        self._timeout_s = timeout_s

    async def decide(
        self, tool: Mapping[str, object], message: str, limit: asyncio.Timeout | None, result: Callable[[], Any]
    ) -> Approval:
        """Return what a person says of a tool call; ``limit``, the task's own, stands still meanwhile.

        Raises AgentFailure, with ``result()`` as far as the task has come, if nobody answers in time.
        """
        if self._mode == "deny":
            return DENIED
        try:
            async with standing_still(limit):
                return await self._ctx.approve(tool, message=message, timeout_s=self._timeout_s)
        except InputExpired as error:
            raise AgentFailure(error.message, code=error.code, result=result()) from error


@asynccontextmanager
async def standing_still(limit: asyncio.Timeout | None) -> AsyncIterator[None]:
    """Let a task's own limit stand still: it counts what the task does, not what people take."""
    loop = asyncio.get_running_loop()
    when = None if limit is None else limit.when()
    if limit is None or when is None:
        yield
        return
    left_s = when - loop.time()
    limit.reschedule(None)
    try:
        yield
    finally:
        limit.reschedule(loop.time() + left_s)
