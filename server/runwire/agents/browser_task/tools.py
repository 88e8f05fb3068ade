"""What the model may call: the actions of the step language, and the end. Floor 4; pure.

A call is read strictly: an unknown tool or a wrong argument is told to the model and does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from runwire.contracts.browser import ElementFacts
from runwire.contracts.model import Tool, ToolCall
from runwire.errors import InvalidInput
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.phrases import MAX_WAIT_S, key_of
from runwire.protocol.steps.tokens import tokenize

MAX_ARGUMENTS = 65_536
"""Most characters of a call's arguments."""

Reference = Annotated[str, Meta(max_length=20, description="reference of the element in the snapshot, such as e12")]
Text = Annotated[str, Meta(max_length=10_000)]


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a tool takes."""


class Navigate(Arguments, frozen=True):
    """Open an address."""

    url: Annotated[str, Meta(min_length=1, max_length=2_000)]


class Click(Arguments, frozen=True):
    """Click an element."""

    element: Reference
    double: bool = False


class Fill(Arguments, frozen=True):
    """Replace the content of a field; an empty value clears it."""

    element: Reference
    value: Text


class Press(Arguments, frozen=True):
    """Press a key such as Enter, Tab or Control+A, on an element or on whatever has the focus."""

    key: Annotated[str, Meta(min_length=1, max_length=40)]
    element: Reference | None = None


class Select(Arguments, frozen=True):
    """Choose the option with this label in a list."""

    element: Reference
    option: Annotated[str, Meta(min_length=1, max_length=500)]


class Check(Arguments, frozen=True):
    """Check or uncheck a box."""

    element: Reference
    checked: bool = True


class Hover(Arguments, frozen=True):
    """Move the mouse over an element."""

    element: Reference


class ScrollTo(Arguments, frozen=True):
    """Bring an element into view."""

    element: Reference


class Upload(Arguments, frozen=True):
    """Give one of the task's files to a file field."""

    element: Reference
    file: Annotated[str, Meta(min_length=1, max_length=200)]


class Go(Arguments, frozen=True):
    """Move in the page's history, or load it again."""

    direction: Literal["back", "forward", "reload"]


class Wait(Arguments, frozen=True):
    """Do nothing for a while, if the page needs time."""

    seconds: Annotated[float, Meta(gt=0, le=min(MAX_WAIT_S, 30.0))]


class AnswerNextDialog(Arguments, frozen=True):
    """Decide, before the click that opens it, how the next dialog is answered; undecided ones are dismissed."""

    accept: bool
    text: Text = ""


class SwitchTab(Arguments, frozen=True):
    """Go on in the newest tab that was opened, or in the first one."""

    newest: bool


class VerifyText(Arguments, frozen=True):
    """Make sure that a text is visible on the page: evidence for the result."""

    text: Annotated[str, Meta(min_length=1, max_length=500)]


class VerifyDownload(Arguments, frozen=True):
    """Wait until a file of exactly this name has been downloaded, and make sure of it: evidence for the result."""

    file: Annotated[str, Meta(min_length=1, max_length=500)]


class Finish(Arguments, frozen=True):
    """End the task: whether it was achieved, what was found in a sentence or two, and the data that was asked for."""

    success: bool
    summary: Annotated[str, Meta(min_length=1, max_length=2_000)]
    data: Any = None


Choice = (
    Navigate | Click | Fill | Press | Select | Check | Hover | ScrollTo | Upload | Go | Wait | AnswerNextDialog
    | SwitchTab | VerifyText | VerifyDownload | Finish
)  # fmt: skip

KINDS: dict[str, type[Any]] = {
    "navigate": Navigate,
    "click": Click,
    "fill": Fill,
    "press": Press,
    "select": Select,
    "check": Check,
    "hover": Hover,
    "scroll_to": ScrollTo,
    "upload": Upload,
    "go": Go,
    "wait": Wait,
    "answer_next_dialog": AnswerNextDialog,
    "switch_tab": SwitchTab,
    "verify_text": VerifyText,
    "verify_download": VerifyDownload,
    "finish": Finish,
}


def tools(result_schema: dict[str, Any] | None, kinds: Mapping[str, type[Any]] = KINDS) -> tuple[Tool, ...]:
    """Return the tools, ``finish`` with the schema that its data must fit."""
    made = []
    for name, kind in kinds.items():
        schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
        if kind is Finish and result_schema is not None:
            schema["properties"]["data"] = result_schema
            schema["required"] = [*schema["required"], "data"]
        made.append(Tool(name, (kind.__doc__ or "").strip(), schema))
    return tuple(made)


def choice_of(call: ToolCall, kinds: Mapping[str, type[Any]] = KINDS) -> Any:
    """Return what a call asks for, one of ``kinds``. Raises InvalidInput that tells the model what is wrong with it."""
    if call.name not in kinds:
        raise InvalidInput(f"there is no tool {call.name[:60]!r}; there are: {', '.join(kinds)}")
    if len(call.arguments) > MAX_ARGUMENTS:
        raise InvalidInput(f"the arguments have more than {MAX_ARGUMENTS} characters")
    return chosen(call.name, call.arguments or "{}", kinds)


def chosen(name: str, arguments: str | dict[str, Any], kinds: Mapping[str, type[Any]] = KINDS) -> Any:
    """Return the choice with these arguments, JSON text or an object. Raises InvalidInput."""
    kind = kinds[name]
    try:
        if isinstance(arguments, str):
            choice = msgspec.json.decode(arguments, type=kind)
        else:
            choice = msgspec.convert(arguments, kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidInput(f"{name}: {error}") from error
    return choice


def arguments_of(choice: object) -> dict[str, Any]:
    """Return a choice's arguments, for a person to read and to change."""
    arguments: dict[str, Any] = msgspec.to_builtins(choice)
    return arguments


@dataclass(frozen=True, slots=True)
class Planned:
    """A choice and what it means on the page as it is now; ``element`` is None where it points at none."""

    choice: Choice
    action: do.Action
    element: ElementFacts | None = None


def planned(choice: Choice, element: ElementFacts | None) -> Planned:
    """Return the action that a choice means, inside the element's frame. Raises InvalidInput."""
    action = _action(choice, element)
    if element is not None and element.frame is not None:
        action = do.InFrame(element.frame, action)
    return Planned(choice, action, element)


def _action(choice: Choice, element: ElementFacts | None) -> do.Action:
    match choice:
        case Navigate(url=url):
            return do.Navigate(_address(url))
        case Press(key=key):
            return do.Press(key_of(tokenize(key)), None if element is None else element.target)
        case Go(direction=direction):
            return do.Travel(direction)
        case Wait(seconds=seconds):
            return do.WaitSeconds(seconds)
        case AnswerNextDialog(accept=accept, text=text):
            return do.AnswerDialog(accept, text)
        case SwitchTab(newest=newest):
            return do.SwitchPage(newest)
        case VerifyText(text=text):
            return do.VerifyText(text)
        case VerifyDownload(file=file):
            return do.VerifyDownload(file)
    if element is None:
        raise InvalidInput("this tool needs an element")
    return _pointing(choice, element)


def _address(url: str) -> str:
    """Return an address that can be read. Raises InvalidInput."""
    try:
        urlsplit(url)
    except ValueError as error:
        raise InvalidInput(f"{url[:100]!r} is no address: {error}") from error
    return url


def _pointing(choice: Choice, element: ElementFacts) -> do.Action:
    target = element.target
    match choice:
        case Click(double=double):
            return do.Click(target, double)
        case Fill(value=value):
            return do.Fill(target, value)
        case Select(option=option):
            return do.Select(target, option)
        case Check(checked=checked):
            return do.SetChecked(target, checked)
        case Hover():
            return do.Hover(target)
        case ScrollTo():
            return do.ScrollTo(target)
        case Upload(file=file):
            return do.Upload(target, file)
    raise InvalidInput("this is no step")
