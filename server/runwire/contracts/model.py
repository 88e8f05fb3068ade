"""The seam to chat models. Floor 3: values in, values out; who answers, and over what, stays behind it.

What a model says is data, as hostile as a page: whoever asks checks the answer before anything is done with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that the model may call; ``parameters`` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model wrote it: ``arguments`` is JSON text, or what the model takes for it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. ``images`` are PNGs; ``call_id`` is the call that a ``tool`` message answers."""

    role: Role
    text: str = ""
    images: tuple[bytes, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a model is asked. ``must_call``: the answer has to be a call of one of the tools."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    must_call: bool = False


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What answers took; money in millionths of a dollar, 0 where the settings name no price."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0

    def __add__(self, other: ModelUsage) -> ModelUsage:
        """Return the sum."""
        return ModelUsage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_micros + other.cost_micros,
        )


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the model said: text, calls of tools, or both. ``model`` is who answered; ``cut_off``: in the middle of a
    call, which nobody may carry out, but which was paid for.
    """

    text: str
    calls: Sequence[ToolCall] = ()
    usage: ModelUsage = field(default_factory=ModelUsage)
    model: str = ""
    cut_off: bool = False


class ChatModel(Protocol):
    """A model that answers a conversation. Safe from any thread and loop; nothing is kept between calls."""

    def unavailable_reason(self) -> str | None:
        """Return why no model can be asked here, with what mends it, or None."""

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Return the answer to a conversation. Cancelling closes the connection and passes the cancellation on.

        Raises:
            ModelUnavailable: no model is configured.
            ModelRefused: it does not take the request (a wrong key, an unknown name, a conversation too long).
            ModelTimeout: no answer in time, repeats included. ModelFailed: out of reach, or busy, for too long.
            ModelNonsense: what came back is no answer.
            LimitExceeded: the run may use no more tokens or money.
        """


NOT_CONFIGURED = (
    "no model is configured; set model_url and model_name, for example: "
    "RUNWIRE_MODEL_URL=http://127.0.0.1:11434/v1 RUNWIRE_MODEL_NAME=NAME runwire serve"
)
"""What mends it, wherever a model is missing."""
