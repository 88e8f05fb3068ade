"""Hands a run's browser from the agent to a person and back; owns the table in ``runs/control.py``. Floor 5; the
server's loop only.

A person holds control on a lease: it ends when they give it back, leave, do nothing for ``lease_s`` seconds, or have
had the run for ``total_s`` in sum. Meanwhile the agent's browser operations wait, and the run's time limit stands
still. Each hand-over is an entry of the run's log (``CUSTOM runwire.control``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from runwire.contracts.event_log import Published
from runwire.contracts.live_view import LiveViews
from runwire.errors import Conflict, ControlTaken, RunwireError
from runwire.protocol.view import CONTROL, Input
from runwire.runs.control import ControlState, HandOver, advance_control
from runwire.runs.state import RunStatus

log = structlog.get_logger(__name__)

CLAIM_S = 2.0
"""How long a claim waits for what the agent is doing; longer would hold up the other commands of its socket."""
HAND_OVERS = 500
"""Most times that a run is taken over: each writes two entries into its log. A guess far above any use."""


class Member(Protocol):
    """Somebody who has a run's view open."""

    @property
    def name(self) -> str:
        """Who they are, for the others and for the log."""

    @property
    def views(self) -> LiveViews:
        """Where the run's browser is."""

    def control_changed(self) -> None:
        """Learn that control may have changed hands."""

    def run_ended(self, status: RunStatus) -> None:
        """Learn that the run has ended."""


class RunClock(Protocol):
    """What stands still, and what is written, while a person has a run's browser; the dispatcher."""

    def hold_clock(self, run_id: str) -> None:
        """Let the run's limits of time stand still."""

    def resume_clock(self, run_id: str) -> None:
        """Let them go on."""


Tell = Callable[[str, dict[str, object]], None]
"""Appends an event to a run's log."""


@dataclass(eq=False, slots=True)
class _Control:
    """One run's control while somebody has a view of it open; ``until`` is the loop's time."""

    state: ControlState = ControlState.AGENT
    members: list[Member] = field(default_factory=list)
    holder: Member | None = None
    claimant: Member | None = None
    since: float = 0.0
    until: float = 0.0
    used_s: float = 0.0
    hand_overs: int = 0
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """Who controls a run's browser, as it is told: ``lease_s`` are the seconds until a person's lease ends."""

    state: ControlState
    holder: str | None = None
    lease_s: float | None = None


