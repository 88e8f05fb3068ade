"""How a sentence that the grammar does not know is named, and what a model made of it. Floor 2; values only.

A sentence belongs to a test and to its place among the same sentences there: what a model made of it is remembered
under that, so that it is the same step in every later run, whatever the page shows (docs/decisions/0021).
"""

from __future__ import annotations

import hashlib
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

_TASK = "task "
_TEST = "test "


class SentenceKey(NamedTuple):
    """One sentence of one test: ``scope`` names the test, ``occurrence`` counts the same sentence from 1."""

    scope: str
    sentence: str
    occurrence: int


class Reading(NamedTuple):
    """What a sentence means: a ``sentence`` of the step language, and the ``model`` that said so."""

    sentence: str
    model: str


class KeptReading(msgspec.Struct, frozen=True, kw_only=True):
    """A reading that later runs of a test use without asking a model: an item of ``GET /v1/readings``."""

    id: str
    task_id: Annotated[str | None, Meta(description="the saved test that it belongs to, or null")]
    test_name: Annotated[str | None, Meta(description="name of the test that is not saved, or null")]
    test_url: Annotated[str | None, Meta(description="where that test starts")]
    sentence: Annotated[str, Meta(description="as the test has it")]
    occurrence: Annotated[int, Meta(ge=1, description="which of the same sentences in the test")]
    reading: Annotated[str, Meta(description="the sentence of the step language that it was read as")]
    model: str
    created_ms: int


def scope_of_task(task_id: str) -> str:
    """Return the scope of a saved test's sentences."""
    return f"{_TASK}{task_id}"


def scope_of_test(name: str, url: str | None) -> str:
    """Return the scope of the sentences of a test that is not saved."""
    return f"{_TEST}{name}\n{url or ''}"


def reading_id(key: SentenceKey) -> str:
    """Return the name of a sentence's reading among its owner's: the same for the same sentence."""
    encoded = msgspec.json.encode((key.scope, key.sentence, key.occurrence))
    return "r" + hashlib.sha256(encoded).hexdigest()[:23]


def kept_reading(key: SentenceKey, reading: Reading, created_ms: int) -> KeptReading:
    """Return a reading as the API shows it."""
    of_task = key.scope.startswith(_TASK)
    name, _, url = key.scope.removeprefix(_TEST).partition("\n")
    return KeptReading(
        id=reading_id(key),
        task_id=key.scope.removeprefix(_TASK) if of_task else None,
        test_name=None if of_task else name,
        test_url=None if of_task else url or None,
        sentence=key.sentence,
        occurrence=key.occurrence,
        reading=reading.sentence,
        model=reading.model,
        created_ms=created_ms,
    )
