"""The server's model, as its settings name it. Floor 4; made once, at start-up; any thread.

The library that speaks HTTP is imported with the first question: a start needs none of it.
"""

from __future__ import annotations

from runwire.contracts.model import NOT_CONFIGURED, ChatModel, ModelAnswer, ModelRequest
from runwire.errors import ModelUnavailable
from runwire.llm.endpoint import endpoint_of
from runwire.settings import Settings


class ModelSupport:
    """Implements ``contracts.model.ChatModel``: the configured model, the scripted one in test mode, or none."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError if the settings name a model and not how to reach it."""
        self._endpoint = endpoint_of(settings)
        self._test_mode = settings.test_mode
        self._model: ChatModel | None = None

    def unavailable_reason(self) -> str | None:
        """Return why no model can be asked here, with what mends it, or None."""
        return None if self._test_mode or self._endpoint is not None else NOT_CONFIGURED

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Return the answer; see the contract."""
        return await self._made().complete(request)

    def _made(self) -> ChatModel:
        if self._model is None:
            self._model = self._make()  # by two threads at once at worst, and either is good
        return self._model

    def _make(self) -> ChatModel:
        if self._test_mode:
            from runwire.llm.scripted import ScriptedModel

            return ScriptedModel()
        if self._endpoint is None:
            raise ModelUnavailable(NOT_CONFIGURED)
        from runwire.llm.openai import OpenAIChatModel

        return OpenAIChatModel(self._endpoint)
