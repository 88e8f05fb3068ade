"""The table of all sentences that the step language knows. Floor 2; pure; nothing else maps words to actions.

A form is matched in the order of the table: the special before the general. ``docs/browser-tests.md`` lists the same
forms, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runwire.errors import InvalidInput
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.pattern import Pattern
from runwire.protocol.steps.phrases import (
    address_of,
    box_of,
    certain_of,
    control_of,
    count_of,
    duration_of,
    edge_of,
    key_of,
    minutes_of,
    name_of,
    new_variable_of,
    quoted_of,
    seconds_of,
    site_of,
    target_of,
    text_of,
    variable_of,
)
from runwire.protocol.steps.target import Target

_CONVERTERS: Mapping[str, Callable[..., Any]] = {
    "target": target_of,
    "onto": target_of,
    "box": box_of,
    "certain": certain_of,
    "control": control_of,
    "value": text_of,
    "text": name_of,
    "address": address_of,
    "site": site_of,
    "option": name_of,
    "name": name_of,
    "listed": quoted_of,
    "file": quoted_of,
    "variable": variable_of,
    "new_variable": new_variable_of,
    "key": key_of,
    "count": count_of,
    "seconds": seconds_of,
    "minutes": minutes_of,
    "duration": duration_of,
    "edge": edge_of,
}
_DIALOG = "[the] [next] [confirmation|javascript|browser] dialog|alert|prompt|popup"
_SHOWN = "visible|shown|displayed|present"
_CHECKED = "checked|ticked|selected"
_UNCHECKED = "unchecked|unticked|unselected|deselected"


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of sentence: the patterns that it may take and the action that it means, built from the slots.

    ``wide``: any sentence with the verb begins like it, so what it misses says nothing to who meant another one.
    """

    patterns: tuple[Pattern, ...]
    build: Callable[..., do.Action]
    wide: bool = False

    def action(self, slots: Mapping[str, Any]) -> do.Action:
        """Return the action. Raises InvalidInput if a slot's words make no sense."""
        return self.build(**{name: _CONVERTERS[name](tokens) for name, tokens in slots.items()})


def _form(*patterns: str, build: Callable[..., do.Action], wide: bool = False) -> Form:
    return Form(tuple(Pattern(pattern) for pattern in patterns), build, wide)


def _download(*, filled: bool = False, comparison: do.Comparison = "is") -> Callable[..., do.Action]:
    return lambda file: do.VerifyDownload(file, comparison, filled)


def _element(state: do.ElementState) -> Callable[..., do.Action]:
    return lambda target: do.VerifyElement(target, state)


def _text(*, absent: bool = False) -> Callable[..., do.Action]:
    return lambda text: do.VerifyText(text, absent)


def _verified(*endings: str) -> tuple[str, ...]:
    """Return patterns that a verb begins: each check waits, so that "wait until" and "verify that" are the same."""
    return tuple(f"{verb} {ending}" for ending in endings for verb in ("@verify", "wait until|for"))


def _of(subject: str, contains: Callable[..., do.Action], equals: Callable[..., do.Action]) -> tuple[Form, ...]:
    """Return what can be said of a fact of an element. The plain words come first: other words for "is" and "contains"
    may be part of a name without quotes, as in "number of items to be shipped".
    """
    start = f"@verify [the] {subject} of <target>"
    return (
        _form(f"{start} contains <value>", build=contains),
        _form(f"{start} is equal to <value>", f"{start} is <value>", build=equals),
        _form(f"{start} @contains <value>", build=contains, wide=True),
        _form(f"{start} @is <value>", build=equals, wide=True),
    )


def _compared(what: str, verify: Callable[..., do.Action]) -> tuple[Form, ...]:
    """Return what can be said of a text that the page has one of."""
    return (
        _form(*_verified(f"{what} @is_not <text>"), build=lambda text: verify(text, "is", negated=True)),
        _form(*_verified(f"{what} @is <text>"), build=lambda text: verify(text, "is")),
        _form(*_verified(f"{what} @lacks <text>"), build=lambda text: verify(text, negated=True)),
        _form(*_verified(f"{what} @contains <text>"), f"@verify {what} <text>", build=verify),
    )


def _chosen(target: Target) -> do.Action:
    """Return what choosing something without naming a list means. Raises InvalidInput: that is not clear."""
    if target.role in ("radio", "checkbox", "switch"):
        return do.SetChecked(target, True)
    if target.role in ("tab", "menuitem", "row", "listitem", "link", "button"):
        return do.Click(target)
    raise InvalidInput(f'no list given; write: Select "{target.text}" from "…", or: Select radio "{target.text}"')


