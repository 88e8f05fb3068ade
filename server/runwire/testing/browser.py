"""Doubles for browser code: a browser without Chromium, and a run context that remembers. Floor 9.

:class:`ScriptedBrowser` fills the inner ports, so that the real pool and host run on it: each part can be told to
fail, to hang, or to stay silent. :class:`ScriptedPool` fills the outer contract, for agents. :class:`RecordingContext`
is what an agent is called with. All run on the loop of the test.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from runwire.browser.egress_policy import EgressPolicy
from runwire.browser.ports import ContextPort, DriverPort, LaunchSpec, PagePort, ShellPort, Shot
from runwire.browser.secrets import HttpSecret
from runwire.contracts.agent import Approval, Event, InputExpired
from runwire.contracts.artifacts import Artifact
from runwire.contracts.browser import BrowserConfig, BrowserLease, BrowserPool, Extraction, PageHandle, Recording
from runwire.contracts.family import ChildRun
from runwire.contracts.steering import InboxMessage
from runwire.errors import BrowserError, BrowserLost, BrowserUnavailable, LimitExceeded
from runwire.protocol.steps.actions import Action, Remember
from runwire.protocol.traversal import Traversal
from runwire.protocol.view import Input
from runwire.testing.files import GivenFiles

PNG = b"\x89PNG\r\n\x1a\nscripted"
"""What a scripted page's screenshot is."""

JPEG = b"\xff\xd8\xff\xe0scripted"
"""What a scripted page's live view is."""


@dataclass
class ScriptedBrowser:
    """The driver and all its browsers; its :meth:`start_driver` is what a pool or a host is given.

    ``hanging`` names operations that do not return until :meth:`resume` (``start``, ``launch``, ``context``, ``page``,
    ``probe``, ``driver.probe``, ``page.close``, ``context.close``, ``browser.close``, ``driver.close``), ``failing``
    those that raise what it maps them to. Both may be changed at any time. ``calls`` counts what was asked, ``order``
    lists what was closed, ``answers`` maps an action to what performing it raises; ``configs`` is what contexts were
    made with.
    """

    hanging: set[str] = field(default_factory=set)
    failing: dict[str, Exception] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    answers: dict[Action, Exception] = field(default_factory=dict)
    parts: list[ScriptedPart] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    configs: list[tuple[BrowserConfig, HttpSecret | None]] = field(default_factory=list)

    async def start_driver(self) -> DriverPort:
        """Start the scripted driver."""
        await self.op("start")
        return ScriptedDriver(self, "driver", None)

    @property
    def shells(self) -> list[ScriptedShell]:
        """The browsers that were launched, in order."""
        return [part for part in self.parts if isinstance(part, ScriptedShell)]

    @property
    def open(self) -> Counter[str]:
        """How many of each part are open: a part ends with the one that it belongs to."""
        return Counter(part.kind for part in self.parts if part.alive)

    def resume(self, name: str) -> None:
        """Let a hanging operation go on, and those that come after it."""
        self.hanging.discard(name)
        if name in self.gates:
            self.gates.pop(name).set()

    async def op(self, name: str) -> None:
        """Count an operation, then hang, fail or go on as told. Gives up the loop once, as a real one does."""
        self.calls[name] += 1
        await asyncio.sleep(0)
        if name in self.hanging:
            await self.gates.setdefault(name, asyncio.Event()).wait()
        if name in self.failing:
            raise self.failing[name]


@dataclass(eq=False)
class ScriptedPart:
    """What driver, browser, context and page have in common."""

    browser: ScriptedBrowser
    kind: str
    parent: ScriptedPart | None
    closed: bool = False
    pid: int | None = None

    def __post_init__(self) -> None:
        """Join the parts that are counted."""
        self.browser.parts.append(self)

    @property
    def alive(self) -> bool:
        """Whether neither it nor what it belongs to was closed."""
        return not self.closed and (self.parent is None or self.parent.alive)

    async def close(self) -> None:
        """Close it; it counts as closed once the close has come through."""
        self.browser.order.append(self.kind)
        await self.browser.op(f"{self.kind}.close")
        self.closed = True

    async def op(self, name: str) -> None:
        """Do something. Raises BrowserLost if the part is gone."""
        if not self.alive:
            raise BrowserLost(f"the scripted {self.kind} is gone")
        await self.browser.op(name)


