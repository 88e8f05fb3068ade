"""A double for the inside of browser code: browsers without Chromium. Floor 9; runs on the loop of the test.

:class:`ScriptedBrowser` fills the inner ports, so that the real pool and host run on it: each part can be told to
fail, to hang, or to stay silent.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from runwire.browser.egress_policy import EgressPolicy
from runwire.browser.ports import ContextPort, DriverPort, LaunchSpec, PagePort, ShellPort, Shot
from runwire.browser.secrets import HttpSecret
from runwire.contracts.browser import BrowserConfig, Download, ElementFacts, Extraction, Recording, Snapshot
from runwire.errors import BrowserError, BrowserLost
from runwire.protocol.steps.actions import Action, Remember
from runwire.protocol.steps.target import Target
from runwire.protocol.view import Input

PNG = b"\x89PNG\r\n\x1a\nscripted"
"""What a scripted page's screenshot is."""

JPEG = b"\xff\xd8\xff\xe0scripted"
"""What a scripted page's live view is."""


@dataclass
class ScriptedBrowser:
    """The driver and all its browsers; its :meth:`start_driver` is what a pool or a host is given.

    ``hanging`` names operations that do not return until :meth:`resume` (``start``, ``launch``, ``context``, ``page``,
    ``listen``, ``probe``, ``driver.probe``, ``page.close``, ``context.close``, ``browser.close``, ``driver.close``),
    ``failing`` those that raise what it maps them to. Both may be changed at any time. ``calls`` counts what was asked,
    ``order`` lists what was closed, ``answers`` maps an action to what performing it raises; ``configs`` is what
    contexts were made with, ``launched`` what browsers were; ``port`` is where they say that they listen.
    """

    hanging: set[str] = field(default_factory=set)
    failing: dict[str, Exception] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    answers: dict[Action, Exception] = field(default_factory=dict)
    parts: list[ScriptedPart] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    configs: list[tuple[BrowserConfig, HttpSecret | None]] = field(default_factory=list)
    launched: list[LaunchSpec] = field(default_factory=list)
    port: int = 9

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
        self.browser.launched.append(spec)
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

    async def cdp_url(self) -> str:
        """Return an address that nobody listens at."""
        await self.op("listen")
        return f"ws://127.0.0.1:{self.browser.port}/devtools/browser/scripted"

    async def new_context(self, config: BrowserConfig, proxy: str, secret: HttpSecret | None) -> ContextPort:
        """Make a context."""
        await self.op("context")
        self.browser.configs.append((config, secret))
        return ScriptedContext(self.browser, "context", self)

    async def probe(self) -> None:
        """Answer, unless told not to."""
        await self.op("probe")

    def discard(self) -> bool:
        """Count it."""
        self.browser.calls["browser.discard"] += 1
        return False


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

    async def begin_trace(self) -> None:
        """Begin."""
        await self.op("trace.begin")

    async def end_trace(self, *, keep: bool) -> bytes | None:
        """End, with a trace if it is to be kept."""
        await self.op("trace.end")
        return b"trace" if keep else None

    async def keep_downloads(self) -> None:
        """Begin to keep none."""
        await self.op("downloads")

    async def downloads(self, end_s: float | None) -> list[Download]:
        """Return none."""
        return []

    def downloading(self) -> tuple[str, ...]:
        """Return none."""
        return ()

    def discard(self) -> None:
        """Count it."""
        self.browser.calls["discard"] += 1


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

    async def snapshot(self, timeout_s: float) -> Snapshot:
        """Return a snapshot with one button."""
        await self.op("snapshot")
        return Snapshot("about:blank", "Scripted page", '- button "Go" [ref=e1]')

    async def element(self, reference: str, timeout_s: float) -> ElementFacts:
        """Return that button."""
        await self.op("element")
        return ElementFacts(Target("Go", "role", "button"), "button", "Go")

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