def _holds(target: Target, value: str) -> do.Action:
    """Return the check that a field's value contains a text. Raises InvalidInput: it is not said to be a field."""
    if target.kind != "field":
        raise InvalidInput('say what contains it: Verify value of "…" contains "…", or: Verify text "…"')
    return do.VerifyValue(target, value, "contains")


FORMS: tuple[Form, ...] = (
    _form("go|navigate back [to] [the] [previous|last] [page]", build=lambda: do.Travel("back")),
    _form("go|navigate forward [to] [the] [next] [page]", build=lambda: do.Travel("forward")),
    _form("reload|refresh [the] [page|browser]", build=lambda: do.Travel("reload")),
    _form("navigate to [the] [page|url|address|site|website] <address>", "navigate to the <address> page",
          build=lambda address: do.Navigate(address)),
    _form("go to [the] [page|url|address|site|website] <site>", "go to the <site> page",
          "open|visit [the] [page|url|address|site|website] <site>", "open|visit the <site> page",
          build=lambda site: do.Navigate(site)),
    _form("double-click|doubleclick [on] <target>", "double click [on] <target>",
          build=lambda target: do.Click(target, double=True)),
    _form("right-click|rightclick [on] <target>", "right click [on] <target>",
          build=lambda target: do.Click(target, button="right")),
    _form("click|tap [on] <target>", build=do.Click),
    _form("fill [in] <target> with <value>", "enter|input|write <value> in|into <target>", build=do.Fill),
    _form("fill out <target> with <value>", "fill [in] <value> in|into <target>",
          "enter|input|write <value> as|for [the] <target>", "enter|input|write <value> to <target>", build=do.Fill,
          wide=True),
    _form("clear <target>", build=lambda target: do.Fill(target, "")),
    _form("type <value> in|into <target>", "type <value>", build=do.TypeText),
    _form("press|hit [the] <key> in|on <target>", "press|hit [the] <key>", build=do.Press),
    _form("press|hit [on] <control>", build=lambda control: do.Click(control), wide=True),
    _form("push [on] <certain>", build=lambda certain: do.Click(certain), wide=True),
    _form("select|choose|pick <option> from|in <target>", build=do.Select),
    _form("select|choose|pick [the] [option] <listed> [option] from|in <target>",
          build=lambda listed, target: do.Select(target, listed), wide=True),
    _form("select|choose|pick [the] [option] <option> as|for [the] <target>", build=do.Select, wide=True),
    _form("select|choose|pick <target>", build=_chosen, wide=True),
    _form("check|tick <box>", build=lambda box: do.SetChecked(box, True)),
    _form("uncheck|untick|deselect|unselect <target>", build=lambda target: do.SetChecked(target, False)),
    _form("hover [the] mouse over|on <target>", "hover [over|on] <target>", "move [the] mouse over|to|onto <target>",
          build=do.Hover),
    _form("drag [and] [drop] <target> to|onto|into|on <onto>", build=do.Drag),
    _form("scroll [to] [the] <edge> [of] [the] [page]", build=lambda edge: do.ScrollPage(edge), wide=True),
    _form("scroll to <target>", "scroll until <target> @appears", build=do.ScrollTo),
    _form("wait [for] <seconds> seconds|second|s", build=do.WaitSeconds),
    _form("wait [for] <minutes> minutes|minute", build=lambda minutes: do.WaitSeconds(minutes), wide=True),
    _form("wait [for] <duration>", build=lambda duration: do.WaitSeconds(duration), wide=True),
    _form("wait for|until [the] page [has] [is] [to] load|loads|loaded [completely|fully]",
          "wait for|until [the] page is [fully|completely] loaded", build=lambda: do.WaitForLoad(), wide=True),
    _form(*_verified("[the] download [of] <file> @ended", "[the] download [of] <file>",
                     "[the] [file] <file> @downloaded", "[the] [file] <file> [to] [be] downloaded"),
          build=_download(), wide=True),
    _form("wait for|until <target> @vanishes", "wait for|until <target> [to] [be] hidden|invisible|gone",
          build=lambda target: do.WaitForElement(target, visible=False)),
    _form("wait for|until <target> @appears", f"wait for|until <target> [to] {_SHOWN}", build=do.WaitForElement),
    *_compared("[the] [current|page|browser] url", do.VerifyUrl),
    *_compared("[the] [page|document] title", do.VerifyTitle),
    _form(*_verified("[the] page @hides [the] [text] <text>"), "@not_see [the] [text] <text>",
          build=_text(absent=True), wide=True),
    _form(*_verified("[the] page @shows [the] [text] <text>"), "@see [the] [text] <text>", build=_text(), wide=True),
    _form("wait for|until <target> @is enabled", build=_element("enabled"), wide=True),
    _form("wait for|until <target> @is disabled", "wait for|until <target> @is_not enabled",
          build=_element("disabled"), wide=True),
    _form("wait for|until <target>", build=do.WaitForElement),
    _form(f"@verify [the] text <text> is not|no [longer] {_SHOWN}", "@verify no text <text>",
          build=_text(absent=True)),
    _form(f"@verify [the] text <text> is {_SHOWN}", "@verify [the] text <text>", build=_text()),
    # Any other words behind a text without quotes are part of it: "Order 7 does not exist" may be what a page says.
    _form("@verify [the] text <text> @vanishes", build=_text(absent=True), wide=True),
    _form("@verify [the] text <text> @appears", build=_text(), wide=True),
    *_of("value", lambda target, value: do.VerifyValue(target, value, "contains"), do.VerifyValue),
    *_of("attribute <name>", lambda target, name, value: do.VerifyAttribute(target, name, value, "contains"),
         do.VerifyAttribute),
    _form("@verify [the] count|number of <target> is <count>", build=do.VerifyCount),
    _form("@verify [the] count|number of <target> @is <count>", build=do.VerifyCount, wide=True),
    _form("@verify there @is <count> <target>", build=do.VerifyCount, wide=True),
    _form("@verify there @is no <target>", "@verify there @is_not [a|an|any] <target>", build=_element("hidden"),
          wide=True),
    _form("@verify there @is a|an|the <target>", build=_element("visible"), wide=True),
    _form("@verify element <target> @vanishes", build=_element("hidden")),
    _form("@verify element <target> @is enabled", build=_element("enabled")),
    _form("@verify element <target> @is disabled", "@verify element <target> @is_not enabled",
          build=_element("disabled")),
    _form(f"@verify element <target> @is_not {_CHECKED}", f"@verify element <target> @is {_UNCHECKED}",
          build=_element("unchecked")),
    _form(f"@verify element <target> @is {_CHECKED}", build=_element("checked")),
    _form("@verify element <target> @appears", "@verify element <target>", build=_element("visible")),
    _form("upload|attach [the] [file] <name> to|into|in <target>",
          build=lambda name, target: do.Upload(target, name)),
    _form(f"accept|confirm {_DIALOG} with <text>", build=lambda text: do.AnswerDialog(True, text)),
    _form(f"accept|confirm {_DIALOG}", build=lambda: do.AnswerDialog(True)),
    _form(f"dismiss|cancel|close {_DIALOG}", build=lambda: do.AnswerDialog(False)),
    _form("@verify [the] dialog [text] [says|contains] <text>", build=do.VerifyDialog),
    _form("@verify [the] dialog [text] shows|is <text>", build=do.VerifyDialog, wide=True),
    _form("@verify [the] download [of] <file>", build=_download()),
    _form("@verify [the] download name @contains <file> is not empty",
          build=_download(filled=True, comparison="contains")),
    _form("@verify [the] download name @contains <file>", build=_download(comparison="contains")),
    _form("@verify [the] download [of] <file> is not empty", build=_download(filled=True)),
    _form("switch to [the] new|newest|popup [tab|page|window]", build=lambda: do.SwitchPage(newest=True)),
    _form("switch to [the] first|main [tab|page|window]", build=lambda: do.SwitchPage(newest=False)),
    _form("set [variable] <new_variable> to <value>",
          build=lambda new_variable, value: do.SetVariable(new_variable, value)),
    _form("set <certain> to <value>", build=lambda certain, value: do.Fill(certain, value), wide=True),
    _form("remember|store|save [the] [text|value] [of] <target> as <variable>",
          build=lambda target, variable: do.Remember(target, variable)),
    _form("take [a] screenshot", build=lambda: do.TakeScreenshot()),
    _form("take [a] screenshot as|named|called <name>", build=do.TakeScreenshot),
    # What is left begins with whatever is verified: the most general comes last.
    _form("@affirm <target> @vanishes", build=_element("hidden"), wide=True),
    _form(f"@affirm <target> @is_not {_CHECKED}", f"@affirm <target> @is {_UNCHECKED}",
          build=_element("unchecked"), wide=True),
    _form(f"@affirm <target> @is {_CHECKED}", build=_element("checked"), wide=True),
    _form("@affirm <target> @appears", build=_element("visible"), wide=True),
    _form("@affirm <target> @is enabled", build=_element("enabled"), wide=True),
    _form("@affirm <target> @is disabled", "@affirm <target> @is_not enabled", build=_element("disabled"), wide=True),
    _form("@affirm <target> @is empty", build=lambda target: do.VerifyValue(target, ""), wide=True),
    _form("@affirm <target> @has [the] value <value>", build=do.VerifyValue, wide=True),
    _form("@affirm <target> @contains <value>", build=_holds, wide=True),
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
    "Drag TARGET to TARGET",
    "Scroll to TARGET",
    "Scroll to the bottom",
    "Wait for N seconds",
    "Wait for the page to load",
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
