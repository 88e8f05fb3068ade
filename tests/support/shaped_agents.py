"""Agents that declare what they take and return. Registered by ``agents=shaped_agents.PATHS``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import msgspec
from msgspec import Meta

from runwire.contracts.agent import AgentResult, RunContext, SyncRunContext
from runwire.errors import InvalidInput


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """A struct."""

    item: str
    count: Annotated[int, Meta(ge=1)] = 1


@dataclass
class Basket:
    """A dataclass of structs."""

    orders: list[Order] = field(default_factory=list)


class Receipt(TypedDict):
    """A typed dictionary."""

    total: int


async def takes_struct(_ctx: RunContext, order: Order) -> dict[str, Any]:
    """Get an object, not a dict."""
    return {"kind": type(order).__name__, "item": order.item, "count": order.count}


class TakesDataclass:
    """A class whose run takes one."""

    async def run(self, _ctx: RunContext, basket: Basket) -> Receipt:
        """Count."""
        return {"total": sum(order.count for order in basket.orders)}


def takes_typed_dict(_ctx: SyncRunContext, receipt: Receipt) -> Basket:
    """A plain function between two structures."""
    return Basket([Order("thing", receipt["total"])])


async def yields_shaped(_ctx: RunContext, order: Order) -> AsyncIterator[Any]:
    """A generator that takes one."""
    yield AgentResult({"item": order.item})


async def by_schema(_ctx: RunContext, input: dict[str, Any]) -> Any:
    """Return the field ``give``."""
    return input["give"]


async def by_both(_ctx: RunContext, input: Any) -> Any:
    """A type for the shape and a check for what a shape cannot say."""
    return input.item


def _no_bombs(input: dict[str, Any]) -> None:
    if input["item"] == "bomb":
        raise InvalidInput("we do not sell bombs")


by_schema.input_schema = {  # type: ignore[attr-defined]
    "type": "object",
    "properties": {"give": True, "list": {"type": "array", "items": {"type": "integer", "minimum": 3}}},
    "required": ["give"],
}
by_schema.result_schema = {"type": "object", "required": ["answer"]}  # type: ignore[attr-defined]
by_both.input_schema = Order  # type: ignore[attr-defined]
by_both.validate_input = _no_bombs  # type: ignore[attr-defined]

_AGENTS = (takes_struct, TakesDataclass, takes_typed_dict, yields_shaped, by_schema, by_both)
PATHS = tuple(f"{__name__}:{agent.__name__}" for agent in _AGENTS)
