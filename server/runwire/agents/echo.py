"""The smallest agent: answers with its input, word by word. Floor 4; runs on the run's own thread."""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import Meta

from runwire.contracts.agent import RunContext

_WORD = re.compile(r"\S+\s*|\s+")


async def echo(ctx: RunContext, input: Any) -> dict[str, Any]:
    """Answer with the input, in word-sized pieces."""
    text = input if isinstance(input, str) else _text_of(input)
    words = _WORD.findall(text)
    for word in words:
        await ctx.text(word)
    return {"text": text, "words": len(words)}


def _text_of(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    return "" if value is None else str(value)


echo.recoverable = True  # type: ignore[attr-defined]  # declared on the function, as users do
echo.input_schema = Annotated[  # type: ignore[attr-defined]
    Any, Meta(description="what to say back", examples=["Hello, Runwire!"])
]