class ScriptedDriver(ScriptedPart):
    """Fills DriverPort."""

    async def launch(self, spec: LaunchSpec) -> ShellPort:
        """Launch a scripted browser."""
        await self.op("launch")
        return ScriptedShell(self.browser, "browser", self)

    async def probe(self) -> None:
        """Answer, unless told not to."""
        await self.op("driver.probe")

    async def stop(self) -> None:
        """End."""
        await self.close()


class ScriptedShell(ScriptedPart):
    """Fills ShellPort. Setting ``closed`` is its sudden death."""

    @property
    def connected(self) -> bool:
        """Whether it is alive."""
        return self.alive

    async def new_context(self, config: BrowserConfig, proxy: str, secret: HttpSecret | None) -> ContextPort:
        """Make a context."""
        await self.op("context")
        self.browser.configs.append((config, secret))
        return ScriptedContext(self.browser, "context", self)

    async def probe(self) -> None:
        """Answer, unless told not to."""
        await self.op("probe")


class ScriptedContext(ScriptedPart):
    """Fills ContextPort."""

    async def new_page(self) -> PagePort:
        """Open a page."""
        await self.op("page")
        return ScriptedPage(self.browser, "page", self)

    def record(self) -> None:
        """Record nothing."""

    def recorded(self) -> Recording:
        """Return an empty recording."""
        return Recording(b"", b"")


@dataclass(eq=False)
class ScriptedPage(ScriptedPart):
    """Fills PagePort."""

    visited: list[str] = field(default_factory=list)
    performed: list[Action] = field(default_factory=list)
    used: list[Input] = field(default_factory=list)
    show: Callable[[Shot], None] | None = None

    async def goto(self, url: str, timeout_s: float) -> int:
        """Note the address."""
        await self.op("goto")
        self.visited.append(url)
        return 200

    async def perform(self, action: Action, timeout_s: float) -> str | None:
        """Note the action, or raise what the script says; a ``Remember`` reads ``remembered``."""
        await self.op("perform")
        self.performed.append(action)
        if action in self.browser.answers:
            raise self.browser.answers[action]
        return "remembered" if isinstance(action, Remember) else None

    async def title(self) -> str:
        """Return a title."""
        await self.op("title")
        return "Scripted page"

    async def url(self) -> str:
        """Return the last address."""
        await self.op("url")
        return self.visited[-1] if self.visited else "about:blank"

    async def text(self) -> str:
        """Return some text."""
        await self.op("text")
        return "Scripted text"

    async def screenshot(self, timeout_s: float) -> bytes:
        """Return a picture."""
        await self.op("screenshot")
        return PNG

    async def extract(self, what: Extraction, timeout_s: float) -> list[dict[str, str]]:
        """Return no item."""
        await self.op("extract")
        return []

    async def cast(self, show: Callable[[Shot], None]) -> None:
        """Film: :attr:`show` takes what the script shows; one picture comes by itself."""
        await self.op("cast")
        self.show = show
        show(Shot(1280, 720, JPEG, filmed=True))

    async def uncast(self) -> None:
        """Stop filming."""
        self.show = None
        await self.op("uncast")

    async def still(self, timeout_s: float) -> Shot:
        """Photograph."""
        await self.op("still")
        return Shot(1280, 720, JPEG, filmed=False)

    async def use(self, what: Input) -> None:
        """Note what a person does."""
        await self.op("use")
        self.used.append(what)


