"""The table of all sentences that the step language knows. Floor 2; pure; nothing else maps words to actions.

A form is matched in the order of the table: the special before the general. ``docs/browser-tests.md`` lists the same
forms, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runwire.protocol.steps import actions as do
from runwire.protocol.steps.pattern import Element, compile_pattern
from runwire.protocol.steps.phrases import (
    count_of,
    key_of,
    name_of,
    quoted_of,
    seconds_of,
    target_of,
    text_of,
    variable_of,
)

_CONVERTERS: Mapping[str, Callable[..., Any]] = {
    "target": target_of,
    "value": text_of,
    "text": name_of,
    "address": name_of,
    "option": name_of,
    "name": name_of,
    "file": quoted_of,
    "variable": variable_of,
    "key": key_of,
    "count": count_of,
    "seconds": seconds_of,
}
_SHOWN = "visible|shown|displayed|present"
_GONE = "hidden|invisible|gone"
_ENDED = "[to] [is] [be] [has] complete|completed|end|ended|finish|finished|done"
_DOWNLOADED = "[is|was|has] [to] [be] [been] downloaded"


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of sentence: the patterns that it may take and the action that it means, built from the slots.

    ``wide``: any sentence with the verb begins like it, so what it misses says nothing to who meant another one.
    """

    patterns: tuple[str, ...]
    build: Callable[..., do.Action]
    compiled: tuple[tuple[Element, ...], ...]
    wide: bool = False

    def action(self, slots: Mapping[str, Any]) -> do.Action:
        """Return the action. Raises InvalidInput if a slot's words make no sense."""
        return self.build(**{name: _CONVERTERS[name](tokens) for name, tokens in slots.items()})


def _form(*patterns: str, build: Callable[..., do.Action], wide: bool = False) -> Form:
    return Form(patterns, build, tuple(compile_pattern(pattern) for pattern in patterns), wide)


def _download(*, filled: bool = False, comparison: do.Comparison = "is") -> Callable[..., do.Action]:
    return lambda file: do.VerifyDownload(file, comparison, filled)


def _element(state: do.ElementState) -> Callable[..., do.Action]:
    return lambda target: do.VerifyElement(target, state)


