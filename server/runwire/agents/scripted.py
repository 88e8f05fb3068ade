"""The test mode: does what its input says, without any model. Floor 4; runs on the run's own thread.

Every step is one object with one key; unknown keys are refused before the run is stored.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from runwire.contracts.agent import AgentFailure, AgentResult, RunContext
from runwire.errors import InvalidInput
from runwire.runs.state import Verdict

MOST_BURST = 1_000_000


class Burst(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``count`` events of ``bytes`` bytes each, one every ``interval_s`` seconds (0: as fast as the log takes them)."""

    count: Annotated[int, Meta(ge=1, le=MOST_BURST)]
    bytes: Annotated[int, Meta(ge=1, le=60_000)] = 100
    interval_s: Annotated[float, Meta(ge=0, le=60)] = 0.0


class TestStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of a pretended test."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    status: Literal["PASSED", "FAILED"]


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to fail: with which ``message``, ``retryable`` or not, and only in the first ``attempts`` attempts."""

    message: str
    retryable: bool = False
    attempts: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question to a person; the answer becomes part of the run's result."""

    question: Annotated[str, Meta(min_length=1, max_length=10_000)]
    schema: dict[str, Any] | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None
    key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class Approve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for approval of a tool call; whoever says no ends the script there."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    arguments: dict[str, Any] = {}
    id: Annotated[str, Meta(min_length=1, max_length=150)] = "call"
    message: str | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None


class Receive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wait for a message of a person, at most ``timeout_s`` seconds; it (or null) becomes part of the result."""

    timeout_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0


class Child(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another run to start, and whether to wait for its result."""

    agent: str
    input: Any = None
    wait: bool = True


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to do; exactly one key is given."""

    text: str | UnsetType = UNSET
    emit: dict[str, Any] | UnsetType = UNSET
    sleep_s: Annotated[float, Meta(ge=0, le=86_400)] | UnsetType = UNSET
    burst: Burst | UnsetType = UNSET
    fail: str | Failure | UnsetType = UNSET
    child: Child | UnsetType = UNSET
    hang: Literal["async", "sync"] | UnsetType = UNSET
    raise_: Literal["BaseException", "SystemExit", "Exception"] | UnsetType = msgspec.field(name="raise", default=UNSET)
    step: TestStep | UnsetType = UNSET
    ask: Ask | UnsetType = UNSET
    approve: Approve | UnsetType = UNSET
    receive: Receive | UnsetType = UNSET


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do, in order."""

    steps: Annotated[list[Step], Meta(max_length=10_000)]


def parse(input: Any) -> Script:
    """Return the input as a script. Raises InvalidInput that names the step."""
    try:
        script = msgspec.convert(input, Script)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"script: {error}") from error
    for index, step in enumerate(script.steps):
        given = [name for name in step.__struct_fields__ if getattr(step, name) is not UNSET]
        if len(given) != 1:
            raise InvalidInput(f"script: step {index + 1} has {len(given)} keys, it needs exactly one")
    return script


async def scripted(ctx: RunContext, input: Any) -> AgentResult:
    """Do what the input's steps say, in order."""
    script = parse(input)
    answers: list[Any] = []
    inbox = ctx.inbox if any(step.receive is not UNSET for step in script.steps) else None
    tests = [step.step for step in script.steps if step.step is not UNSET]
    passed = 0
    for step in script.steps:
        if step.step is not UNSET:
            passed += step.step.status == "PASSED"
            await _report(ctx, step.step, tests.index(step.step) + 1, len(tests))
        elif step.ask is not UNSET:
            answers.append(await _ask(ctx, step.ask))
        elif step.approve is not UNSET:
            answers.append(await _approve(ctx, step.approve))
        elif step.receive is not UNSET and inbox is not None:
            message = await inbox.receive(step.receive.timeout_s)
            answers.append(None if message is None else message.content)
        else:
            await _perform(ctx, step)
    if not tests:
        return AgentResult({"steps": len(script.steps), **({"answers": answers} if answers else {})})
    verdict = Verdict.PASSED if passed == len(tests) else Verdict.FAILED
    return AgentResult({"passed": passed, "total": len(tests)}, verdict=verdict)


async def _perform(ctx: RunContext, step: Step) -> None:
    if step.text is not UNSET:
        await ctx.text(step.text)
    elif step.emit is not UNSET:
        await ctx.emit(step.emit)
    elif step.sleep_s is not UNSET:
        await asyncio.sleep(step.sleep_s)
    elif step.burst is not UNSET:
        await _burst(ctx, step.burst)
    elif step.fail is not UNSET:
        _fail(ctx, step.fail)
    elif step.child is not UNSET:
        child = await ctx.start(step.child.agent, step.child.input)
        if step.child.wait:
            await child.result()
    elif step.hang is not UNSET:
        await _hang(step.hang)
    elif step.raise_ is not UNSET:
        kinds = {"BaseException": BaseException, "SystemExit": SystemExit, "Exception": Exception}
        raise kinds[step.raise_]("as the script says")


def _fail(ctx: RunContext, wish: str | Failure) -> None:
    failure = Failure(wish) if isinstance(wish, str) else wish
    if failure.attempts is UNSET or ctx.attempt <= failure.attempts:
        raise AgentFailure(failure.message, retryable=failure.retryable)


async def _ask(ctx: RunContext, ask: Ask) -> Any:
    return await ctx.ask(ask.question, schema=ask.schema, timeout_s=ask.timeout_s, key=ask.key)


async def _approve(ctx: RunContext, approve: Approve) -> dict[str, Any]:
    call = {"id": approve.id, "name": approve.name, "arguments": approve.arguments}
    decision = await ctx.approve(call, message=approve.message, timeout_s=approve.timeout_s)
    if not decision.approved:
        raise AgentFailure(f"{approve.name} was not approved", code="not_approved")
    return {"approved": True, "arguments": decision.edited_arguments or approve.arguments, "comment": decision.comment}


async def _burst(ctx: RunContext, burst: Burst) -> None:
    event = {"type": "RAW", "event": "x" * burst.bytes}
    next_at = time.monotonic()
    for _ in range(burst.count):
        await ctx.emit(event)
        if burst.interval_s:
            next_at += burst.interval_s
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))


async def _hang(kind: str) -> None:
    if kind == "async":
        await asyncio.Event().wait()
    while True:  # "sync": holds the run's thread and never gives it back
        time.sleep(3600)  # noqa: ASYNC251  # blocking is what this step is for


async def _report(ctx: RunContext, test: TestStep, index: int, total: int) -> None:
    await ctx.emit({"type": "STEP_STARTED", "stepName": test.name})
    facts = {"index": index, "total": total, "text": test.name, "status": test.status}
    await ctx.emit({"type": "STEP_FINISHED", "stepName": test.name, "metadata": {"runwire": facts}})


def _schema() -> dict[str, Any]:
    example = {
        "steps": [{"text": "Hello "}, {"sleep_s": 0.2}, {"text": "world"}, {"step": {"name": "a", "status": "PASSED"}}]
    }
    (schema,), definitions = msgspec.json.schema_components([Script], ref_template="#/$defs/{name}")
    return {**schema, "$defs": definitions, "examples": [example]}


def _validate(input: Any) -> None:
    parse(input)


scripted.input_schema = _schema()  # type: ignore[attr-defined]  # declared on the function, as users do
scripted.validate_input = _validate  # type: ignore[attr-defined]
scripted.recoverable = False  # type: ignore[attr-defined]
