"""Makes a new agent instance for every run: never shared, never reused. Floor 4; called on the run's own thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runwire.agents.registry import AgentRegistry, AgentStyle
from runwire.contracts.bridge import Bridge, Emitter


@dataclass(frozen=True, slots=True)
class AgentInstance:
    """An agent made for one run: ``call(ctx, input)`` in the way that ``style`` says, and the voice it may use."""

    call: Callable[..., Any]
    style: AgentStyle
    emitter: Emitter


class AgentInstanceFactory:
    """Makes agent instances that speak through the server's one bridge."""

    def __init__(self, registry: AgentRegistry) -> None:
        self._registry = registry
        self._bridge: Bridge | None = None

    def configure(self, *, websocket_bridge: Bridge | None) -> None:
        """Give the bridge, once, at start-up.

        Raises:
            ValueError: it is None.
        """
        if websocket_bridge is None:
            raise ValueError(
                "AgentInstanceFactory.configure() needs the AgentWebSocketBridge that start-up made; got None"
            )
        self._bridge = websocket_bridge

    @property
    def registry(self) -> AgentRegistry:
        """The agents it makes instances of."""
        return self._registry

    @property
    def configured(self) -> bool:
        """Whether it has the bridge."""
        return self._bridge is not None

    def create(self, agent: str, emitter: Emitter) -> AgentInstance:
        """Return a new instance of ``agent`` for the emitter's run.

        Raises:
            InvalidInput: no such agent (it was registered when the run was stored, and is no longer).
            ValueError: the emitter belongs to another bridge: its events would reach nobody.
            Exception: whatever the agent's constructor raises.
        """
        if self._bridge is None or emitter.bridge is not self._bridge:
            raise ValueError("the emitter was not made with this server's bridge")
        spec = self._registry.get(agent)
        return AgentInstance(spec.make(), spec.style, emitter)
