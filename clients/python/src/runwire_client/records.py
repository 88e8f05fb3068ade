"""What the HTTP API answers, as frozen values, and how they are read. Any thread; pure; knows no HTTP.

Source: the wire protocol, section 6. Times are integer Unix milliseconds. Members that are not named here are ignored,
so that the server may grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runwire_client.decode import decode_failure
from runwire_client.entries import RunFailure, RunStatus, State, Verdict
from runwire_client.fields import Fields


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was accepted; ``epoch`` and ``after=0`` follow it from its first entry.

    ``steered`` is None unless the start became a message into this run: ``delivered`` or ``queued_for_next_turn``.
    """

    run_id: str
    thread_id: str
    status: RunStatus
    epoch: str
    steered: str | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as one read saw it; its log stood at ``as_of_seq`` of ``epoch``."""

    id: str
    agent: str
    thread_id: str
    status: RunStatus
    attempt: int
    as_of_seq: int
    epoch: str
    priority: str
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    result: Any
    verdict: Verdict | None
    error: RunFailure | None
    usage: Mapping[str, Any] | None
    agent_version: str | None = None
    max_attempts: int | None = None
    not_before_ms: int | None = None
    """While it waits for its next attempt: when that may begin."""
    parent_id: str | None = None
    """The run that started it."""
    retry_of: str | None = None
    """The run that it repeats; from behind its entry ``from_seq`` if it is a fork."""
    from_seq: int | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. ``error`` is set if FAILED; ``verdict`` if it was a test that was carried through."""

    status: RunStatus
    result: Any
    verdict: Verdict | None
    error: RunFailure | None
    usage: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent; the schemas are JSON Schema, or None where it declares none. ``available``: it can be started here.
    ``isolation``: its runs are executed on a ``thread`` of the server, or in a ``process`` each.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any] | None
    result_schema: Mapping[str, Any] | None
    available: bool
    unavailable_reason: str | None
    version: str | None = None
    forkable: bool = False
    isolation: str = "thread"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the server answers (``live``) and can take work (``ready``); ``report`` is what it says, unchanged."""

    live: bool
    ready: bool
    report: Mapping[str, Any]


def read_started(value: object) -> Run:
    """Return the run of a start's reply. Raises ProtocolViolation."""
    fields = Fields(value, "run")
    steered = fields.values.get("steered")
    return Run(
        run_id=fields.text("run_id"),
        thread_id=fields.text("thread_id"),
        status=fields.word("status", RunStatus),
        epoch=fields.text("epoch"),
        steered=None if steered is None else Fields(steered, "steered").text("status"),
    )


def read_run(value: object) -> RunRecord:
    """Return a run's record. Raises ProtocolViolation."""
    fields = Fields(value, "run")
    return RunRecord(
        id=fields.text("id"),
        agent=fields.text("agent"),
        thread_id=fields.text("thread_id"),
        status=fields.word("status", RunStatus),
        attempt=fields.whole("attempt"),
        as_of_seq=fields.whole("as_of_seq"),
        epoch=fields.text("epoch"),
        priority=fields.text("priority"),
        created_ms=fields.whole("created_ms"),
        started_ms=fields.whole_or_none("started_ms"),
        ended_ms=fields.whole_or_none("ended_ms"),
        result=fields.values.get("result"),
        verdict=fields.word_or_none("verdict", Verdict),
        error=decode_failure(fields.values.get("error")),
        usage=fields.mapping_or_none("usage"),
        agent_version=fields.text_or_none("agent_version"),
        max_attempts=fields.whole_or_none("max_attempts"),
        not_before_ms=fields.whole_or_none("not_before_ms"),
        parent_id=fields.text_or_none("parent_id"),
        retry_of=fields.text_or_none("retry_of"),
        from_seq=fields.whole_or_none("from_seq"),
    )


def result_of(state: State) -> RunResult:
    """Return how a run ended, from its terminal state."""
    return RunResult(state.status, state.result, state.verdict, state.error, state.usage)


def read_agent(value: object) -> Agent:
    """Return an agent. Raises ProtocolViolation."""
    fields = Fields(value, "agent")
    return Agent(
        name=fields.text("name"),
        description=fields.text_or_none("description") or "",
        input_schema=fields.mapping_or_none("input_schema"),
        result_schema=fields.mapping_or_none("result_schema"),
        available=fields.flag("available"),
        unavailable_reason=fields.text_or_none("unavailable_reason"),
        version=fields.text_or_none("version"),
        forkable=fields.values.get("forkable") is True,
        isolation=fields.text_or_none("isolation") or "thread",
    )
