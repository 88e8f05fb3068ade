"""Control of a run's browser: its table, and the turnstile that keeps the agent waiting. No browser, no socket."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.browser.turnstile import Turnstile
from runwire.contracts.event_log import Published
from runwire.engine.take_over import TakeOver
from runwire.errors import IllegalTransition
from runwire.protocol.steps.actions import only_looks
from runwire.protocol.steps.grammar import parse_step
from runwire.protocol.view import HEAD, ViewFlag, view_frame
from runwire.runs.control import CONTROL_TRANSITIONS, ControlState, advance_control
from runwire.runs.state import RunStatus
from runwire.threads import NewestSlot

STATE = st.sampled_from(ControlState)


@given(STATE, STATE)
def test_a_move_is_made_exactly_if_the_table_has_it(current: ControlState, target: ControlState) -> None:
    if target in CONTROL_TRANSITIONS[current]:
        assert advance_control(current, target) is target
    else:
        with pytest.raises(IllegalTransition):
            advance_control(current, target)


def test_nobody_takes_what_is_closed_and_a_person_hands_over_to_the_agent_alone() -> None:
    assert CONTROL_TRANSITIONS[ControlState.CLOSED] == frozenset()
    assert ControlState.PERSON not in CONTROL_TRANSITIONS[ControlState.PERSON]


async def test_a_person_waits_for_an_act_and_not_for_a_look() -> None:
    turnstile = Turnstile()
    async with turnstile.turn(acts=True):
        assert not await turnstile.hold(0.01)
        assert not turnstile.held
    async with turnstile.turn(acts=False):
        assert await turnstile.hold(0.01)
    assert turnstile.held


async def test_nothing_goes_through_while_held_and_listeners_are_told() -> None:
    turnstile, told = Turnstile(), list[bool]()
    turnstile.listen(told.append)
    assert await turnstile.hold(0.01)

    async def act() -> None:
        async with turnstile.turn(acts=True):
            pass

    acting = asyncio.create_task(act())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not acting.done()
    turnstile.release()
    turnstile.release()
    await acting
    assert told == [True, False]
    assert turnstile.holds == 1
    assert turnstile.held_s > 0


async def test_a_claim_that_is_given_up_lets_the_agent_go_on() -> None:
    turnstile = Turnstile()
    async with turnstile.turn(acts=True):
        claim = asyncio.create_task(turnstile.hold(5))
        await asyncio.sleep(0)
        claim.cancel()
        await asyncio.wait((claim,))
    async with asyncio.timeout(0.1), turnstile.turn(acts=True):
        pass


async def test_control_goes_back_with_the_attempt_that_it_was_of() -> None:
    calls, told = list[str](), list[Any]()

    async def hold(run_id: str, limit_s: float) -> bool:
        return True

    views = SimpleNamespace(hold=hold, release=calls.append, use=lambda *_: None)
    clock = SimpleNamespace(hold_clock=lambda run_id: None, resume_clock=lambda run_id: None)
    member = cast("Any", SimpleNamespace(name="ann", views=views, control_changed=lambda: None))
    loop = asyncio.get_running_loop()
    control = TakeOver(loop, clock, lambda _, event: told.append(event["value"]), allowed=True, lease_s=9, total_s=9)
    control.join("run", member)
    await control.take("run", member)
    control.on_published(Published("run", 5, [b""], RunStatus.QUEUED, 2, ended=False))
    assert (control.control_of("run").state, calls) == (ControlState.AGENT, ["run"])
    assert [one["reason"] for one in told] == ["taken", "requeued"]
    assert (await control.take("run", member)).holder == "ann", "the next attempt may be helped too"
    control.leave("run", member)


async def test_newest_value_wins_with_one_wake_up() -> None:
    woken = list[None]()
    slot: NewestSlot[int] = NewestSlot(asyncio.get_running_loop(), lambda: woken.append(None))
    for number in range(1_000):
        slot.put(number)
    await asyncio.sleep(0)
    assert len(woken) == 1
    assert (slot.take(), slot.take()) == (999, None)


@pytest.mark.parametrize("size", [0, 100, 70_000])
def test_a_picture_is_one_binary_frame_with_its_head(size: int) -> None:
    wire = view_frame(7, 8, 9, (1280, 720), ViewFlag.HELD, b"x" * size)
    length = 10 if size > 65_000 else 4
    assert wire[0] == 0x82
    assert int.from_bytes(wire[2:length], "big") == HEAD.size + size == len(wire) - length
    assert HEAD.unpack_from(wire, length) == (7, 8, 9, 1280, 720, 2)


@pytest.mark.parametrize(
    ("sentence", "looks"),
    [
        ('Verify text "a"', True),
        ("Wait 2 seconds", True),
        ('In frame "f": Verify text "a"', True),
        ('Click "a"', False),
        ('In frame "f": Click "a"', False),
        ("Navigate to /a", False),
    ],
)
def test_looks_and_acts_are_told_apart(sentence: str, looks: bool) -> None:
    assert only_looks(parse_step(1, sentence).action) is looks
