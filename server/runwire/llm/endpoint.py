"""Where the model is, as the settings say it. Floor 4; pure; checked once, at start-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from runwire.contracts.model import ModelUsage
from runwire.errors import ConfigurationError
from runwire.settings import Settings


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint. ``url`` is that of its chat completions; prices are dollars a million tokens; 0
    ``answer_tokens``: the model is not told how long an answer may be.
    """

    url: str
    model: str
    api_key: str = field(repr=False)
    timeout_s: float = 120.0
    attempts: int = 4
    answer_tokens: int = 0
    price_input: float = 0.0
    price_output: float = 0.0

    def usage(self, input_tokens: int, output_tokens: int) -> ModelUsage:
        """Return what one answer took: dollars a million tokens are millionths of a dollar a token."""
        cost_micros = round(input_tokens * self.price_input + output_tokens * self.price_output)
        return ModelUsage(1, input_tokens, output_tokens, cost_micros)


def endpoint_of(settings: Settings) -> Endpoint | None:
    """Return the endpoint that the settings name, or None if they name none.

    Raises:
        ConfigurationError: the address is none, holds a password, or there is no name.
    """
    if not settings.model_url:
        return None
    parts = urlsplit(settings.model_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("model_url must look like https://models.example.org/v1")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("model_url holds a user name or password; write the key into model_api_key")
    if not settings.model_name:
        raise ConfigurationError("model_url is set and model_name is not: which model is to be asked?")
    if not settings.model_api_key.isascii() or not (settings.model_api_key + "x").isprintable():
        raise ConfigurationError("model_api_key holds characters that no key has")
    return Endpoint(
        url=settings.model_url.rstrip("/") + "/chat/completions",
        model=settings.model_name,
        api_key=settings.model_api_key,
        timeout_s=settings.model_timeout_s,
        attempts=settings.model_attempts,
        answer_tokens=settings.model_answer_tokens,
        price_input=settings.model_price_input,
        price_output=settings.model_price_output,
    )
