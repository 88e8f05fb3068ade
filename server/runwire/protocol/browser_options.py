"""What a browser configuration may say, checked. Floor 2; values and pure functions.

It is the body of ``/v1/browser-configs``, the part ``browser`` of a test, and what a traversal keeps of it. Nothing
here can widen what the server allows: ``allow`` narrows where a run may go, a secret is a name.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from runwire.errors import InvalidInput
from runwire.protocol.devices import DEVICES
from runwire.protocol.steps.shape import KeepLogs

STATE_BYTES = 65_536
"""Most bytes of a storage state: it is copied into each run."""
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[?[0-9A-Fa-f:]{2,45}\]?")

Pixels = Annotated[int, Meta(ge=100, le=4096)]
SecretName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")]


class Viewport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The visible part of a page, CSS pixels."""

    width: Pixels
    height: Pixels


class Cookie(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A cookie that a context begins with."""

    name: str
    value: str
    domain: str
    path: str = "/"
    expires: float = -1
    httpOnly: bool = False
    secure: bool = False
    sameSite: Literal["Strict", "Lax", "None"] = "Lax"


class StoredItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One item of an origin's local storage."""

    name: str
    value: str


class StoredOrigin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An origin's local storage."""

    origin: Annotated[str, Meta(pattern=r"^https?://[^/\s]{1,255}$(?!\n)")]
    localStorage: tuple[StoredItem, ...] = ()


class StorageState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a context begins with, in the form in which Playwright saves it."""

    cookies: Annotated[tuple[Cookie, ...], Meta(max_length=200)] = ()
    origins: Annotated[tuple[StoredOrigin, ...], Meta(max_length=20)] = ()


class BrowserOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A browser configuration; what is left out is the browser's own default."""

    device: Annotated[str | None, Meta(description=f"a preset: {', '.join(DEVICES)}")] = None
    viewport: Annotated[Viewport | None, Meta(description="in place of the device's")] = None
    locale: Annotated[str | None, Meta(description="language and region, such as de-CH")] = None
    timezone: Annotated[str | None, Meta(description="of the IANA database, such as Europe/Zurich")] = None
    user_agent: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    color_scheme: Literal["light", "dark", "no-preference"] | None = None
    allow: Annotated[
        tuple[str, ...],
        Meta(max_length=100, description="the only hosts that may be visited (*.example.org is a pattern); none: any"),
    ] = ()
    http_auth: Annotated[
        SecretName | None, Meta(description="name of a secret of the server: user name and password of one origin")
    ] = None
    storage_state: Annotated[
        StorageState | None, Meta(description="cookies and local storage that the run begins with; at most 64 KiB")
    ] = None
    video: Annotated[
        KeepLogs | None,
        Meta(description="whether what the pages show is kept as a video; never unless said"),
    ] = None

    @property
    def told(self) -> dict[str, Any]:
        """What reports and traversals hold: everything but the storage state, which may log somebody in."""
        facts: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, storage_state=None))
        return facts


def parse_options(value: object) -> BrowserOptions:
    """Return the configuration that an object describes.

    Raises:
        InvalidInput: the message names the member and what is wrong, such as ``browser.locale: "german" is no locale``.
    """
    try:
        options = msgspec.convert(value, BrowserOptions)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"browser: {error}") from error
    if options.device is not None and options.device not in DEVICES:
        raise _refusal("device", options.device, f"is no known device; known are {', '.join(DEVICES)}")
    if options.locale is not None and not _LOCALE.fullmatch(options.locale):
        raise _refusal("locale", options.locale, "is no locale; write a language and a region, such as de-CH")
    if options.timezone is not None and not _is_zone(options.timezone):
        raise _refusal("timezone", options.timezone, "is no time zone; write one such as Europe/Zurich")
    for host in options.allow:
        if not _HOST.fullmatch(host):
            raise _refusal("allow", host, "is no host; write a name such as shop.example.org or *.example.org")
    if options.storage_state is not None and len(msgspec.json.encode(options.storage_state)) > STATE_BYTES:
        raise InvalidInput(f"browser.storage_state: larger than {STATE_BYTES} bytes; keep the login's cookies only")
    return options


def overlaid(base: BrowserOptions, over: BrowserOptions) -> BrowserOptions:
    """Return ``base`` with everything that ``over`` says. A device brings its own screen: an older viewport goes."""
    default = BrowserOptions()
    changes = {
        name: getattr(over, name) for name in over.__struct_fields__ if getattr(over, name) != getattr(default, name)
    }
    if "device" in changes:
        base = msgspec.structs.replace(base, viewport=None)
    return msgspec.structs.replace(base, **changes)


def options_schema() -> dict[str, Any]:
    """Return the JSON Schema of a browser configuration."""
    return msgspec.json.schema(BrowserOptions, ref_template="#/$defs/{name}")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return not _has_zones() and re.fullmatch(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}", name) is not None
    return True


def _has_zones() -> bool:
    """Return whether this machine has the database of time zones; without it the browser alone can tell."""
    try:
        ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:
        return False
    return True


def _refusal(member: str, value: str, reason: str) -> InvalidInput:
    return InvalidInput(f'browser.{member}: "{value[:100]}" {reason}')
