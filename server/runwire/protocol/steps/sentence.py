"""Writes an action as a sentence of the step language: reading it gives the same action again. Floor 2; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runwire.protocol.steps import actions as do
from runwire.protocol.steps.phrases import ROLES
from runwire.protocol.steps.target import Target, ordinal

_WORD_OF_ROLE = {role: word for word, role in ROLES.items()}


def sentence_of(action: do.Action) -> str:
    """Return the sentence. An uploaded file's content is not part of it."""
    return _WRITERS[type(action)](action)


def quoted(text: str) -> str:
    """Return a text in quotes, as the language reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _target(target: Target) -> str:
    words = [] if target.nth is None else [ordinal(target.nth)]
    if target.kind == "role":
        words.append(_WORD_OF_ROLE[target.role or "button"])
    elif target.kind != "any":
        words.append(target.kind.replace("_", " "))
    words.append(quoted(target.text))
    if target.within is not None:
        words.append(f"in {quoted(target.within)}")
    return " ".join(words)


def _click(action: do.Click) -> str:
    verb = "Double-click" if action.double else "Right-click" if action.button == "right" else "Click"
    return f"{verb} {_target(action.target)}"


def _fill(action: do.Fill) -> str:
    if not action.value:
        return f"Clear {_target(action.target)}"
    return f"Fill {_target(action.target)} with {quoted(action.value)}"


def _with_target(words: str, preposition: str, target: Target | None) -> str:
    return words if target is None else f"{words} {preposition} {_target(target)}"


def _key(key: str) -> str:
    """Return a key's name; in quotes if it is a sign, which a sentence could end with or begin a quote by."""
    return key if key.replace("+", "x").isalnum() else quoted(key)


def _compared(what: str, action: do.VerifyTitle | do.VerifyUrl) -> str:
    verb = {"is": "is", "contains": "contains"}[action.comparison]
    if action.negated:
        verb = {"is": "is not", "contains": "does not contain"}[action.comparison]
    return f"Verify {what} {verb} {quoted(action.text)}"


def _value(what: str, action: do.VerifyValue | do.VerifyAttribute) -> str:
    return f"Verify {what} of {_target(action.target)} {action.comparison} {quoted(action.value)}"


def _state(action: do.VerifyElement) -> str:
    state = "not checked" if action.state == "unchecked" else action.state
    return f"Verify element {_target(action.target)} is {state}"


def _download(action: do.VerifyDownload) -> str:
    name = f"name contains {quoted(action.name)}" if action.comparison == "contains" else quoted(action.name)
    return f"Verify download {name}{' is not empty' if action.filled else ''}"


def _answer(action: do.AnswerDialog) -> str:
    verb = "Accept" if action.accept else "Dismiss"
    return f"{verb} next dialog" + (f" with {quoted(action.text)}" if action.text else "")


_WRITERS: dict[type[do.Action], Callable[[Any], str]] = {
    do.Navigate: lambda a: f"Navigate to {quoted(a.url)}",
    do.Travel: lambda a: "Reload" if a.direction == "reload" else f"Go {a.direction}",
    do.Click: _click,
    do.Fill: _fill,
    do.TypeText: lambda a: _with_target(f"Type {quoted(a.value)}", "into", a.target),
    do.Press: lambda a: _with_target(f"Press {_key(a.key)}", "on", a.target),
    do.Select: lambda a: f"Select {quoted(a.option)} from {_target(a.target)}",
    do.SetChecked: lambda a: f"{'Check' if a.checked else 'Uncheck'} {_target(a.target)}",
    do.Hover: lambda a: f"Hover {_target(a.target)}",
    do.ScrollTo: lambda a: f"Scroll to {_target(a.target)}",
    do.ScrollPage: lambda a: f"Scroll {a.where}" if a.where in ("up", "down") else f"Scroll to the {a.where}",
    do.Drag: lambda a: f"Drag {_target(a.target)} to {_target(a.onto)}",
    do.WaitForLoad: lambda a: "Wait for the page to load",
    do.WaitSeconds: lambda a: f"Wait for {a.seconds:g} seconds",
    do.WaitForElement: lambda a: f"Wait for {_target(a.target)}{'' if a.visible else ' to disappear'}",
    do.VerifyText: lambda a: f"Verify text {quoted(a.text)}{' is not visible' if a.absent else ''}",
    do.VerifyTitle: lambda a: _compared("title", a),
    do.VerifyUrl: lambda a: _compared("URL", a),
    do.VerifyElement: _state,
    do.VerifyValue: lambda a: _value("value", a),
    do.VerifyAttribute: lambda a: _value(f"attribute {quoted(a.name)}", a),
    do.VerifyCount: lambda a: f"Verify number of {_target(a.target)} is {a.count}",
    do.Upload: lambda a: f"Upload {quoted(a.file)} to {_target(a.target)}",
    do.AnswerDialog: _answer,
    do.VerifyDialog: lambda a: f"Verify dialog {quoted(a.text)}",
    do.VerifyDownload: _download,
    do.SwitchPage: lambda a: "Switch to new tab" if a.newest else "Switch to first tab",
    do.SetVariable: lambda a: f"Set {a.name} to {quoted(a.value)}",
    do.Remember: lambda a: f"Remember text of {_target(a.target)} as {a.name}",
    do.InFrame: lambda a: f"In frame {quoted(a.frame)}: {sentence_of(a.action)}",
    do.TakeScreenshot: lambda a: f"Take screenshot as {quoted(a.name)}",
    do.Unread: lambda a: a.sentence,
}
