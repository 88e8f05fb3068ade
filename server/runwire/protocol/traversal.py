"""The traversal: all that a browser run did, step by step, as its file and the API hold it. Floor 2; values only.

It is a record for people, reports and replays, kept beside the run's log, which alone decides what a run is. Values
of a test's variables never stand in it: texts and actions name them as they were written (``${password}``).
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from runwire.protocol.steps.target import Target

if TYPE_CHECKING:
    from runwire.protocol.steps.actions import Action

_WORD = re.compile(r"(?<!^)(?=[A-Z])")
_NOT_TOLD = frozenset({"content"})
"""What an action holds besides words of the language: an uploaded file's text is nobody's business here."""


class TraversalStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step that was carried out or skipped."""

    index: Annotated[int, Meta(ge=1, description="place, from 1; counted through over the rows of a data table")]
    row: Annotated[int, Meta(ge=1, description="row of the data table, from 1")]
    text: Annotated[str, Meta(description="the sentence as written, variables as ${name}")]
    action: Annotated[
        dict[str, Any], Meta(description="what it means: a kind such as verify_text, and that kind's facts")
    ]
    status: Literal["PASSED", "FAILED", "SKIPPED"]
    started_ms: Annotated[int, Meta(description="when it began, Unix milliseconds")]
    duration_ms: Annotated[int, Meta(ge=0, description="how long it took, without its screenshot, milliseconds")]
    error: Annotated[str | None, Meta(description="why it failed, values of variables as ${name}")]
    artifact_id: Annotated[str | None, Meta(description="its screenshot among the run's artifacts")]
    page_url: Annotated[
        str | None, Meta(description="where the page was afterwards; without the origin on the sample site")
    ] = None
    page_title: Annotated[str | None, Meta(description="the document's title afterwards")] = None
    reading: Annotated[
        dict[str, Any] | None,
        Meta(description="what a model made of a sentence that is none of the language: a sentence, the model"),
    ] = None


class Traversal(msgspec.Struct, frozen=True, kw_only=True):
    """A browser run up to a moment: written anew after each step, so that a run killed at step k leaves k steps."""

    version: Annotated[Literal[1], Meta(description="of this format")] = 1
    run_id: str
    attempt: Annotated[int, Meta(ge=1, description="of the run; a later attempt begins the steps anew")]
    name: Annotated[str, Meta(description="what the test is called")]
    url: Annotated[str | None, Meta(description="where it starts, as written")]
    browser: Annotated[dict[str, Any], Meta(description="the browser configuration, without its storage state")] = (
        msgspec.field(default_factory=dict)
    )
    started_ms: Annotated[int, Meta(description="when this attempt began, Unix milliseconds")]
    updated_ms: Annotated[int, Meta(description="when this was written, Unix milliseconds")]
    total: Annotated[
        int,
        Meta(
            ge=1,
            description="steps that the test has, over all rows; of a task: steps so far",
        ),
    ]
    passed: Annotated[int, Meta(ge=0, description="steps that have passed so far")]
    ended: Annotated[bool, Meta(description="whether the test was carried through")]
    verdict: Annotated[Literal["passed", "failed"] | None, Meta(description="known once it has ended")]
    steps: tuple[TraversalStep, ...]


def kind_of(action: type[Action]) -> str:
    """Return an action's word in traversals: ``VerifyText`` is ``verify_text``."""
    return _WORD.sub("_", action.__name__).lower()


def action_facts(action: Action) -> dict[str, Any]:
    """Return an action as JSON: its ``kind`` (``VerifyText`` is ``verify_text``) and the facts that it has."""
    facts: dict[str, Any] = {"kind": kind_of(type(action))}
    for name, value in _parts(action):
        facts[name] = dict(_parts(value)) if isinstance(value, Target) else value
        if is_dataclass(value) and not isinstance(value, Target):
            facts[name] = action_facts(value)  # type: ignore[arg-type]  # InFrame: the only value left is an action
    return facts


def _parts(value: object) -> list[tuple[str, Any]]:
    """Return the fields that are set."""
    named = ((field.name, getattr(value, field.name)) for field in fields(value))  # type: ignore[arg-type]
    return [(name, inner) for name, inner in named if inner is not None and name not in _NOT_TOLD]