@dataclass(eq=False)
class ScriptedEgress:
    """Fills EgressPort without a socket: what is admitted may go anywhere."""

    url: str = "http://proxy.test:1"
    denied: list[str] = field(default_factory=list)
    policy: EgressPolicy | None = None

    async def start(self) -> None:
        """Do nothing."""

    def admit(self, policy: EgressPolicy) -> None:
        """Keep the policy."""
        self.policy = policy

    async def check(self, url: str) -> None:
        """Raises BrowserError while no run was admitted."""
        if self.policy is None:
            raise BrowserError("the context belongs to no run yet")

    async def close(self) -> None:
        """Do nothing."""


@dataclass(eq=False)
class ScriptedPool:
    """Fills BrowserPool for an agent under test. ``answers`` maps an action to what performing it raises."""

    answers: Mapping[Action, Exception] = field(default_factory=dict)
    sample_origin: str | None = "http://samples.test"
    unavailable: str | None = None
    full: str | None = None
    pages: list[PageHandle] = field(default_factory=list)
    open: Counter[str] = field(default_factory=Counter)
    configs: list[BrowserConfig] = field(default_factory=list)

    def unavailable_reason(self) -> str | None:
        """Return what the script says."""
        return self.unavailable

    def full_reason(self) -> str | None:
        """Return what the script says."""
        return self.full

    def handle(self) -> PageHandle:
        """Return the handle that the next page is; a subclass may give another."""
        return ScriptedHandle(self.answers)

    @asynccontextmanager
    async def lease(
        self, run_id: str, config: BrowserConfig, *, limit: asyncio.Timeout | None = None
    ) -> AsyncIterator[BrowserLease]:
        """Lend a scripted context."""
        if self.unavailable is not None:
            raise BrowserUnavailable(self.unavailable)
        self.open["lease"] += 1
        self.configs.append(config)
        try:
            yield _ScriptedLease(self)
        finally:
            self.open["lease"] -= 1


@dataclass(eq=False)
class _ScriptedLease:
    pool: ScriptedPool

    async def record(self) -> None:
        """Do nothing."""

    async def recorded(self) -> Recording:
        """Return a line of each."""
        return Recording(b'{"type":"log"}\n', b'{"status":200}\n')

    @asynccontextmanager
    async def page(self) -> AsyncIterator[PageHandle]:
        """Open a scripted page."""
        handle = self.pool.handle()
        self.pool.pages.append(handle)
        self.pool.open["page"] += 1
        try:
            yield handle
        finally:
            self.pool.open["page"] -= 1


@dataclass(eq=False)
class ScriptedHandle:
    """Fills PageHandle; ``log`` holds addresses and actions in the order in which they came."""

    answers: Mapping[Action, Exception]
    log: list[str | Action] = field(default_factory=list)

    async def goto(self, url: str, *, timeout_s: float) -> int:
        """Note the address."""
        self.log.append(url)
        return 200

    async def perform(self, action: Action, *, timeout_s: float) -> str | None:
        """Note the action, or raise what the script says; a ``Remember`` reads ``remembered``."""
        self.log.append(action)
        if action in self.answers:
            raise self.answers[action]
        return "remembered" if isinstance(action, Remember) else None

    async def title(self, *, timeout_s: float = 5.0) -> str:
        """Return a title."""
        return "Scripted page"

    async def url(self, *, timeout_s: float = 5.0) -> str:
        """Return the last address."""
        return next((entry for entry in reversed(self.log) if isinstance(entry, str)), "about:blank")

    async def text(self, *, timeout_s: float = 5.0) -> str:
        """Return some text."""
        return "Scripted text"

    async def screenshot(self, *, timeout_s: float = 5.0) -> bytes:
        """Return a picture."""
        return PNG

    async def extract(self, what: Extraction, *, timeout_s: float) -> list[dict[str, str]]:
        """Return no item; a subclass may have some."""
        return []


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


class RecordingContext:
    """Fills RunContext: remembers what an agent says."""

    def __init__(self, pool: BrowserPool | None = None, run_id: str = "testrun00000000000000001") -> None:
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
        self._pool = pool

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
