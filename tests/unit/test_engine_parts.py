"""The small parts of execution: outcomes, stop tokens, quotas, agents' descriptions, presence. No thread, no socket."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from runwire.agents.registry import AgentRegistry, AgentStyle, named_agent, spec_of
from runwire.agents.scripted import parse
from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.agent import AgentFailure, AgentResult
from runwire.contracts.event_log import Published
from runwire.engine.cancellation import StopReason, StopToken
from runwire.engine.outcome import outcome_of_error, outcome_of_result, outcome_of_stop
from runwire.engine.presence import DisconnectWatch
from runwire.errors import BrowserUnavailable, ConfigurationError, InvalidInput, OverCapacity
from runwire.runs.limits import QueueCounts, QueueLimits, admit
from runwire.runs.state import RunStatus, Verdict
from tests.support.clock import ManualLoop

# Outcomes


def test_what_an_agent_returns_is_its_result() -> None:
    outcome = outcome_of_result({"a": [1]})
    assert (outcome.status, outcome.result) == (RunStatus.SUCCEEDED, msgspec.Raw(b'{"a":[1]}'))
    assert outcome_of_result(None).result is None
    full = outcome_of_result(AgentResult(1, Verdict.FAILED, {"tokens": 5}))
    assert (full.status, full.verdict, full.usage) == (RunStatus.SUCCEEDED, Verdict.FAILED, {"tokens": 5})


UNSTORABLE = [
    (math.nan, "agent_error"),
    (object(), "agent_error"),
    (2**60, "agent_error"),
    (AgentResult(1, usage={"n": math.inf}), "agent_error"),
    ("x" * 70_000, "limit_exceeded"),
]


@pytest.mark.parametrize(("returned", "code"), UNSTORABLE, ids=lambda value: str(value)[:20])
def test_what_cannot_be_stored_fails_the_run(returned: Any, code: str) -> None:
    outcome = outcome_of_result(returned)
    assert outcome.error is not None
    assert (outcome.status, outcome.error.code) == (RunStatus.FAILED, code)


def test_errors_keep_their_code_and_a_bounded_message() -> None:
    cases: list[tuple[BaseException, str, str]] = [
        (AgentFailure("late", code="step_timeout", retryable=True), "step_timeout", "late"),
        (BrowserUnavailable("no Chromium"), "startup_failed", "no Chromium"),
        (KeyError("k"), "agent_error", "KeyError: 'k'"),
        (SystemExit(3), "agent_error", "SystemExit: 3"),
        (ValueError("a\ud800"), "agent_error", "ValueError: a?"),
    ]
    for error, code, message in cases:
        failed = outcome_of_error(error).error
        assert failed is not None
        assert (failed.code, failed.message) == (code, message)
    long = outcome_of_error(ValueError("x" * 9_000)).error
    assert long is not None
    assert len(long.message) == 2_000


def test_a_failure_may_carry_what_was_completed() -> None:
    assert outcome_of_error(AgentFailure("x", result={"passed": 1})).result == msgspec.Raw(b'{"passed":1}')
    assert outcome_of_error(AgentFailure("x", result=math.nan)).result is None


def test_the_reason_of_a_stop_decides_the_end() -> None:
    ends = {}
    for reason in StopReason:
        token = StopToken()
        token.request(reason)
        outcome = outcome_of_stop(token)
        assert outcome is not None
        ends[reason] = (outcome.status, outcome.error.code if outcome.error else outcome.reason)
    assert ends == {
        StopReason.CANCEL: (RunStatus.CANCELLED, "requested"),
        StopReason.TIMEOUT: (RunStatus.FAILED, "timeout"),
        StopReason.DRAIN: (RunStatus.FAILED, "interrupted"),
        StopReason.LIMIT: (RunStatus.FAILED, "limit_exceeded"),
        StopReason.PARENT: (RunStatus.CANCELLED, "parent"),
    }
    assert outcome_of_stop(StopToken()) is None


def test_the_first_reason_stays_and_is_delivered_once() -> None:
    token, calls = StopToken(), []
    token.arm(lambda: calls.append("stop"))
    assert token.request(StopReason.TIMEOUT)
    assert not token.request(StopReason.CANCEL)
    assert (token.reason, calls) == (StopReason.TIMEOUT, ["stop"])


def test_a_wish_that_came_before_the_work_is_delivered_with_it() -> None:
    token, calls = StopToken(), []
    token.request(StopReason.CANCEL)
    token.arm(lambda: calls.append("stop"))
    token.arm(None)
    assert calls == ["stop"]


# Quotas


QUEUES = [(2, 2, "queued_per_user"), (0, 5, "queued"), (1, 4, None), (3, 9, "queued_per_user")]


@pytest.mark.parametrize(("of_user", "of_all", "limit"), QUEUES)
def test_a_full_queue_names_its_limit_and_when_to_come_back(of_user: int, of_all: int, limit: str | None) -> None:
    limits = QueueLimits(queued_per_user=2, queued=5)
    if limit is None:
        admit(QueueCounts(of_user, of_all), limits)
        return
    with pytest.raises(OverCapacity) as refused:
        admit(QueueCounts(of_user, of_all), limits)
    assert refused.value.details["limit"] == limit
    assert refused.value.retry_after_s >= 5


# Agents


async def _coroutine(_ctx: Any, _input: Any) -> None:
    """Do nothing.

    At length.
    """


async def _generator(_ctx: Any, _input: Any) -> AsyncIterator[str]:
    yield "x"


def _function(_ctx: Any, _input: Any) -> None: ...


class _Class:
    name = "its-own-name"
    recoverable = True
    timeout_s = 7.0

    async def run(self, _ctx: Any, _input: Any) -> None: ...


def test_agents_are_described_by_what_they_are() -> None:
    assert [spec_of(t).style for t in (_coroutine, _generator, _function, _Class)] == [
        AgentStyle.COROUTINE,
        AgentStyle.GENERATOR,
        AgentStyle.FUNCTION,
        AgentStyle.COROUTINE,
    ]
    assert (spec_of(_coroutine).name, spec_of(_coroutine).description) == ("-coroutine", "Do nothing.")
    spec = spec_of(_Class)
    assert (spec.name, spec.recoverable, spec.timeout_s) == ("its-own-name", True, 7.0)
    assert spec.make() is not spec.make()
    assert spec.make().__self__ is not spec.make().__self__  # type: ignore[attr-defined]  # bound methods


@pytest.mark.parametrize("target", [None, 7, "text", object])
def test_what_is_no_agent_is_refused(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="no agent"):
        spec_of(target)


def test_two_agents_of_one_name_are_refused_and_unknown_ones_name_the_others() -> None:
    registry = AgentRegistry([spec_of(_Class)])
    with pytest.raises(ConfigurationError, match="its-own-name"):
        registry.add(spec_of(_Class))
    with pytest.raises(InvalidInput, match="its-own-name"):
        registry.get("nobody")


@pytest.mark.parametrize("path", ["", "module", ":name", "module:", "absent_module:x", "runwire.agents.echo:nothing"])
def test_a_path_that_names_no_agent_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError):
        named_agent(path)


NO_SCRIPTS: list[Any] = [
    None,
    [],
    {},
    {"steps": {}},
    {"steps": [], "more": 1},
    *(
        {"steps": [step]}
        for step in (
            1,
            {},
            {"text": "a", "fail": "b"},
            {"text": 1},
            {"sleep_s": -1},
            {"burst": {"count": 0}},
            {"hang": "for ever"},
            {"step": {"name": "x", "status": "?"}},
        )
    ),
]


@pytest.mark.parametrize("script", NO_SCRIPTS, ids=str)
def test_a_script_that_is_none_is_refused(script: Any) -> None:
    with pytest.raises(InvalidInput, match="script"):
        parse(script)


# on_disconnect=cancel


class _Presence:
    """A watch over one run, with the test's time."""

    def __init__(self) -> None:
        self.loop = ManualLoop()
        self.cancelled: list[str] = []
        self.watch = DisconnectWatch(self.loop, self._cancel, absence_s=15.0)  # type: ignore[arg-type]  # its timers only
        self.run = OwnedRun(_record("run00001"), User("ann"))

    async def _cancel(self, run: OwnedRun) -> None:
        self.cancelled.append(run.run_id)


def _record(run_id: str) -> Any:
    class Record:
        id = run_id

    return Record()


def test_a_run_that_nobody_follows_is_cancelled_after_the_wait() -> None:
    presence = _Presence()
    presence.watch.watch(presence.run)
    presence.loop.pass_s(14.9)
    assert presence.cancelled == []
    presence.loop.pass_s(0.1)
    assert presence.cancelled == ["run00001"]


def test_a_reload_of_the_page_cancels_nothing() -> None:
    presence = _Presence()
    presence.watch.watch(presence.run)
    for _ in range(5):
        presence.watch.on_presence("run00001", 1)
        presence.loop.pass_s(100)
        presence.watch.on_presence("run00001", 0)
        presence.loop.pass_s(10)
    assert presence.cancelled == []
    presence.loop.pass_s(5)
    assert presence.cancelled == ["run00001"]


def test_an_ended_run_is_forgotten() -> None:
    presence = _Presence()
    presence.watch.watch(presence.run)
    presence.watch.on_published(Published("run00001", 3, [b""], RunStatus.SUCCEEDED, 1, ended=True))
    presence.watch.on_presence("run00001", 0)
    assert presence.loop.waiting == 0
    presence.loop.pass_s(100)
    assert presence.cancelled == []
