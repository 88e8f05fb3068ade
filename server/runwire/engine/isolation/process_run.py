"""One run in a process of its own, as the server sees it, where the agent would stand. Floor 5; the runner's thread.

What the worker says goes through the run's own context and emitter; what it asks for is done by the server's services,
for this run and no other. The run ends when every process of it has ended, never before.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from runwire.agents.factory import AgentInstance
from runwire.agents.registry import AgentStyle
from runwire.contracts.agent import AgentFailure, AgentResult
from runwire.engine.cancellation import StopReason, StopToken
from runwire.engine.context import LiveRunContext
from runwire.engine.emitter import UserWebSocketEmitter
from runwire.engine.isolation.calls import WorkerCalls
from runwire.engine.isolation.host import Launcher
from runwire.engine.isolation.messages import (
    FRAME_SLACK,
    PICTURE_BYTES,
    Asked,
    Counted,
    Ended,
    Forgotten,
    FrameReader,
    FromGuard,
    FromWorker,
    Gone,
    Held,
    Job,
    NotStarted,
    Pictured,
    PipeBroken,
    Said,
    Signal,
    Stop,
    Taken,
)
from runwire.engine.isolation.pipe import Pipe
from runwire.engine.isolation.process_browsers import ProcessBrowsers
from runwire.engine.isolation.process_views import ProcessViews
from runwire.errors import LimitExceeded, RunwireError, StorageUnavailable
from runwire.runs.limits import RunLimits
from runwire.runs.record import ClaimedRun
from runwire.runs.state import Verdict

log = structlog.get_logger(__name__)

TAKEN_EVERY = 64
"""Events after which the worker is told that its window has room again."""

LINGER_S = 0.5
"""How long a worker may live behind its last word, or behind a link that it has closed."""

DRAIN_S = 10.0
"""How long what a dead worker has said may take to be stored."""

DRAIN_RUNG_S = 0.1
"""The rungs of a stop when the server itself is ending."""

KILL_S = 5.0
"""How long the system may take to end what was killed, until the run is ended without that."""

LAST_LINES = 5
LAST_LINES_LENGTH = 600


@dataclass(frozen=True, slots=True)
class ProcessParts:
    """What every isolated run of a server is made with.

    ``folder`` is where the runs' working folders lie; ``rung_s`` is how long each rung of a stop may take: the request,
    SIGTERM, then SIGKILL. ``artifact_bytes`` bounds what crosses in one piece.
    """

    launcher: Launcher
    folder: Path
    sample_origin: Callable[[], str | None]
    rung_s: float
    artifact_bytes: int
    views: ProcessViews
    browsers: ProcessBrowsers

    @property
    def frame_bytes(self) -> int:
        """Most bytes of what a run's process sends at once."""
        return max(self.artifact_bytes, PICTURE_BYTES) + FRAME_SLACK


def isolated_instance(
    parts: ProcessParts, claimed: ClaimedRun, limits: RunLimits, stop: StopToken, emitter: UserWebSocketEmitter
) -> AgentInstance:
    """Return what a runner calls in the agent's place; the agent itself is made in the run's process."""
    return AgentInstance(ProcessRun(parts, claimed, limits, stop, emitter).call, AgentStyle.COROUTINE, emitter)


