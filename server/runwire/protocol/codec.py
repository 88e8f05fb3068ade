"""JSON at the doors: what may enter the log, and what a client's message may be. Floor 2; any thread; pure.

msgspec encodes NaN as null and refuses lone surrogates; both must not happen silently here. The fast path costs two
scans of the encoded bytes; only a value that looks suspicious is walked in Python.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from runwire.errors import BadCommand, EventRefused, InvalidInput, ProtocolViolation, TooLarge

MAX_DEPTH = 32
"""Deepest nesting of a client's message or an agent's value (protocol, section 6)."""

MAX_SAFE_INTEGER = 2**53
"""Integers beyond this lose digits in every browser (RFC 8259, section 6)."""

EVENT_BYTES = 65_536
"""Largest encoded event (protocol, L8)."""

_encode = msgspec.json.Encoder().encode
_LONG_DIGITS = re.compile(rb"\d{16}")
_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NUL = re.compile(rb"\x00|(?<!\\)(?:\\\\)*\\u0000")


def encode_value(value: Any) -> bytes:
    """Return ``value`` as JSON bytes; lone surrogates become U+FFFD (protocol, L8).

    Raises:
        InvalidInput: NaN, an infinity, an integer beyond ±2^53, a cycle, nesting deeper than 32, or a value that JSON
            cannot hold; the message names the place.
    """
    try:
        encoded = _encode_text(value)
    except RecursionError as error:
        raise InvalidInput(f"nested deeper than {MAX_DEPTH} levels, or a cycle") from error
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"not JSON: {error}") from error
    if b"null" in encoded or _may_hold_long_integer(encoded) or _may_be_deep(encoded):
        _normalised(value, "", 0)
    return encoded


def _encode_text(value: Any) -> bytes:
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_normalised(value, "", 0))


def encode_event(event: Any, *, limit_bytes: int = EVENT_BYTES) -> bytes:
    """Return an agent's event as JSON bytes.

    Raises:
        EventRefused: no object, no ``type``, a ``RUN_*`` type (the server's own), too large, or no JSON.
    """
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str) or not kind:
        raise EventRefused('an event is a JSON object with a "type", such as {"type":"TEXT_MESSAGE_CONTENT", …}')
    if kind.startswith("RUN_"):
        raise EventRefused(f"the server alone writes {kind} events; return or raise to end a run")
    try:
        encoded = encode_value(event)
    except InvalidInput as error:
        raise EventRefused(f"the event {kind} was refused: {error.message}") from error
    if len(encoded) > limit_bytes:
        raise EventRefused(
            f"the event {kind} has {len(encoded)} bytes, the limit is {limit_bytes}; save an artifact and send its url",
            size_bytes=len(encoded),
            limit_bytes=limit_bytes,
        )
    return encoded


def _may_hold_long_integer(encoded: bytes) -> bool:
    """Return whether 16 digits stand in a row; counting all digits first is a tenth of the search's cost."""
    digits = len(encoded.translate(None, _NO_DIGITS))
    return digits >= 16 and _LONG_DIGITS.search(encoded) is not None


def _may_be_deep(encoded: bytes) -> bool:
    return encoded.count(b"{") + encoded.count(b"[") > MAX_DEPTH


def _normalised(value: Any, path: str, depth: int) -> Any:
    """Return ``value`` with lone surrogates replaced; refuse what JSON or a browser cannot hold, naming the place."""
    if depth > MAX_DEPTH:
        raise InvalidInput(f"nested deeper than {MAX_DEPTH} levels at {path[:80] or 'the top'}, or a cycle")
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{value} at {path or 'the top'}: JSON has no such number")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_SAFE_INTEGER:
        raise InvalidInput(f"an integer beyond 2^53 at {path or 'the top'}: send it as a string")
    if isinstance(value, dict):
        return {
            _SURROGATE.sub("\ufffd", k) if isinstance(k, str) else k: _normalised(v, f"{path}.{k}", depth + 1)
            for k, v in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_normalised(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    return value


def decode_body(body: bytes) -> Any:
    """Return the JSON value of a request body.

    Raises:
        InvalidInput: no JSON, nested too deeply, or with a NUL or a lone surrogate in it.
    """
    try:
        if _may_be_deep(body) and _depth(body) > MAX_DEPTH:
            raise InvalidInput(f"nested deeper than {MAX_DEPTH} levels")
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}") from error
    if _NUL.search(body):
        raise InvalidInput("NUL characters are not allowed")
    return value


def decode_message(message: str | bytes, *, limit_bytes: int) -> dict[str, Any]:
    """Return a client's message, a JSON object with an ``op``.

    Raises:
        TooLarge: longer than ``limit_bytes``.
        ProtocolViolation: a binary frame (1003).
        BadCommand: no JSON object, nested too deeply, or without an ``op``; ``details["id"]`` is its id if it had one.
    """
    if isinstance(message, bytes):
        raise ProtocolViolation("commands are text frames", close_code=1003)
    body = message.encode("utf-8", "surrogatepass")
    if len(body) > limit_bytes:
        raise TooLarge(f"a message has at most {limit_bytes} bytes", limit_bytes=limit_bytes)
    try:
        value = decode_body(body)
    except InvalidInput as error:
        raise BadCommand(error.message) from error
    if not isinstance(value, dict):
        raise BadCommand("a command is a JSON object")
    if not isinstance(value.get("op"), str):
        raise BadCommand('a command names its "op"', id=value.get("id"))
    return value


def _depth(body: bytes) -> int:
    depth = deepest = 0
    for byte in _STRING.sub(b"", body):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest
