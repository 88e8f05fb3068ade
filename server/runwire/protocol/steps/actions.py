"""What a step does: one frozen value for each action. Floor 2; values only, nothing here runs.

Addresses are as written (relative ones are resolved by whoever performs the step); seconds are floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from runwire.protocol.steps.target import Target

ElementState = Literal["visible", "hidden", "enabled", "disabled", "checked", "unchecked"]
Comparison = Literal["is", "contains"]
MouseButton = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Navigate:
    """Open an address and wait for its load event."""

    url: str


@dataclass(frozen=True, slots=True)
class Travel:
    """Move in the page's history, or load it again."""

    direction: Literal["back", "forward", "reload"]


@dataclass(frozen=True, slots=True)
class Click:
    """Click an element."""

    target: Target
    double: bool = False
    button: MouseButton = "left"


@dataclass(frozen=True, slots=True)
class Fill:
    """Replace a field's content; an empty value clears it."""

    target: Target
    value: str


@dataclass(frozen=True, slots=True)
class TypeText:
    """Type key by key, into an element or into whatever has the focus."""

    value: str
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Press:
    """Press a key or chord such as ``Enter`` or ``Control+A``."""

    key: str
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """Choose the option with this label or value."""

    target: Target
    option: str


@dataclass(frozen=True, slots=True)
class SetChecked:
    """Check or uncheck a box."""

    target: Target
    checked: bool


@dataclass(frozen=True, slots=True)
class Hover:
    """Move the mouse over an element."""

    target: Target


@dataclass(frozen=True, slots=True)
class ScrollTo:
    """Bring an element into view."""

    target: Target


@dataclass(frozen=True, slots=True)
class ScrollPage:
    """Scroll what fills most of the page: to its top or bottom, or most of a screen up or down."""

    where: Literal["top", "bottom", "up", "down"]


@dataclass(frozen=True, slots=True)
class Drag:
    """Take an element with the mouse and drop it on another."""

    target: Target
    onto: Target


@dataclass(frozen=True, slots=True)
class WaitForLoad:
    """Wait until the page's load event has come."""


@dataclass(frozen=True, slots=True)
class WaitSeconds:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class WaitForElement:
    """Wait until an element is visible, or hidden or gone."""

    target: Target
    visible: bool = True


@dataclass(frozen=True, slots=True)
class VerifyText:
    """The text is visible on the page (``absent``: is not). Case matters, runs of white space do not."""

    text: str
    absent: bool = False


@dataclass(frozen=True, slots=True)
class VerifyTitle:
    """The document's title is, or contains, the text (``negated``: does not)."""

    text: str
    comparison: Comparison = "contains"
    negated: bool = False


@dataclass(frozen=True, slots=True)
class VerifyUrl:
    """The page's address is, or contains, the text (``negated``: does not)."""

    text: str
    comparison: Comparison = "contains"
    negated: bool = False


@dataclass(frozen=True, slots=True)
class VerifyElement:
    """An element is in a state; ``hidden`` is also true of one that does not exist."""

    target: Target
    state: ElementState = "visible"


@dataclass(frozen=True, slots=True)
class VerifyValue:
    """A field's value is, or contains, the text."""

    target: Target
    value: str
    comparison: Comparison = "is"


@dataclass(frozen=True, slots=True)
class VerifyAttribute:
    """An element's attribute is, or contains, the text."""

    target: Target
    name: str
    value: str
    comparison: Comparison = "is"


@dataclass(frozen=True, slots=True)
class VerifyCount:
    """So many visible elements match."""

    target: Target
    count: int


@dataclass(frozen=True, slots=True)
class Upload:
    """Give a file to a file field: its name, and its text as the test holds it."""

    target: Target
    file: str
    content: str = ""


@dataclass(frozen=True, slots=True)
class AnswerDialog:
    """Decide how the next dialog (alert, confirm, prompt) is answered; undecided ones are dismissed."""

    accept: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class VerifyDialog:
    """The last dialog said, or contained, the text."""

    text: str


@dataclass(frozen=True, slots=True)
class VerifyDownload:
    """A download whose name is, or contains, the text has ended and was kept (``filled``: with something in it).

    Each download answers for one such step only, so that a second step wants a second download.
    """

    name: str
    comparison: Comparison = "is"
    filled: bool = False


@dataclass(frozen=True, slots=True)
class SwitchPage:
    """Go on in the newest page that the run has opened (a popup, a new tab), or in its first one."""

    newest: bool


@dataclass(frozen=True, slots=True)
class SetVariable:
    """Give a variable a value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep an element's text, or its value if it is a field, in a variable."""

    target: Target
    name: str


@dataclass(frozen=True, slots=True)
class InFrame:
    """Do something inside a frame, named by its name, title, id or a part of its address."""

    frame: str
    action: Action


@dataclass(frozen=True, slots=True)
class TakeScreenshot:
    """Keep a picture of the page under a name of one's own."""

    name: str = "screenshot"


@dataclass(frozen=True, slots=True)
class Unread:
    """A sentence that the grammar does not know, kept for a model to read; ``complaint`` says why it is unknown."""

    sentence: str
    complaint: str


Action: TypeAlias = (
    Navigate
    | Travel
    | Click
    | Fill
    | TypeText
    | Press
    | Select
    | SetChecked
    | Hover
    | ScrollTo
    | ScrollPage
    | Drag
    | WaitForLoad
    | WaitSeconds
    | WaitForElement
    | VerifyText
    | VerifyTitle
    | VerifyUrl
    | VerifyElement
    | VerifyValue
    | VerifyAttribute
    | VerifyCount
    | Upload
    | AnswerDialog
    | VerifyDialog
    | VerifyDownload
    | SwitchPage
    | SetVariable
    | Remember
    | InFrame
    | TakeScreenshot
    | Unread
)
"""Everything that a step can do."""

_LOOKS = (
    WaitForLoad,
    WaitSeconds,
    WaitForElement,
    VerifyText,
    VerifyTitle,
    VerifyUrl,
    VerifyElement,
    VerifyValue,
    VerifyAttribute,
    VerifyCount,
    VerifyDialog,
    VerifyDownload,
    SetVariable,
    Remember,
    TakeScreenshot,
)


def only_looks(action: Action) -> bool:
    """Return whether the action leaves the page as it is, so that doing it again does no harm."""
    return isinstance(action.action if isinstance(action, InFrame) else action, _LOOKS)


@dataclass(frozen=True, slots=True)
class Step:
    """One sentence of a test: its place (from 1), its text as written, and what it means."""

    index: int
    text: str
    action: Action
