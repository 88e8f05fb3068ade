"""What a scan has found, and whether the site is as it should be. Floor 4; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runwire.agents.scan.request import Judge, Span

MAX_NAMED = 10
"""Most items that a finding names."""

_NUMBER = re.compile(r"-?\d[\d,_\u00a0 ]*(?:\.\d+)?")


@dataclass(slots=True)
class Item:
    """One item: ``index`` from 1 in the listing's order; ``error`` says why its own page could not be read, of which
    ``artifact_id`` is a picture.
    """

    index: int
    fields: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    error: str | None = None
    artifact_id: str | None = None
    done: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the item as events and results hold it."""
        status = "FAILED" if self.error else "FOUND"
        return {
            "index": self.index,
            "status": status,
            "url": self.url,
            "fields": self.fields,
            "error": self.error,
            "artifact_id": self.artifact_id,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule and what came of it."""

    rule: str
    passed: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Return the finding as results hold it."""
        return {"rule": self.rule, "passed": self.passed, "detail": self.detail}


def judged(judge: Judge, items: list[Item]) -> Iterator[Finding]:
    """Yield a finding for each rule."""
    yield Finding("min_items", len(items) >= judge.min_items, f"{len(items)} items, at least {judge.min_items} wanted")
    failed = [item for item in items if item.error]
    yield Finding("max_failed", len(failed) <= judge.max_failed, _named(failed, "pages failed"))
    for name in judge.required:
        without = [item for item in items if item.fields.get(name) in (None, "", [], {})]
        yield Finding(f"required {name}", not without, _named(without, f"items have no {name}"))
    for name, span in judge.numbers.items():
        wrong = [item for item in items if not _within(str(item.fields.get(name, "")), span)]
        yield Finding(f"number {name}", not wrong, _named(wrong, f"items have a {name} that is none or out of bounds"))
    for name in judge.unique:
        counts = Counter(str(item.fields.get(name)) for item in items)
        same = [item for item in items if counts[str(item.fields.get(name))] > 1]
        yield Finding(f"unique {name}", not same, _named(same, f"items share their {name}"))


def _named(items: list[Item], what: str) -> str:
    if not items:
        return f"no {what}"
    shown = ", ".join(str(item.index) for item in items[:MAX_NAMED])
    return f"{len(items)} {what}: {shown}{', …' if len(items) > MAX_NAMED else ''}"


def _within(text: str, span: Span) -> bool:
    found = _NUMBER.search(text)
    if found is None:
        return False
    value = float(re.sub(r"[^\d.-]", "", found[0]))
    return (span.min is None or value >= span.min) and (span.max is None or value <= span.max)
