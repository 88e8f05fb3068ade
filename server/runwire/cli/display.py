"""What a run looks like in a terminal: text as it streams, steps as lines, progress below. Floor 8; one run, one
thread.

The answer goes to standard output, everything about it to standard error: ``runwire run … > answer.txt`` keeps the
answer.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.status import Status

if TYPE_CHECKING:
    from runwire_client import Queue

_MARKS = {"PASSED": ("✓", "green"), "FAILED": ("✗", "red"), "SKIPPED": ("–", "yellow")}


class Display:
    """Shows one run's entries, in their order."""

    def __init__(self, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> None:
        self._out = out
        self._console = Console(file=err, highlight=False)
        self._status: Status | None = None
        self._line_open = False
        self._stepping = False
        self._placed = False
        self._blocked: str | None = None
        self._begun = time.monotonic()
        self._shown: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "TEXT_MESSAGE_CONTENT": self._text,
            "TEXT_MESSAGE_END": self._end_text,
            "STEP_STARTED": self._step_started,
            "STEP_FINISHED": self._step_finished,
            "TOOL_CALL_START": self._tool_call,
            "ACTIVITY_SNAPSHOT": self._activity,
            "CUSTOM": self._custom,
        }

    def begin(self, run_id: str, agent: str) -> None:
        """Name the run."""
        self._console.print(f"[bold]{agent}[/bold]  run {run_id}")
        if self._console.is_terminal:
            self._status = self._console.status("starting", spinner="dots")
            self._status.start()

    def entry(self, frame: Mapping[str, Any]) -> None:
        """Show one entry of the log; kinds of events without a look of their own are left to ``--json``."""
        data = frame["data"]
        if frame["type"] == "state":
            self._state(data)
        elif (show := self._shown.get(str(data.get("type")))) is not None:
            show(data)

    def _state(self, data: Mapping[str, Any]) -> None:
        status, attempt = str(data.get("status")), data.get("attempt", 1)
        again = f", attempt {attempt}" if attempt != 1 else ""
        self._say(f"{status.lower()}{again}")

    def place(self, queue: Queue) -> None:
        """Show where the waiting run stands; a log gets the first place, and why the run is held back."""
        text = place_text(queue.position, queue.size, queue.eta_s, queue.blocked)
        if self._console.is_terminal:
            self._say(_plain(text))
        elif not self._placed or queue.blocked != self._blocked:
            self.note(text)
        self._placed, self._blocked = True, queue.blocked

    def end(self, status: str, verdict: str | None, result: Any, error: Mapping[str, Any] | None) -> None:
        """Show how the run ended."""
        self.close()
        good = status == "SUCCEEDED" and verdict != "failed"
        facts = [f"[bold {'green' if good else 'red'}]{status}[/]", f"{time.monotonic() - self._begun:.1f} s"]
        if verdict is not None:
            facts.insert(1, verdict_text(verdict, result if isinstance(result, Mapping) else {}))
        self._console.print("  ".join(facts))
        if error is not None:
            self._console.print(f"{error.get('code')}: {error.get('message')}", markup=False)

    def note(self, text: str) -> None:
        """Say something about the connection or the run."""
        self._break_line()
        self._console.print(text, markup=False)

    def close(self) -> None:
        """Take the progress line away. Idempotent."""
        self._break_line()
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _say(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)

    def _text(self, data: Mapping[str, Any]) -> None:
        if self._stepping and self._console.is_terminal and self._out.isatty():
            return  # the steps stand on this very terminal already; their wording as text is for pipes and chat
        delta = str(data.get("delta", ""))
        self._out.write(delta)
        self._out.flush()
        self._line_open = not delta.endswith("\n")

    def _end_text(self, _data: Mapping[str, Any]) -> None:
        self._break_line()

    def _break_line(self) -> None:
        if self._line_open:
            self._out.write("\n")
            self._out.flush()
            self._line_open = False

    def _step_started(self, data: Mapping[str, Any]) -> None:
        self._stepping = True
        self._say(str(data.get("stepName", "")))

    def _step_finished(self, data: Mapping[str, Any]) -> None:
        if not self._console.is_terminal:
            return  # the agent's own words go to standard output; a log needs them once
        facts = data.get("metadata", {}).get("runwire", {})
        mark, colour = _MARKS.get(str(facts.get("status")), ("·", "white"))
        took = f"  [dim]{facts['duration_ms'] / 1000:.1f} s[/dim]" if "duration_ms" in facts else ""
        place = f"{facts.get('index', '?')}/{facts.get('total', '?')}"
        self._break_line()
        self._console.print(f"[{colour}]{mark}[/] {place}  {_plain(facts.get('text', data.get('stepName')))}{took}")
        if facts.get("error"):
            self._console.print(f"    {facts['error']}", style="red", markup=False)

    def _tool_call(self, data: Mapping[str, Any]) -> None:
        self._break_line()
        self._console.print(f"[cyan]→[/] {_plain(data.get('toolCallName'))}")

    def _activity(self, data: Mapping[str, Any]) -> None:
        content = data.get("content", {})
        if data.get("activityType") == "runwire.progress":
            total = f"/{content['total']}" if content.get("total") is not None else ""
            self._say(f"{content.get('done')}{total} {content.get('label', '')}")

    def _custom(self, data: Mapping[str, Any]) -> None:
        value = data.get("value", {})
        if data.get("name") == "runwire.artifact" and value.get("kind") != "screenshot":
            self._break_line()
            self._console.print(f"[dim]{_plain(value.get('kind'))}  {_plain(value.get('url'))}[/dim]")


class JsonLines:
    """Shows the log itself, an entry a line; the shape of :class:`Display`."""

    def begin(self, run_id: str, agent: str) -> None:
        """The log needs no heading."""

    def entry(self, frame: Mapping[str, Any]) -> None:
        """Print the entry as the log holds it."""
        print(json.dumps(frame, ensure_ascii=False, separators=(",", ":")), flush=True)

    def place(self, queue: Queue) -> None:
        """The log knows no places."""

    def end(self, status: str, verdict: str | None, result: Any, error: Mapping[str, Any] | None) -> None:
        """The last state said it."""

    def note(self, text: str) -> None:
        """Say it on standard error: the log stays a log."""
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is open."""


def verdict_text(verdict: str, result: Mapping[str, Any]) -> str:
    """Return how many steps or items have passed, and the verdict where that does not say it: the steps of a task may
    all have passed that was not achieved.
    """
    passed, total = result.get("passed"), result.get("total")
    if passed is None or total is None:
        return f"verdict {verdict}"
    counts = f"{passed}/{total} passed"
    return counts if (passed == total) == (verdict == "passed") else f"verdict {verdict}, {counts}"


def place_text(position: int, size: int, eta_s: float | None, blocked: str | None) -> str:
    """Return a place in the queue as people say it: ``3rd of 12, about 40 s``."""
    text = f"{ordinal(position)} of {size}"
    if eta_s is not None:
        text += f", about {_roughly(eta_s)}"
    return text if blocked is None else f"{text}: {blocked}"


def ordinal(number: int) -> str:
    """Return ``1st``, ``2nd``, ``3rd``, ``4th``, ``11th``, ``21st``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _roughly(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 6_000 else f"{round(seconds / 3600)} h"


def _plain(value: object) -> str:
    """Return an agent's text with rich's markup made harmless and control characters gone."""
    text = "".join(c for c in str(value) if c.isprintable())
    return text.replace("[", "\\[")