FORMS: tuple[Form, ...] = (
    _form("go|navigate back", build=lambda: do.Travel("back")),
    _form("go|navigate forward", build=lambda: do.Travel("forward")),
    _form("reload|refresh [the] [page]", build=lambda: do.Travel("reload")),
    _form(
        "navigate|go to <address>", "open <address>", "visit <address>", build=lambda address: do.Navigate(address)
    ),
    _form(
        "double-click|doubleclick [on] <target>",
        "double click [on] <target>",
        build=lambda target: do.Click(target, double=True),
    ),
    _form(
        "right-click|rightclick [on] <target>",
        "right click [on] <target>",
        build=lambda target: do.Click(target, button="right"),
    ),
    _form("click [on] <target>", build=do.Click),
    _form("fill [in] <target> with <value>", "enter <value> in|into <target>", build=do.Fill),
    _form("clear <target>", build=lambda target: do.Fill(target, "")),
    _form("type <value> in|into <target>", "type <value>", build=do.TypeText),
    _form("press <key> in|on <target>", "press <key>", build=do.Press),
    _form("select|choose <option> from|in <target>", build=do.Select),
    _form("check <target>", "tick <target>", build=lambda target: do.SetChecked(target, True)),
    _form("uncheck <target>", "untick <target>", build=lambda target: do.SetChecked(target, False)),
    _form("hover [over|on] <target>", build=do.Hover),
    _form("scroll to <target>", build=do.ScrollTo),
    _form("wait [for] <seconds> seconds|second|s", build=do.WaitSeconds),
    _form(f"wait for|until [the] download [of] <file> {_ENDED}", "wait for|until [the] download [of] <file>",
          f"wait for|until [the] [file] <file> {_DOWNLOADED}", build=_download(), wide=True),
    _form(f"wait for|until <target> [to] [is] [be] disappear|disappears|{_GONE}",
          build=lambda target: do.WaitForElement(target, visible=False)),
    _form(f"wait for|until <target> [to] [is] [be] appear|appears|{_SHOWN}", "wait for|until <target>",
          build=do.WaitForElement),
    _form(f"verify [that] text <text> is not|no [longer] {_SHOWN}", "verify [that] no text <text>",
          build=lambda text: do.VerifyText(text, absent=True)),
    _form(f"verify [that] text <text> is {_SHOWN}", "verify [that] text <text>", build=do.VerifyText),
    _form("verify [that] [the] title is not <text>", build=lambda text: do.VerifyTitle(text, "is", negated=True)),
    _form("verify [that] [the] title is <text>", build=lambda text: do.VerifyTitle(text, "is")),
    _form("verify [that] [the] title does not contain <text>",
          build=lambda text: do.VerifyTitle(text, negated=True)),
    _form("verify [that] [the] title [contains] <text>", build=do.VerifyTitle),
    _form("verify [that] [the] url is not <text>", build=lambda text: do.VerifyUrl(text, "is", negated=True)),
    _form("verify [that] [the] url is <text>", build=lambda text: do.VerifyUrl(text, "is")),
    _form("verify [that] [the] url does not contain <text>", build=lambda text: do.VerifyUrl(text, negated=True)),
    _form("verify [that] [the] url [contains] <text>", build=do.VerifyUrl),
    _form("verify [that] [the] value of <target> contains <value>",
          build=lambda target, value: do.VerifyValue(target, value, "contains")),
    _form("verify [that] [the] value of <target> is <value>", build=do.VerifyValue),
    _form("verify [that] [the] attribute <name> of <target> contains <value>",
          build=lambda target, name, value: do.VerifyAttribute(target, name, value, "contains")),
    _form("verify [that] [the] attribute <name> of <target> is <value>", build=do.VerifyAttribute),
    _form("verify [that] [the] count|number of <target> is <count>", build=do.VerifyCount),
    _form(f"verify [that] element <target> is not {_SHOWN}", f"verify [that] element <target> is {_GONE}",
          build=_element("hidden")),
    _form("verify [that] element <target> is enabled", build=_element("enabled")),
    _form("verify [that] element <target> is disabled", build=_element("disabled")),
    _form("verify [that] element <target> is not checked", "verify [that] element <target> is unchecked",
          build=_element("unchecked")),
    _form("verify [that] element <target> is checked", build=_element("checked")),
    _form(f"verify [that] element <target> is {_SHOWN}", "verify [that] element <target>", build=_element("visible")),
    _form("upload <name> to|into <target>", build=lambda name, target: do.Upload(target, name)),
    _form("accept [the] [next] dialog|alert|prompt with <text>", build=lambda text: do.AnswerDialog(True, text)),
    _form("accept [the] [next] dialog|alert|prompt", build=lambda: do.AnswerDialog(True)),
    _form("dismiss [the] [next] dialog|alert|prompt", build=lambda: do.AnswerDialog(False)),
    _form("verify [that] [the] dialog [text] [says|contains] <text>", build=do.VerifyDialog),
    _form("verify [that] [the] download name contains <file> is not empty",
          build=_download(filled=True, comparison="contains")),
    _form("verify [that] [the] download name contains <file>", build=_download(comparison="contains")),
    _form("verify [that] [the] download [of] <file> is not empty", build=_download(filled=True)),
    _form(f"verify [that] [the] download [of] <file> {_ENDED}", "verify [that] [the] download [of] <file>",
          build=_download()),
    _form(f"verify [that] [the] [file] <file> {_DOWNLOADED}", build=_download(), wide=True),
    _form("switch to [the] new|newest|popup [tab|page|window]", build=lambda: do.SwitchPage(newest=True)),
    _form("switch to [the] first|main [tab|page|window]", build=lambda: do.SwitchPage(newest=False)),
    _form("set [variable] <variable> to <value>", build=lambda variable, value: do.SetVariable(variable, value)),
    _form("remember [text|value] [of] <target> as <variable>",
          build=lambda target, variable: do.Remember(target, variable)),
    _form("take [a] screenshot", build=lambda: do.TakeScreenshot()),
    _form("take [a] screenshot as|named <name>", build=do.TakeScreenshot),
)  # fmt: skip
"""Every sentence."""

USAGE: tuple[str, ...] = (
    "Navigate to ADDRESS",
    "Go back",
    "Go forward",
    "Reload",
    "Click TARGET",
    "Double-click TARGET",
    "Right-click TARGET",
    "Fill TARGET with VALUE",
    "Clear TARGET",
    "Type VALUE [into TARGET]",
    "Press KEY [on TARGET]",
    "Select OPTION from TARGET",
    "Check TARGET",
    "Uncheck TARGET",
    "Hover TARGET",
    "Scroll to TARGET",
    "Wait for N seconds",
    "Wait for TARGET [to disappear]",
    "Verify text TEXT [is not visible]",
    "Verify title [is] TEXT",
    "Verify URL [is] TEXT",
    "Verify value of TARGET is VALUE",
    "Verify attribute NAME of TARGET is VALUE",
    "Verify number of TARGET is N",
    "Verify element TARGET [is hidden|enabled|disabled|checked]",
    "Upload FILE to TARGET",
    "Accept next dialog [with TEXT]",
    "Dismiss next dialog",
    "Verify dialog TEXT",
    "Verify download NAME [is not empty]",
    "Verify download name contains TEXT",
    "Switch to new tab",
    "Switch to first tab",
    "Set NAME to VALUE",
    "Remember TARGET as NAME",
    "In frame NAME: SENTENCE",
    "Take screenshot [as NAME]",
)
"""The forms as error messages and the documentation name them."""