class ProcessRun:
    """One attempt. :meth:`call` is called as an agent would be."""

    def __init__(
        self,
        parts: ProcessParts,
        claimed: ClaimedRun,
        limits: RunLimits,
        stop: StopToken,
        emitter: UserWebSocketEmitter,
    ) -> None:
        self._parts = parts
        self._emitter = emitter
        self._claimed = claimed
        self._limits = limits
        self._stop = stop
        self._started = False
        self._ended: Ended | None = None
        self._failure: Exception | None = None
        self._open_message: str | None = None

    async def call(self, context: LiveRunContext, _input: Any) -> AgentResult:
        """Execute the attempt. Cancelling it ends the processes, by rungs, before it passes the cancellation on.

        Raises:
            AgentFailure: the agent failed, or its process died.
            RunwireError: what the worker said was refused.
        """
        self._context = context
        folder = self._make_folder()
        try:
            self._launch()
            try:
                gone = await self._execute(folder)
            finally:
                self._parts.views.detach(self._claimed.run_id, self._view)
                self._parts.browsers.end(self._claimed.run_id)
                await self._link.close()
                await self._control.close()
            return self._told(gone)
        finally:
            await asyncio.to_thread(_remove, folder)

    def _make_folder(self) -> Path:
        try:
            return Path(tempfile.mkdtemp(prefix=f"{self._claimed.run_id}.", dir=self._parts.folder)).resolve()
        except OSError as error:
            raise StorageUnavailable(f"the run's working folder could not be made: {error.strerror}") from error

    def _launch(self) -> None:
        """Ask for the processes. Nothing is awaited: a run that is stopped meanwhile still has its two ends."""
        link, its_link = socket.socketpair()
        control, its_control = socket.socketpair()
        with its_link, its_control:
            try:
                self._parts.launcher.launch(its_link, its_control)
            except BaseException:
                link.close()
                control.close()
                raise
        self._link, self._control = Pipe(link), Pipe(control)
        self._calls = WorkerCalls(self._context, self._link, self._broken)
        self._view = self._parts.views.attach(self._claimed.run_id, self._link)

    def _broken(self, error: Exception) -> None:
        """End a run whose process breaks the rules; the first reason stays."""
        self._failure = self._failure or error
        self._control.send(Signal("kill"))

    async def _execute(self, folder: Path) -> Gone:
        """Return once every process has ended and all that is to be said of the run has been said."""
        no_model = self._context.model.unavailable_reason()
        self._link.send(Job(self._claimed, self._limits, str(folder), self._parts.sample_origin(), no_model))
        work = asyncio.get_running_loop().create_task(self._follow())
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError:
            await self._bring_down(work)
            await self._close_up(work.result())
            raise
        await self._close_up(work.result())
        return work.result()

    # While it lives

    async def _follow(self) -> Gone:
        """Carry what the worker says until every process of the run has ended."""
        heard = asyncio.Event()
        reading = asyncio.get_running_loop().create_task(self._listen(heard))
        try:
            gone = await self._wait_gone()
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await heard.wait()
            if not heard.is_set() and self._failure is None:
                self._failure = StorageUnavailable("what the run's process said last could not be stored in time")
            return gone
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await self._calls.close()

    async def _wait_gone(self) -> Gone:
        frames = FrameReader(FromGuard, limit_bytes=self._parts.artifact_bytes + FRAME_SLACK)
        while data := await self._control.read():
            for message in frames.feed(data):
                if isinstance(message, Gone):
                    return message
                self._started = True
                if isinstance(message, NotStarted):
                    self._failure = AgentFailure(message.why, code="startup_failed", retryable=True)
        # No report: it has not been started, or the guard was killed and the fork server kills what it left.
        return Gone(-signal.SIGKILL, None, "the process that guards the run was killed", b"")

    async def _listen(self, heard: asyncio.Event) -> None:
        """Take what the worker says to its last word; whatever keeps it alive behind that is killed."""
        try:
            await self._take_all()
        except Exception as error:  # the edge to the agent's process: whatever it was, it ends the run
            self._broken(error)
        heard.set()
        await asyncio.sleep(LINGER_S)
        if self._ended is None and self._failure is None:
            self._failure = PipeBroken("the run's process has closed its connection to the server; it was killed")
        self._control.send(Signal("kill"))

    async def _take_all(self) -> None:
        frames = FrameReader(FromWorker, limit_bytes=self._parts.frame_bytes)
        while data := await self._link.read():
            try:
                messages = frames.feed(data)
            except PipeBroken as error:
                raise PipeBroken(f"the run's process has sent {error.message}; it was killed") from error
            entries = size_bytes = 0
            for message in messages:
                if isinstance(message, Said):
                    await self._say(message.data)
                    entries, size_bytes = entries + 1, size_bytes + len(message.data)
                    if entries >= TAKEN_EVERY:
                        self._link.send(Taken(entries, size_bytes))
                        entries = size_bytes = 0
                elif isinstance(message, Asked):
                    await self._calls.begin(message)
                elif isinstance(message, Forgotten):
                    self._calls.forget(message.id)
                elif isinstance(message, Counted):
                    self._parts.browsers.note(self._claimed.run_id, message)
                elif isinstance(message, Pictured | Held):
                    self._view.receive(message)
                else:
                    self._ended = message
                    return
            if entries:
                self._link.send(Taken(entries, size_bytes))

    async def _say(self, data: bytes) -> None:
        try:
            event = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PipeBroken(f"the run's process has sent an event that is no JSON: {error}; it was killed") from error
        await self._context.emit(event)
        if event["type"] == "TEXT_MESSAGE_START":
            self._open_message = event.get("messageId")
        elif event["type"] == "TEXT_MESSAGE_END":
            self._open_message = None

    # Its end

    async def _bring_down(self, work: asyncio.Task[Gone]) -> None:
        """End the processes by rungs, each for its time: the request, SIGTERM to the group, SIGKILL to all of them."""
        rung_s = DRAIN_RUNG_S if self._stop.reason is StopReason.DRAIN else self._parts.rung_s
        self._link.send(Stop((self._stop.reason or StopReason.CANCEL).value))
        await asyncio.wait((work,), timeout=rung_s)
        if not self._started:  # the fork server has not come to it: a guard that finds its socket closed does nothing
            work.cancel()
            await asyncio.wait((work,))
        for name in ("term", "kill"):
            if not work.done():
                self._control.send(Signal(name))
                await asyncio.wait((work,), timeout=rung_s if name == "term" else None)

    async def _close_up(self, gone: Gone) -> None:
        """Say what the worker can say no longer: the end of an open message, and its output as an artifact. That there
        is no room for them is not the agent's fault.
        """
        exceeded = self._emitter.exceeded
        try:
            if self._open_message is not None:
                await self._context.emit({"type": "TEXT_MESSAGE_END", "messageId": self._open_message})
            if gone.output:
                await self._context.artifacts.save(
                    kind="log", name="output.log", mime="text/plain; charset=utf-8", data=gone.output
                )
        except RunwireError as error:  # a failed clean-up changes no outcome
            log.warning("run.output_not_kept", run_id=self._claimed.run_id, error=str(error))
            self._emitter.exceeded = exceeded

    def _told(self, gone: Gone) -> AgentResult:
        """Return what the agent returned or raise what ended it."""
        ended, failure = self._ended, self._failure
        if gone.limit is not None:
            message = f"the run has exceeded its limit {gone.limit}: {gone.detail}; its processes were killed"
            raise LimitExceeded(message + _last_lines(gone.output), limit=gone.limit)
        if failure is not None:
            raise failure
        if ended is None:
            raise AgentFailure(_how_it_died(gone) + _last_lines(gone.output))
        result = None if ended.result is None else msgspec.json.decode(ended.result)
        if ended.error is not None:
            code, message, retryable, limit = ended.error
            if limit is not None:
                raise LimitExceeded(message, limit=limit)
            raise AgentFailure(message, code=code, retryable=retryable, result=result)
        return AgentResult(result, None if ended.verdict is None else Verdict(ended.verdict), ended.usage)


def _how_it_died(gone: Gone) -> str:
    if gone.detail:
        return gone.detail
    if gone.code >= 0:
        return f"the run's process exited with code {gone.code} before the agent returned"
    name = signal.Signals(-gone.code).name if -gone.code in set(signal.Signals) else f"signal {-gone.code}"
    cause = ", by the system if memory ran out" if gone.code == -signal.SIGKILL else ""
    return f"the run's process was killed by {name}{cause}"


def _last_lines(output: bytes) -> str:
    """Return the last lines of the output as the tail of a sentence."""
    lines = output.decode("utf-8", "replace").strip().splitlines()[-LAST_LINES:]
    return f"; its last output: {' | '.join(lines)[-LAST_LINES_LENGTH:]}" if lines else ""


def _remove(folder: Path) -> None:
    """Remove a working folder; what an agent made unremovable stays until the next start, and is told."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("run.folder_not_removed", folder=str(folder), error=str(error))
