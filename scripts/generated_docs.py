"""Writes the pages that are made from the code: ``python scripts/generated_docs.py [--check]``.

``docs/settings.md`` comes from the settings class, ``docs/states.md`` from the tables of the state machines,
``docs/metrics.md`` from the table of metrics. With ``--check`` nothing is written: exit code 1 and the names of the
pages that the code has left behind. One thread.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from runwire.browser import health, page_lease
from runwire.protocol.session import CONNECTION_TRANSITIONS
from runwire.runs import control, request_state, state
from runwire.settings_sources import SettingInfo, describe
from runwire.web.metrics import METRICS, Metric

DOCS = Path(__file__).resolve().parent.parent / "docs"

SETTINGS_HEAD = """\
# Settings

<!-- Generated from server/runwire/settings.py by `make docs`; do not edit. -->

A setting comes from, in this order: a flag of `runwire serve`, the environment, a TOML file (`--config FILE` or
`RUNWIRE_CONFIG`; the names of the first column), its default. A unit ends each name that has one. Lists are separated
by commas in flags and environment.

| name | flag | environment | default | what it is |
|---|---|---|---|---|
"""

METRICS_HEAD = """\
# Metrics

<!-- Generated from server/runwire/web/metrics.py by `make docs`; do not edit. -->

What `GET /metrics` tells ([how to read it](how-to/watch-a-server.md)). Counters begin at 0 with the process; a
histogram has `_bucket`, `_sum` and `_count`.

| name | kind | labels | what it is |
|---|---|---|---|
"""

METRICS_TAIL = """
Besides these there are the process's own, as prometheus-client names them: `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_open_fds`, `process_max_fds`, `process_cpu_seconds_total`,
`process_start_time_seconds`.
"""

STATES_HEAD = """\
# State machines

<!-- Generated from the tables of the code by `make docs`; do not edit. -->

Each machine is one table with one owner; nothing else assigns a state, and a move that is not drawn raises
`IllegalTransition`.
"""

MACHINES: tuple[tuple[str, str, Mapping[Any, frozenset[Any]]], ...] = (
    ("Run", "server/runwire/runs/state.py", state.TRANSITIONS),
    ("Question to a person", "server/runwire/runs/request_state.py", request_state.TRANSITIONS),
    ("Connection", "server/runwire/protocol/session.py", CONNECTION_TRANSITIONS),
    ("Page lease", "server/runwire/browser/page_lease.py", page_lease.TRANSITIONS),
    ("Control of a browser", "server/runwire/engine/take_over.py", control.CONTROL_TRANSITIONS),
)


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` compare them; 1 if one differs."""
    pages = {
        DOCS / "settings.md": settings_page(),
        DOCS / "states.md": states_page(),
        DOCS / "metrics.md": metrics_page(),
    }
    stale = [page for page, text in pages.items() if not page.exists() or page.read_text(encoding="utf-8") != text]
    for page in stale:
        if "--check" in arguments:
            print(f"docs: docs/{page.name} is not what the code says; run: make docs")
        else:
            page.write_text(pages[page], encoding="utf-8")
            print(f"docs: wrote docs/{page.name}")
    return 1 if stale and "--check" in arguments else 0


def settings_page() -> str:
    """Return the page of settings, a row each."""
    return SETTINGS_HEAD + "".join(map(settings_row, describe()))


def settings_row(setting: SettingInfo) -> str:
    """Return one setting's row."""
    text = setting.help.replace("|", "\\|")
    return f"| `{setting.name}` | `{setting.flag}` | `{setting.env}` | {default(setting)} | {text} |\n"


def default(setting: SettingInfo) -> str:
    """Return a default as a person would type it."""
    if setting.default in ("", ()):
        return "(empty)"
    value = setting.default
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value:g}`" if isinstance(value, float) and value < 1e6 else f"`{value}`"


def metrics_page() -> str:
    """Return the page of metrics, a row each."""
    return METRICS_HEAD + "".join(map(metric_row, METRICS)) + METRICS_TAIL


def metric_row(metric: Metric) -> str:
    """Return one metric's row."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.exposed_name}` | {metric.kind} | {labels} | {metric.help} |\n"


def states_page() -> str:
    """Return the page of state machines, a diagram each."""
    plain = [section(title, source, moves(table)) for title, source, table in MACHINES]
    signs = ((old, new, sign) for (old, sign), new in health.TRANSITIONS.items() if old != new)
    return STATES_HEAD + "".join(
        [*plain, section("Browser health", "server/runwire/browser/health.py", grouped(signs))]
    )


def section(title: str, source: str, arrows: Iterator[str]) -> str:
    """Return one machine's heading and diagram."""
    body = "".join(f"    {arrow}\n" for arrow in arrows)
    return f"\n## {title}\n\nOwner: `{source}`.\n\n```mermaid\nstateDiagram-v2\n{body}```\n"


def moves(table: Mapping[Any, frozenset[Any]]) -> Iterator[str]:
    """Yield a machine's arrows in the order of its states; the first state is where it begins."""
    order = list(table)
    yield f"[*] --> {order[0].value}"
    for old, targets in table.items():
        yield from (f"{old.value} --> {new.value}" for new in sorted(targets, key=order.index))
        if not targets:
            yield f"{old.value} --> [*]"


def grouped(signs: Iterator[tuple[StrEnum, StrEnum, StrEnum]]) -> Iterator[str]:
    """Yield arrows that carry what was observed, one for each pair of states."""
    labels: dict[tuple[str, str], list[str]] = {}
    for old, new, sign in signs:
        labels.setdefault((old.value, new.value), []).append(sign.value)
    yield f"[*] --> {next(iter(labels))[0]}"
    yield from (f"{old} --> {new}: {', '.join(names)}" for (old, new), names in labels.items())
    yield from (
        f"{end} --> [*]" for end in dict.fromkeys(new for _, new in labels) if all(end != old for old, _ in labels)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
