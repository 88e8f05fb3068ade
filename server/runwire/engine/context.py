"""What an agent holds in its hands: its run's facts, voice, files and browsers. Floor 5; used on the run's own
thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from runwire.contracts.agent import Event
from runwire.contracts.artifacts import Artifact, ArtifactSaver
from runwire.contracts.browser import BrowserPool
from runwire.contracts.files import FileFinder
from runwire.contracts.model import ChatModel
from runwire.contracts.sentences import SentenceStore
from runwire.contracts.traversals import TraversalSaver
from runwire.engine.cancellation import StopToken
from runwire.engine.children import BlockingChildRun, LiveChildRun, wish_for
from runwire.engine.dialogue import BlockingDialogue, LiveDialogue
from runwire.engine.emitter import UserWebSocketEmitter
from runwire.engine.family import Family
from runwire.engine.forks import BlockingForkedRun, LiveForkedRun, original_of
from runwire.engine.questions import Questions
from runwire.engine.run_files import BlockingRunFiles, LiveRunFiles
from runwire.errors import BrowserUnavailable, LimitExceeded
from runwire.ids import new_id
from runwire.protocol.readings import Reading, SentenceKey
from runwire.protocol.traversal import Traversal
from runwire.runs.limits import RunLimits
from runwire.runs.record import ClaimedRun

YIELD_EVERY = 64
"""Events after which an agent that only emits gives its loop a turn, so that a request to stop reaches it."""

BLOCKING_TIMEOUT_S = 60.0
"""How long a plain function waits for the log before it is told that the log is stuck."""


@dataclass(frozen=True, slots=True)
class RunServices:
    """What the server lends to every run."""

    artifacts: ArtifactSaver
    traversals: TraversalSaver
    files: FileFinder
    browser: Callable[[], BrowserPool | None]
    model: ChatModel
    sentences: SentenceStore


class _Facts:
    """The run's facts and the shapes of its standard events."""

    def __init__(
        self, claimed: ClaimedRun, emitter: UserWebSocketEmitter, stop: StopToken, questions: Questions
    ) -> None:
        self._claimed = claimed
        self._emitter = emitter
        self._stop = stop
        self._questions = questions
        self._open_message: str | None = None
        self._progress_id = f"progress-{claimed.run_id}"

    @property
    def run_id(self) -> str:
        """The run's only name."""
        return self._claimed.run_id

    @property
    def thread_id(self) -> str:
        """The conversation that the run belongs to."""
        return self._claimed.thread_id

    @property
    def user_id(self) -> str:
        """The owner."""
        return self._claimed.owner_id

    @property
    def attempt(self) -> int:
        """1 for the first attempt, more after a recovery or retry."""
        return self._claimed.attempt

    @property
    def cancelled(self) -> bool:
        """Whether the run has been asked to stop."""
        return self._stop.reason is not None

    def _text_events(self, delta: str, message_id: str | None) -> list[Event]:
        """Return the events that add ``delta`` to the answer: closing another message and opening this one if
        need be.
        """
        events: list[Event] = []
        if self._open_message is None or (message_id is not None and message_id != self._open_message):
            events += self._closing_events()
            self._open_message = message_id or new_id()
            events.append({"type": "TEXT_MESSAGE_START", "messageId": self._open_message, "role": "assistant"})
        if delta:
            events.append({"type": "TEXT_MESSAGE_CONTENT", "messageId": self._open_message, "delta": delta})
        return events

    @property
    def message_open(self) -> bool:
        """Whether the agent has begun a message that nobody has ended."""
        return self._open_message is not None

    def _closing_events(self) -> list[Event]:
        if self._open_message is None:
            return []
        event = {"type": "TEXT_MESSAGE_END", "messageId": self._open_message}
        self._open_message = None
        return [event]

    def _progress_event(self, done: int, total: int | None, label: str) -> Event:
        return {
            "type": "ACTIVITY_SNAPSHOT",
            "messageId": self._progress_id,
            "activityType": "runwire.progress",
            "content": {"done": done, "total": total, "label": label},
            "replace": True,
        }


