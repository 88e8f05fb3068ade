"""The run context that an agent under test is called with: it remembers. Floor 9; runs on the loop of the test."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from runwire.contracts.agent import Approval, Event, InputExpired
from runwire.contracts.artifacts import Artifact
from runwire.contracts.browser import BrowserPool
from runwire.contracts.family import ChildRun
from runwire.contracts.model import NOT_CONFIGURED, ChatModel
from runwire.contracts.steering import InboxMessage
from runwire.errors import BrowserUnavailable, LimitExceeded, ModelUnavailable
from runwire.protocol.readings import Reading, SentenceKey
from runwire.protocol.traversal import Traversal
from runwire.testing.files import GivenFiles
from runwire.testing.model import ScriptedChatModel


@dataclass(eq=False)
class RecordingArtifacts:
    """Fills RunArtifacts: keeps what was saved, by id; ``refuse`` is raised instead if set."""

    announce: Callable[[Event], None]
    saved: dict[str, bytes] = field(default_factory=dict)
    refuse: Exception | None = None

    async def save(self, *, kind: str, name: str, mime: str, data: bytes, announce: bool = True) -> Artifact:
        """Keep it."""
        if self.refuse is not None:
            raise self.refuse
        made = Artifact(f"artifact{len(self.saved) + 1}", "run", kind, name, mime, len(data), f"/a/{name}")
        self.saved[made.id] = data
        if announce:
            self.announce(made.as_event())
        return made


@dataclass(eq=False)
class RecordingTraversal:
    """Fills RunTraversal: keeps every traversal that was saved; ``refuse`` is raised instead if set."""

    saved: list[Traversal] = field(default_factory=list)
    tasks: set[str] = field(default_factory=set)
    refuse: Exception | None = None

    async def save(self, task: str, traversal: Traversal) -> None:
        """Keep it."""
        if self.refuse is not None:
            raise self.refuse
        self.tasks.add(task)
        self.saved.append(traversal)


class ScriptedInbox:
    """Fills RunInbox: gives the messages that the test has laid out, then waits for nothing."""

    def __init__(self) -> None:
        self.messages: deque[InboxMessage] = deque()

    async def __aiter__(self) -> AsyncIterator[InboxMessage]:
        """Yield what is left."""
        while self.messages:
            yield self.messages.popleft()

    async def receive(self, timeout_s: float | None = None) -> InboxMessage | None:
        """Return the first message; None when none is left."""
        return await self.poll()

    async def poll(self) -> InboxMessage | None:
        """The same."""
        return self.messages.popleft() if self.messages else None


@dataclass(eq=False)
class RecordingSentences:
    """Fills RunSentences: keeps readings in memory; share one between contexts to have runs after each other."""

    kept: dict[SentenceKey, Reading] = field(default_factory=dict)

    async def recall(self, key: SentenceKey) -> Reading | None:
        """Return what was kept."""
        return self.kept.get(key)

    async def remember(self, key: SentenceKey, reading: Reading) -> None:
        """Keep it."""
        self.kept[key] = reading


class RecordingContext:
    """Fills RunContext: remembers what an agent says."""

    def __init__(
        self,
        pool: BrowserPool | None = None,
        run_id: str = "testrun00000000000000001",
        model: ChatModel | None = None,
    ) -> None:
        self.run_id = run_id
        self.thread_id = "thread"
        self.user_id = "user"
        self.attempt = 1
        self.cancelled = False
        self.events: list[Event] = []
        self.forked_from = None
        self.said: list[str] = []
        self.steps_done: list[tuple[int, int | None, str]] = []
        self.asked: list[str] = []
        self.answers: deque[Any] = deque()
        self.inbox = ScriptedInbox()
        self.artifacts = RecordingArtifacts(self.events.append)
        self.traversal = RecordingTraversal()
        self.files = GivenFiles()
        self.sentences = RecordingSentences()
        self._pool = pool
        self.model = model or ScriptedChatModel([ModelUnavailable(NOT_CONFIGURED)], reason=NOT_CONFIGURED)

    @property
    def browser(self) -> BrowserPool:
        """The pool that the test gave. Raises BrowserUnavailable if it gave none."""
        if self._pool is None:
            raise BrowserUnavailable("the test gave no browser")
        return self._pool

    @property
    def text_lines(self) -> list[str]:
        """The lines of the answer."""
        return "".join(self.said).splitlines()

    async def emit(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    async def text(self, delta: str, *, message_id: str | None = None) -> None:
        """Keep the text."""
        self.said.append(delta)

    async def progress(self, done: int, total: int | None = None, label: str = "") -> None:
        """Keep the progress."""
        self.steps_done.append((done, total, label))

    async def start(self, agent: str, input: Any = None, **options: Any) -> ChildRun:
        """Refuse: a test of more than one run wants a server."""
        raise LimitExceeded(f"a recording context starts no run, asked for {agent!r}", limit="children_per_run")

    async def flush(self) -> int:
        """Return how many events there were."""
        return len(self.events)

    async def step(self, key: str, function: Callable[[], Any]) -> Any:
        """Call the function each time: a test has one attempt."""
        result = function()
        return await result if inspect.isawaitable(result) else result

    async def ask(
        self,
        question: str,
        *,
        schema: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Any:
        """Return the first of the answers that the test has laid out. Raises InputExpired when none is left."""
        self.asked.append(question)
        if not self.answers:
            raise InputExpired(f"the test gave no answer to {question!r}")
        return self.answers.popleft()

    async def approve(
        self,
        tool_call: Mapping[str, Any],
        *,
        message: str | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
    ) -> Approval:
        """Return the first of the answers, an Approval. Raises InputExpired when none is left."""
        return cast("Approval", await self.ask(message or str(tool_call["name"])))
