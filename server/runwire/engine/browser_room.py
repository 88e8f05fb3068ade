"""Keeps browser runs in the queue while there is no room for one more browser. Floor 5.

Threads: :meth:`BrowserRoom.may_start` is called on the writer's thread, everything else on the server's loop; the look
at the machine reads files, so it happens on a worker thread. One look lets one run start, soon: the next one is
measured again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Sequence

import structlog

from runwire.runs.state import RunStatus
from runwire.runs.tally import Move
from runwire.threads import LoopMailbox

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 1.0
"""How often the machine is looked at while a run waits for room, unless a browser run has just ended."""

GOOD_FOR_S = 1.0
"""How long a look that found room counts."""


class BrowserRoom:
    """Implements ``contracts.admission.Admission``."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        needs_browser: Callable[[str], bool],
        full_reason: Callable[[], str | None],
        waiting: Callable[[], Collection[str]],
        on_change: Callable[[], None],
    ) -> None:
        """``needs_browser`` tells it of an agent, by name; ``full_reason`` says why no further browser run should start
        now, and may block for a moment; ``waiting`` returns the agents of the runs that wait; ``on_change`` is called
        when a run may start that could not, or the reason is another one.
        """
        self._loop = loop
        self._needs_browser = needs_browser
        self._full_reason = full_reason
        self._waiting = waiting
        self._on_change = on_change
        self._lock = threading.Lock()
        self._good_until = 0.0
        self._asked: LoopMailbox[None] = LoopMailbox(loop, self._wanted)
        self._reason: str | None = None
        self._looking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def may_start(self, agent: str) -> bool:
        """Return whether one run of ``agent`` may start now; if not, a look at the machine is on its way."""
        if not self._needs_browser(agent):
            return True
        with self._lock:
            permitted = self._loop.time() < self._good_until
            self._good_until = 0.0
        if not permitted:
            self._asked.put(None)
        return permitted

    def reason(self, agent: str) -> str | None:
        """Return why runs of ``agent`` wait, or None."""
        return self._reason if self._needs_browser(agent) else None

    def on_moves(self, moves: Sequence[Move]) -> None:
        """Look again as soon as a browser run has left; the bridge calls this."""
        if self._reason is None:
            return
        if any(move.before is RunStatus.RUNNING and self._needs_browser(move.agent) for move in moves):
            self._look_now()

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._looking is not None:
            self._looking.cancel()

    def _wanted(self, _nothing: None) -> None:
        if self._reason is None:
            self._look_now()

    def _look_now(self) -> None:
        if self._looking is None:
            self._looking = self._loop.create_task(self._look())

    async def _look(self) -> None:
        try:
            reason = await asyncio.to_thread(self._full_reason)
        except Exception as error:  # a background task's edge: the runs wait on, and are told why
            log.exception("queue.room_unknown")
            reason = f"the room for browsers is not known: {error}"
        finally:
            self._looking = None
        changed, self._reason = reason != self._reason, reason
        if reason is None:
            with self._lock:
                self._good_until = self._loop.time() + GOOD_FOR_S
            self._on_change()
            return
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_AGAIN_S, self._again)
        if changed:
            log.warning("queue.no_room", reason=reason)
            self._on_change()

    def _again(self) -> None:
        """Look again as long as somebody waits for room."""
        self._timer = None
        if any(map(self._needs_browser, self._waiting())):
            self._look_now()
        else:
            self._reason = None
