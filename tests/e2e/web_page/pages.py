"""What the tests of the web page share: a server process with its login link, watched pages, scripted messages."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Dialog, Page, Request

from tests.support.deadlines import CONNECT_S, eventually
from tests.support.process import ServerProcess

LIMIT_MS = 15_000
"""Most milliseconds for one expected change of the page."""

RECORD_TEXT = """selector => {
  const seen = [];
  const element = document.querySelector(selector);
  const observer = new MutationObserver(() => seen.push(element.textContent));
  observer.observe(element, {characterData: true, childList: true, subtree: true});
  return seen;
}"""
"""JavaScript that returns a growing list of all that an element's text has been."""


class PageServer(ServerProcess):
    """A server process, and a way to talk to it as a program would."""

    def __init__(self, data: Path, *, port: int = 0, **settings: Any) -> None:
        super().__init__(data, port=port, **settings)
        self.wait_listening()
        eventually(lambda: "/login#code=" in self.output, "the login link is printed", CONNECT_S)

    @property
    def link(self) -> str:
        """The login link that was printed."""
        found = re.search(r"http\S+/login#code=\S+", self.output)
        assert found is not None
        return found[0]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON answer of one API call."""
        request = urllib.request.Request(
            self.origin + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def start(self, agent: str, value: Any, run_id: str | None = None) -> str:
        """Start a run over HTTP and return its id."""
        body = {"agent": agent, "input": value, **({"run_id": run_id} if run_id else {})}
        return str(self.call("POST", "/v1/runs", body)["id"])

    def log(self, run_id: str) -> list[dict[str, Any]]:
        """Return all entries of a run."""
        entries: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self.call("GET", f"/v1/runs/{run_id}/events?after={after}&limit=1000")
            entries += page["data"]
            after = page["next"]
        return entries

    def wait_ended(self, run_id: str, limit_s: float = 8.0) -> dict[str, Any]:
        """Return the run once it has ended."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            run: dict[str, Any] = self.call("GET", f"/v1/runs/{run_id}")
            if run["status"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return run
            time.sleep(0.05)
        raise AssertionError(f"run {run_id} has not ended in {limit_s} s")


@dataclass
class Watched:
    """A page together with everything that must not happen on it."""

    page: Page
    errors: list[str]
    foreign: list[str]

    def is_clean(self) -> None:
        """Assert that no script failed, no policy was broken and nothing foreign was asked for."""
        assert self.errors == []
        assert self.foreign == []


def watch(context: BrowserContext, origin: str) -> Watched:
    """Open a page whose console, errors, dialogs and requests are watched."""
    page = context.new_page()
    page.set_default_timeout(LIMIT_MS)
    watched = Watched(page, [], [])
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("console", lambda message: watched.errors.append(message.text) if message.type == "error" else None)

    def on_dialog(dialog: Dialog) -> None:
        watched.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def on_request(request: Request) -> None:
        if not request.url.startswith(origin):
            watched.foreign.append(request.url)

    page.on("dialog", on_dialog)
    page.on("request", on_request)
    return watched


def open_run(watched: Watched, server: PageServer, run_id: str, more: str = "") -> Page:
    """Open a run's page."""
    watched.page.goto(f"{server.origin}/#/runs/{run_id}{more}")
    return watched.page


def transcript(page: Page) -> str:
    """Return the text of the rows that are drawn."""
    return page.locator(".rows").inner_text()


def message(deltas: list[str], ended: bool = True) -> list[dict[str, Any]]:
    """Return scripted steps that emit one message in these pieces."""
    steps = [{"emit": {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}}]
    steps += [{"emit": {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": delta}} for delta in deltas]
    return [*steps, {"emit": {"type": "TEXT_MESSAGE_END", "messageId": "m"}}] if ended else steps


def slow_script(count: int, gap_s: float) -> dict[str, Any]:
    """Return a script that says ``count`` words with pauses."""
    return {"steps": [step for n in range(count) for step in ({"text": f"w{n} "}, {"sleep_s": gap_s})]}


def artifact(**value: str) -> dict[str, Any]:
    """Return the event that announces an artifact."""
    return {"type": "CUSTOM", "name": "runwire.artifact", "value": value}


def every_field(text: str) -> list[dict[str, Any]]:
    """Return events that carry ``text`` in every field that an agent can fill."""
    step = {"index": 1, "total": 2, "text": text}
    failed = {**step, "status": "FAILED", "error": text}
    progress = {"done": 1, "total": 2, "label": text}
    form = {"type": "object", "properties": {text: {"enum": [text], "title": text, "description": text}}}
    tool = {"runwire": {"tool": {"name": text, "arguments": {text: text}}}}
    return [
        {"type": "TEXT_MESSAGE_START", "messageId": text, "role": "user"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": text, "delta": text},
        {"type": "TEXT_MESSAGE_END", "messageId": text},
        {"type": "REASONING_MESSAGE_START", "messageId": "r", "role": "reasoning"},
        {"type": "REASONING_MESSAGE_CONTENT", "messageId": "r", "delta": text},
        {"type": "REASONING_MESSAGE_END", "messageId": "r"},
        {"type": "TOOL_CALL_START", "toolCallId": "t", "toolCallName": text},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "t", "delta": text},
        {"type": "TOOL_CALL_RESULT", "messageId": "q", "toolCallId": "t", "content": text},
        {"type": "STEP_STARTED", "stepName": text, "metadata": {"runwire": step}},
        artifact(id=text, kind=text, name=text, url=text, mime="image/png"),
        artifact(id="e", url="https://evil.example/shot.png", mime="image/png"),
        {"type": "STEP_FINISHED", "stepName": text, "metadata": {"runwire": failed}},
        {"type": "ACTIVITY_SNAPSHOT", "messageId": "a", "activityType": text, "content": {"x": text}},
        {"type": "ACTIVITY_SNAPSHOT", "messageId": "p", "activityType": "runwire.progress", "content": progress},
        {"type": "CUSTOM", "name": text, "value": text},
        {
            "type": "CUSTOM",
            "name": "runwire.input_request",
            "value": {"id": "i", "message": text, "responseSchema": form},
        },
        {
            "type": "CUSTOM",
            "name": "runwire.input_request",
            "value": {"id": "j", "reason": "tool_call", "metadata": tool},
        },
        {"type": "STATE_SNAPSHOT", "snapshot": {"x": text}},
    ]