class LiveRunContext(LiveDialogue, _Facts):
    """Implements ``contracts.agent.RunContext``."""

    def __init__(
        self,
        claimed: ClaimedRun,
        emitter: UserWebSocketEmitter,
        stop: StopToken,
        questions: Questions,
        family: Family,
        services: RunServices,
        loop: asyncio.AbstractEventLoop,
        limits: RunLimits,
    ) -> None:
        """``loop`` is the runner's: the only one on which the context may be used."""
        super().__init__(claimed, emitter, stop, questions)
        emitter.appender.bind(loop)
        self.family = family
        """Its relatives, for whoever stands in for an agent."""
        self._services = services
        self._limits = limits
        self._until_yield = YIELD_EVERY

    @property
    def forked_from(self) -> LiveForkedRun | None:
        """The run that this one is a fork of."""
        original = original_of(self._claimed)
        return None if original is None else LiveForkedRun(*original, self.family)

    @property
    def artifacts(self) -> LiveRunArtifacts:
        """The run's stored files."""
        return LiveRunArtifacts(self, self._services.artifacts, self._emitter, self._limits)

    @property
    def files(self) -> LiveRunFiles:
        """The files of the run's owner."""
        return LiveRunFiles(self.user_id, self._services.files)

    @property
    def traversal(self) -> LiveRunTraversal:
        """Where a browser run keeps what it did, step by step."""
        return LiveRunTraversal(self.run_id, self._services.traversals)

    @property
    def browser(self) -> BrowserPool:
        """The server's browsers. Raises BrowserUnavailable."""
        pool = self._services.browser()
        if pool is None:
            raise BrowserUnavailable(
                "this server has no browser support; install it with: pip install 'runwire[browser]'"
            )
        return pool

    @property
    def model(self) -> ChatModel:
        """The server's model, within the run's limits."""
        return self._services.model

    @property
    def sentences(self) -> LiveRunSentences:
        """What models have made of sentences of the owner's browser tests."""
        return LiveRunSentences(self.user_id, self._services.sentences)

    async def emit(self, event: Event) -> None:
        """Append one AG-UI event; see the contract."""
        if not self._emitter.offer(event):
            await self._emitter.appender.wait_accepting()
        self._until_yield -= 1
        if self._until_yield <= 0:
            self._until_yield = YIELD_EVERY
            await asyncio.sleep(0)

    async def text(self, delta: str, *, message_id: str | None = None) -> None:
        """Append ``delta`` to the answer."""
        for event in self._text_events(delta, message_id):
            await self.emit(event)

    async def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        """Publish how far the run is."""
        await self.emit(self._progress_event(done, total, label))

    async def start(
        self,
        agent: str,
        input: Any = None,
        *,
        key: str | None = None,
        priority: str = "normal",
        timeout_s: float | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> LiveChildRun:
        """Start another run; see the contract."""
        wish = wish_for(agent, input, key, priority, timeout_s, limits)
        return LiveChildRun(await self.family.ask("family.start", **wish), self.family)

    async def flush(self) -> int:
        """Return the last committed ``seq`` once everything emitted so far is committed."""
        return await self._emitter.appender.flush()

    async def close_message(self) -> None:
        """End a message that the agent left open; called by the runner."""
        for event in self._closing_events():
            await self.emit(event)


class LiveRunArtifacts:
    """Implements ``contracts.artifacts.RunArtifacts``."""

    def __init__(
        self, context: LiveRunContext, store: ArtifactSaver, emitter: UserWebSocketEmitter, limits: RunLimits
    ) -> None:
        self._context = context
        self._store = store
        self._emitter = emitter
        self._limits = limits

    async def save(self, *, kind: str, name: str, mime: str, data: bytes, announce: bool = True) -> Artifact:
        """Store ``data`` durably, then announce it in the log."""
        save = partial(self._store.save, kind=kind, name=name, mime=mime, data=data, limits=self._limits)
        try:
            artifact = await asyncio.to_thread(save, self._context.run_id)
        except LimitExceeded as error:
            self._emitter.exceeded = error
            raise
        if announce:
            await self._context.emit(artifact.as_event())
        return artifact


class LiveRunTraversal:
    """Implements ``contracts.traversals.RunTraversal``."""

    def __init__(self, run_id: str, store: TraversalSaver) -> None:
        self._run_id = run_id
        self._store = store

    async def save(self, task: str, traversal: Traversal) -> None:
        """Write the run's traversal anew, durably."""
        await asyncio.to_thread(self._store.save, self._run_id, task, traversal)


class LiveRunSentences:
    """Implements ``contracts.sentences.RunSentences``."""

    def __init__(self, owner_id: str, store: SentenceStore) -> None:
        self._owner_id = owner_id
        self._store = store

    async def recall(self, key: SentenceKey) -> Reading | None:
        """Return what the sentence was read as, or None."""
        return await asyncio.to_thread(self._store.recall, self._owner_id, key)

    async def remember(self, key: SentenceKey, reading: Reading) -> None:
        """Keep a reading."""
        await asyncio.to_thread(self._store.remember, self._owner_id, key, reading)


class BlockingRunContext(BlockingDialogue, _Facts):
    """Implements ``contracts.agent.SyncRunContext``: each call blocks the run's own thread, and nobody else."""

    def __init__(
        self,
        claimed: ClaimedRun,
        emitter: UserWebSocketEmitter,
        stop: StopToken,
        questions: Questions,
        family: Family,
        services: RunServices,
    ) -> None:
        super().__init__(claimed, emitter, stop, questions)
        self._family = family
        self._services = services

    @property
    def files(self) -> BlockingRunFiles:
        """The files of the run's owner."""
        return BlockingRunFiles(self.user_id, self._services.files)

    @property
    def forked_from(self) -> BlockingForkedRun | None:
        """The run that this one is a fork of."""
        original = original_of(self._claimed)
        return None if original is None else BlockingForkedRun(*original, self._family)

    def emit(self, event: Event) -> None:
        """Append one AG-UI event; waits while the window is full."""
        if not self._emitter.offer(event):
            self._emitter.appender.wait_accepting_blocking(BLOCKING_TIMEOUT_S)

    def text(self, delta: str, *, message_id: str | None = None) -> None:
        """Append ``delta`` to the answer."""
        for event in self._text_events(delta, message_id):
            self.emit(event)

    def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        """Publish how far the run is."""
        self.emit(self._progress_event(done, total, label))

    def start(
        self,
        agent: str,
        input: Any = None,
        *,
        key: str | None = None,
        priority: str = "normal",
        timeout_s: float | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> BlockingChildRun:
        """Start another run; see the contract."""
        wish = wish_for(agent, input, key, priority, timeout_s, limits)
        return BlockingChildRun(self._family.ask_blocking("family.start", **wish), self._family)

    def flush(self) -> int:
        """Return the last committed ``seq`` once everything emitted so far is committed."""
        return self._emitter.appender.flush_blocking(BLOCKING_TIMEOUT_S)

    def close_message(self) -> None:
        """End a message that the agent left open; called by the runner."""
        for event in self._closing_events():
            self.emit(event)
