"""Agents that ask people, listen to them, and remember steps."""

from __future__ import annotations

import asyncio
from typing import Any

from runwire.contracts.agent import InputExpired, InputWithdrawn, RunContext, SyncRunContext
from tests.support.gates import gate_named


async def asks(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Ask what the input says and return the answer."""
    answer = await ctx.ask("What now?", **input)
    return {"answer": answer, "attempt": ctx.attempt}


async def asks_releasing(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """The same, giving its slot back meanwhile."""
    return await asks(ctx, input)


asks_releasing.release_while_waiting = True  # type: ignore[attr-defined]  # declared on the function, as users do


async def asks_recoverable(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """The same, and may be called again; asks a second time after the first answer."""
    first = await ctx.ask("First?", **input)
    second = await ctx.ask("Second?", **input)
    return {"answers": [first, second], "attempt": ctx.attempt}


asks_recoverable.recoverable = True  # type: ignore[attr-defined]


def asks_plainly(ctx: SyncRunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Ask from a plain function."""
    return {"answer": ctx.ask("What now?", **input)}


async def asks_patiently(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Ask, and live with no answer."""
    try:
        return {"answer": await ctx.ask("Anybody?", **input)}
    except InputExpired as error:
        return {"expired": error.code}


async def asks_side_by_side(ctx: RunContext, input: int) -> list[Any]:
    """Ask so many questions at once."""
    return await asyncio.gather(*(ctx.ask(f"Number {number}?", key=f"q{number}") for number in range(input)))


async def asks_briefly(ctx: RunContext, _input: Any) -> dict[str, Any]:
    """Stop waiting by itself, then ask something else; the first question is withdrawn for good."""
    try:
        async with asyncio.timeout(0.1):
            await ctx.ask("Quick?", key="quick")
    except TimeoutError:
        pass
    try:
        await ctx.ask("Quick?", key="quick")
    except InputWithdrawn:
        return {"answer": await ctx.ask("Then?")}
    return {}


async def asks_and_leaves(ctx: RunContext, _input: Any) -> str:
    """Return while a task of its own still waits for an answer."""
    asking = asyncio.create_task(ctx.ask("Anybody?"))
    await asyncio.sleep(0.1)
    assert not asking.done()
    return "left"


async def asks_then_sleeps(ctx: RunContext, input: dict[str, Any]) -> None:
    """Work, ask, and work again: what is left of the time limit counts."""
    await asyncio.sleep(input["before_s"])
    await ctx.ask("Go on?")
    await asyncio.sleep(input["after_s"])


async def approves(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Ask whether a tool may be called."""
    decision = await ctx.approve(input)
    return {
        "approved": decision.approved,
        "edited_arguments": decision.edited_arguments,
        "comment": decision.comment,
    }


async def listens(ctx: RunContext, input: int) -> list[Any]:
    """Take so many messages, saying which between them."""
    heard: list[Any] = []
    await ctx.text("listening")
    async for message in ctx.inbox:
        heard.append([message.content, message.sender])
        await ctx.text(f"heard {len(heard)}")
        if len(heard) == input:
            break
    return heard


listens.listens = True  # type: ignore[attr-defined]


async def chats(ctx: RunContext, input: str) -> str:
    """Say what it was started with, then repeat every message until one says ``bye``."""
    await ctx.text(f"You began with: {input}. ")
    async for message in ctx.inbox:
        await ctx.text(f"You said: {message.content}. ")
        if message.content == "bye":
            break
    return input


chats.listens = True  # type: ignore[attr-defined]


def listens_plainly(ctx: SyncRunContext, input: dict[str, Any]) -> list[Any]:
    """Take messages in a plain function until none has come for a while."""
    heard: list[Any] = []
    while (message := ctx.inbox.receive(input["patience_s"])) is not None:
        heard.append(message.content)
    return heard


async def polls(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Open the inbox, wait for the gate, then take what is there without waiting."""
    heard: list[Any] = []
    assert await ctx.inbox.poll() is None
    await ctx.emit({"type": "CUSTOM", "name": "open", "value": None})
    await gate_named(input["gate"]).passing()
    while len(heard) < input.get("most", 10) and (message := await ctx.inbox.poll()) is not None:
        heard.append(message.content)
    return {"heard": heard}


async def opens_late(ctx: RunContext, input: dict[str, Any]) -> dict[str, Any]:
    """Wait for the gate and only then look into the inbox."""
    await gate_named(input["gate"]).passing()
    message = await ctx.inbox.poll()
    return {"heard": None if message is None else message.content}


async def hears_again(ctx: RunContext, _input: Any) -> dict[str, Any]:
    """Take two messages in two attempts: what the first has heard, the second hears again."""
    heard: list[Any] = []
    while len(heard) < 2:
        message = await ctx.inbox.receive()
        assert message is not None
        heard.append(message.content)
    return {"heard": heard, "attempt": ctx.attempt}


hears_again.recoverable = True  # type: ignore[attr-defined]


async def remembers(ctx: RunContext, _input: Any) -> dict[str, Any]:
    """Take two steps, an asynchronous and a plain one, then ask."""
    called: list[str] = []

    async def first() -> dict[str, int]:
        called.append("first")
        return {"attempt": ctx.attempt}

    def second() -> None:
        called.append("second")

    results = [await ctx.step("first", first), await ctx.step("second", second)]
    await ctx.ask("Go on?")
    return {"results": results, "called": called, "attempt": ctx.attempt}


remembers.recoverable = True  # type: ignore[attr-defined]


def remembers_plainly(ctx: SyncRunContext, input: Any) -> list[Any]:
    """Take the same step twice in a plain function, and one that fails first."""
    numbers = iter((1, 2))
    results = [ctx.step("one", lambda: next(numbers)), ctx.step("one", lambda: next(numbers))]

    def fails() -> None:
        raise ValueError("not yet")

    try:
        ctx.step("two", fails)
    except ValueError:
        results.append(ctx.step("two", lambda: input))
    return results


_AGENTS = (
    asks,
    asks_releasing,
    asks_recoverable,
    asks_plainly,
    asks_patiently,
    asks_side_by_side,
    asks_briefly,
    asks_and_leaves,
    asks_then_sleeps,
    approves,
    listens,
    chats,
    listens_plainly,
    polls,
    opens_late,
    hears_again,
    remembers,
    remembers_plainly,
)
PATHS = tuple(f"{__name__}:{agent.__name__}" for agent in _AGENTS)