class TakeOver:
    """Every run's control that somebody could want."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: RunClock,
        tell: Tell,
        *,
        allowed: bool,
        lease_s: float,
        total_s: float,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._tell = tell
        self._allowed = allowed
        self._lease_s = lease_s
        self._total_s = total_s
        self._runs: dict[str, _Control] = {}

    def __len__(self) -> int:
        return len(self._runs)

    # Members

    def join(self, run_id: str, member: Member) -> None:
        """Tell ``member`` about control and the run's end from now on."""
        self._runs.setdefault(run_id, _Control()).members.append(member)

    def leave(self, run_id: str, member: Member) -> None:
        """Stop telling; who holds control gives it back. Idempotent."""
        control = self._runs.get(run_id)
        if control is None or member not in control.members:
            return
        control.members.remove(member)
        if control.holder is member:
            self._back(run_id, control, HandOver.LEFT)
        if not control.members and not control.hand_overs:
            del self._runs[run_id]  # else its counts are kept until the run's end

    def control_of(self, run_id: str) -> Control:
        """Return who controls the run."""
        control = self._runs.get(run_id)
        if control is None or control.holder is None:
            return Control(ControlState.AGENT if control is None else control.state)
        return Control(control.state, control.holder.name, max(0.0, control.until - self._loop.time()))

    # Hand-overs

    async def take(self, run_id: str, member: Member) -> Control:
        """Give control to a member, or renew their lease.

        Raises:
            ControlTaken: another person has it (``details`` say who, and for how long), or the agent is in the middle
                of an action.
            Conflict: the server forbids it, the run shows no page, or people have had it for long enough.
        """
        control = self._runs[run_id]
        if not self._allowed:
            raise Conflict("taking over is switched off on this server (setting browser_control)")
        if control.holder is member:
            self._renew(run_id, control)
            return self.control_of(run_id)
        self._check_free(run_id, control)
        if control.used_s >= self._total_s or control.hand_overs >= HAND_OVERS:
            raise Conflict(f"people have had this run for as long as they may ({self._total_s:g} s in sum)")
        control.claimant = member
        try:
            held = await member.views.hold(run_id, CLAIM_S)
        finally:
            control.claimant = None
        if not held:
            raise ControlTaken("the agent is in the middle of an action; try again in a moment")
        if self._runs.get(run_id) is not control or member not in control.members:  # it ended, or they left, meanwhile
            member.views.release(run_id)
            raise Conflict("the view is closed")
        self._begin(run_id, control, member)
        return self.control_of(run_id)

    def _check_free(self, run_id: str, control: _Control) -> None:
        other = control.holder or control.claimant
        if other is not None:
            until_s = round(max(0.0, control.until - self._loop.time()), 1) if control.holder else CLAIM_S
            raise ControlTaken(
                f"{other.name} has control; it is free again in {until_s:g} s unless they go on",
                holder=other.name,
                lease_s=until_s,
            )

    def give(self, run_id: str, member: Member) -> Control:
        """Give control back to the agent. Raises Conflict if it is not theirs."""
        control = self._held_by(run_id, member)
        self._back(run_id, control, HandOver.GIVEN)
        return self.control_of(run_id)

    def use(self, run_id: str, member: Member, what: Input) -> None:
        """Do to the page what the holder does, and renew their lease. Raises Conflict if control is not theirs."""
        control = self._held_by(run_id, member)
        self._renew(run_id, control)
        member.views.use(run_id, what)

    def _held_by(self, run_id: str, member: Member) -> _Control:
        control = self._runs.get(run_id)
        if control is None or control.holder is not member:
            holder = None if control is None or control.holder is None else control.holder.name
            raise Conflict(f"control is not yours but {holder or 'the agent'}'s; take it first", holder=holder)
        return control

    def _begin(self, run_id: str, control: _Control, member: Member) -> None:
        control.state = advance_control(control.state, ControlState.PERSON)
        control.holder, control.since = member, self._loop.time()
        control.hand_overs += 1
        self._clock.hold_clock(run_id)
        self._note(run_id, control, HandOver.TAKEN, member)
        self._renew(run_id, control)
        self._changed(control)

    def _renew(self, run_id: str, control: _Control) -> None:
        now = self._loop.time()
        control.until = min(now + self._lease_s, control.since + self._total_s - control.used_s)
        if control.timer is None:
            control.timer = self._loop.call_at(control.until, self._expire, run_id, control)

    def _expire(self, run_id: str, control: _Control) -> None:
        control.timer = None
        now = self._loop.time()
        if now < control.until:  # renewed meanwhile: one timer for a lease, not one for an input
            control.timer = self._loop.call_at(control.until, self._expire, run_id, control)
            return
        total = control.used_s + now - control.since >= self._total_s
        self._back(run_id, control, HandOver.LIMIT if total else HandOver.EXPIRED)

    def _back(self, run_id: str, control: _Control, why: HandOver) -> None:
        """Let the agent go on."""
        member = self._let_go(control, ControlState.AGENT)
        self._note(run_id, control, why, member)
        if member is not None:
            member.views.release(run_id)
        self._clock.resume_clock(run_id)
        self._changed(control)

    def _let_go(self, control: _Control, target: ControlState) -> Member | None:
        control.state = advance_control(control.state, target)
        member, control.holder = control.holder, None
        if member is not None:
            control.used_s += self._loop.time() - control.since
        if control.timer is not None:
            control.timer.cancel()
            control.timer = None
        return member

    def _note(self, run_id: str, control: _Control, why: HandOver, member: Member | None) -> None:
        name = "" if member is None else member.name
        log.info("control.changed", run_id=run_id, state=control.state, person=name, why=why)
        value = {"state": control.state.value, "person": name, "reason": why.value}
        try:
            self._tell(run_id, {"type": "CUSTOM", "name": CONTROL, "value": value})
        except RunwireError as error:  # the run has just been ended or taken away: its log is closed
            log.info("control.not_logged", run_id=run_id, error=error.message)

    @staticmethod
    def _changed(control: _Control) -> None:
        for member in tuple(control.members):
            member.control_changed()

    def _attempt_ended(self, run_id: str) -> None:
        """Take control back that was of an attempt's browser: the next one has another, and clocks of its own."""
        control = self._runs.get(run_id)
        if control is not None and control.holder is not None:
            self._back(run_id, control, HandOver.REQUEUED)

    def on_published(self, published: Published) -> None:
        """End what belongs to a run that has ended, or whose attempt has; the bridge calls this."""
        if published.status is RunStatus.QUEUED:
            self._attempt_ended(published.run_id)
        if not published.ended or (control := self._runs.pop(published.run_id, None)) is None:
            return
        holder = self._let_go(control, ControlState.CLOSED)
        if holder is not None:
            holder.views.release(published.run_id)
        for member in tuple(control.members):
            member.run_ended(published.status)
