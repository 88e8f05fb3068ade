"""Which agents there are: entry points ``runwire.agents`` and ``--agents module:attribute``. Floor 4; filled at start-
up.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Literal, TypeVar, get_args

import msgspec

from runwire.agents.shapes import ValueShape, annotated_input, annotated_result, shape_of
from runwire.errors import ConfigurationError, InvalidInput, UnknownSentence
from runwire.runs.limits import RunLimits
from runwire.runs.retry import RetryPolicy

GROUP = "runwire.agents"
S = TypeVar("S", RetryPolicy, RunLimits)

Isolation = Literal["thread", "process"]
"""Where an agent's runs are executed: on a thread of the server, or in a process each."""


class AgentStyle(StrEnum):
    """How an agent is called."""

    COROUTINE = "async function"
    GENERATOR = "async generator"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One registered agent.

    ``make`` returns a callable ``(ctx, input)`` for one run: the function itself, or the bound ``run`` of a fresh
    instance. ``validate`` raises InvalidInput for input that the agent would refuse, before anything is stored.
    ``recoverable``: may be called again from the start with the same input. ``release_while_waiting``: the run gives
    its slot to another while it waits for a person, and waits for one again before it goes on. ``timeout_s`` overrides
    the server's default, in seconds, ``isolation`` its choice of where runs are executed; ``limits`` tighten the
    server's. ``retry`` says which pauses lie between the attempts of a run that fails for a retryable reason; None:
    there is one attempt. ``version`` is recorded on each run. ``max_running``: how many of its runs may be executed at
    once; None: as many as the server's. ``returns`` is the shape that every result must have. ``forkable``: can begin
    behind an entry of an earlier run.
    ``needs_model``: cannot do its work where no model is configured; ``needs_whole_browser``: nor in a headless shell;
    ``unavailable`` returns what else keeps it from that here, with what mends it, or None. ``listens``: its runs take
    messages (``ctx.inbox``) from the moment they are stored.
    """

    name: str
    make: Callable[[], Callable[..., Any]]
    style: AgentStyle
    description: str = ""
    input_schema: dict[str, Any] | None = None
    validate: Callable[[Any], None] | None = None
    recoverable: bool = False
    needs_browser: bool = False
    needs_whole_browser: bool = False
    needs_model: bool = False
    unavailable: Callable[[], str | None] | None = None
    timeout_s: float | None = None
    version: str | None = None
    retry: RetryPolicy | None = None
    limits: RunLimits | None = None
    max_running: int | None = None
    release_while_waiting: bool = False
    isolation: Isolation | None = None
    returns: ValueShape | None = None
    forkable: bool = False
    listens: bool = False

    def check(self, value: Any) -> UnknownSentence | None:
        """Refuse input that the agent would refuse; return what of it only a model could read. Raises InvalidInput."""
        try:
            if self.validate is not None:
                self.validate(value)
        except UnknownSentence as unread:
            return unread
        return None

    def __post_init__(self) -> None:
        if self.max_running is not None and self.max_running < 1:
            raise ConfigurationError(f"the agent {self.name!r}: max_running must be 1 or more, got {self.max_running}")


def spec_of(target: Any, name: str | None = None) -> AgentSpec:
    """Describe an agent: an async function, an async generator function, a plain function, or a class with ``run``.

    Attributes that it may carry: ``name``, ``description`` (else the docstring's first line), ``input_schema``,
    ``result_schema``, ``validate_input``, ``recoverable``, ``forkable``, ``needs_browser``, ``needs_whole_browser``,
    ``needs_model``, ``unavailable_reason``, ``timeout_s``, ``version``, ``retry``, ``limits``, ``max_running``,
    ``release_while_waiting``, ``isolation``, ``listens``. A schema is a dict or a type; without one, a structure in the
    annotation counts.

    Raises:
        ConfigurationError: it is none of these.
    """
    call: Any = getattr(target, "run", None) if inspect.isclass(target) else target
    if not callable(call):
        raise ConfigurationError(
            f"{target!r} is no agent: give a function (ctx, input) or a class with run(ctx, input)"
        )
    make = partial(_instance_call, target) if inspect.isclass(target) else partial(_same, target)
    chosen = name or getattr(target, "name", None) or target.__name__.replace("_", "-")
    takes = _input_shape(target, call, chosen)
    if takes is not None and takes.kind is not None:
        make = partial(_building, make, takes)
    documentation = (inspect.getdoc(target) or "").strip().split("\n", 1)[0]
    return AgentSpec(
        name=chosen,
        make=make,
        style=_style(call),
        description=getattr(target, "description", None) or documentation,
        input_schema=getattr(target, "input_schema", None) if takes is None else takes.schema,
        validate=_validate(target, takes),
        returns=shape_of(getattr(target, "result_schema", None) or annotated_result(call), chosen, "result_schema"),
        forkable=bool(getattr(target, "forkable", False)),
        recoverable=bool(getattr(target, "recoverable", False)),
        needs_browser=bool(getattr(target, "needs_browser", False)),
        needs_whole_browser=bool(getattr(target, "needs_whole_browser", False)),
        needs_model=bool(getattr(target, "needs_model", False)),
        unavailable=getattr(target, "unavailable_reason", None),
        timeout_s=getattr(target, "timeout_s", None),
        version=_version(target),
        retry=_declared(chosen, "retry", getattr(target, "retry", None), RetryPolicy),
        limits=_declared(chosen, "limits", getattr(target, "limits", None), RunLimits),
        max_running=getattr(target, "max_running", None),
        release_while_waiting=bool(getattr(target, "release_while_waiting", False)),
        isolation=_isolation(target),
        listens=bool(getattr(target, "listens", False)),
    )


def _input_shape(target: Any, call: Callable[..., Any], agent: str) -> ValueShape | None:
    declared = getattr(target, "input_schema", None)
    if isinstance(declared, dict) and hasattr(target, "validate_input"):
        return None  # the agent's own check knows more than its schema, and says it better
    return shape_of(declared if declared is not None else annotated_input(call), agent, "input_schema")


def _validate(target: Any, takes: ValueShape | None) -> Callable[[Any], None] | None:
    own: Callable[[Any], None] | None = getattr(target, "validate_input", None)
    return own if takes is None else partial(_check_both, takes, own)


def _check_both(takes: ValueShape, own: Callable[[Any], None] | None, value: Any) -> None:
    takes.check(value, "the input")
    if own is not None:
        own(value)


def _building(make: Callable[[], Callable[..., Any]], takes: ValueShape) -> Callable[..., Any]:
    call = make()
    return lambda ctx, value: call(ctx, takes.build(value, "the input"))


def _version(target: Any) -> str | None:
    version = getattr(target, "version", None)
    return None if version is None else str(version)


def _declared(agent: str, name: str, value: Any, shape: type[S]) -> S | None:
    """Return an attribute that an agent gives as ``shape`` or as a dict of its fields."""
    try:
        return None if value is None else msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the agent {agent!r} has a wrong {name}: {error}") from error


def _isolation(target: Any) -> Isolation | None:
    given = getattr(target, "isolation", None)
    if given is not None and given not in get_args(Isolation):
        known = ", ".join(map(repr, get_args(Isolation)))
        raise ConfigurationError(f"{target!r} has isolation={given!r}; it is one of {known}")
    isolation: Isolation | None = given
    return isolation


def _instance_call(target: Callable[[], Any]) -> Callable[..., Any]:
    call: Callable[..., Any] = target().run
    return call


def _same(target: Callable[..., Any]) -> Callable[..., Any]:
    return target


def _style(call: Callable[..., Any]) -> AgentStyle:
    if inspect.isasyncgenfunction(call):
        return AgentStyle.GENERATOR
    if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__):
        return AgentStyle.COROUTINE
    return AgentStyle.FUNCTION


class AgentRegistry:
    """The agents of one server, by name. Read-only once the server runs."""

    def __init__(self, specs: Iterable[AgentSpec] = (), *, isolation: Isolation = "thread") -> None:
        """``isolation`` is that of agents which name none."""
        self._isolation = isolation
        self._specs: dict[str, AgentSpec] = {}
        for spec in specs:
            self.add(spec)

    def add(self, spec: AgentSpec) -> None:
        """Register one agent. Raises ConfigurationError for a second one of the same name."""
        if spec.name in self._specs:
            raise ConfigurationError(f"two agents are named {spec.name!r}; give one of them another name")
        self._specs[spec.name] = spec

    def get(self, name: str) -> AgentSpec:
        """Return the agent of that name. Raises InvalidInput that lists the names there are."""
        try:
            return self._specs[name]
        except KeyError:
            raise InvalidInput(
                f"unknown agent {name[:60]!r}; known: {', '.join(self._specs)}", agent=name[:60]
            ) from None

    def find(self, name: str) -> AgentSpec | None:
        """Return the agent of that name; None for one that is no longer there."""
        return self._specs.get(name)

    def isolation(self, name: str) -> Isolation:
        """Return where the agent's runs are executed; on a thread if it is no longer there: that tells it so."""
        spec = self._specs.get(name)
        return (spec.isolation if spec is not None else None) or self._isolation

    def isolated(self) -> list[AgentSpec]:
        """Return the agents whose runs have a process each."""
        return [spec for spec in self if self.isolation(spec.name) == "process"]

    def needs_browser(self, name: str) -> bool:
        """Return whether the agent's runs use a browser; False for one that is no longer there."""
        spec = self._specs.get(name)
        return spec is not None and spec.needs_browser

    @property
    def browser_agents(self) -> frozenset[str]:
        """The agents whose runs use a browser."""
        return frozenset(spec.name for spec in self._specs.values() if spec.needs_browser)

    def running_limits(self, overrides: Iterable[str]) -> dict[str, int]:
        """Return how many runs of single agents may be executed at once; ``overrides`` are ``name=count``.

        Raises:
            ConfigurationError: an override is none, or names an agent that is not there.
        """
        limits = {spec.name: spec.max_running for spec in self._specs.values() if spec.max_running is not None}
        for text in overrides:
            name, _, count = text.partition("=")
            if not (count.isascii() and count.isdigit() and int(count) > 0):
                raise ConfigurationError(f"agent_max_running takes agent=count, count 1 or more; got {text!r}")
            if name not in self._specs:
                raise ConfigurationError(f"agent_max_running names {name!r}; known agents: {', '.join(self._specs)}")
            limits[name] = int(count)
        return limits

    def recoverable(self, name: str) -> bool:
        """Return whether the agent's runs may be called again from the start; False for one that is no longer there."""
        spec = self._specs.get(name)
        return spec is not None and spec.recoverable

    def __contains__(self, name: str) -> bool:
        return name in self._specs

    def __iter__(self) -> Iterator[AgentSpec]:
        return iter(sorted(self._specs.values(), key=lambda spec: spec.name))


def load_agents(paths: Iterable[str], isolation: Isolation) -> AgentRegistry:
    """Return the installed agents and those named as ``module:attribute``. Raises ConfigurationError."""
    registry = AgentRegistry(installed_agents(), isolation=isolation)
    for path in paths:
        registry.add(named_agent(path))
    return registry


def installed_agents() -> Iterator[AgentSpec]:
    """Yield the agents that installed distributions declare."""
    for entry in entry_points(group=GROUP):
        try:
            spec = spec_of(entry.load(), entry.name)
            distribution = entry.dist.version if entry.dist is not None else None
            yield replace(spec, version=spec.version or distribution)
        except ImportError as error:
            raise ConfigurationError(f"the agent {entry.name!r} ({entry.value}) cannot be imported: {error}") from error


def named_agent(path: str) -> AgentSpec:
    """Return the agent that ``module:attribute`` names. Raises ConfigurationError that says what is wrong."""
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"--agents takes module:attribute, got {path!r}")
    try:
        target = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the agent {path} cannot be imported: {error}") from error
    return spec_of(target)
