"""JSON at the doors: what the log can hold comes through, everything else is refused by name (protocol, L8)."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.errors import BadCommand, EventRefused, InvalidInput, ProtocolViolation, TooLarge
from runwire.protocol.codec import (
    EVENT_BYTES,
    MAX_DEPTH,
    MAX_SAFE_INTEGER,
    decode_body,
    decode_message,
    encode_event,
    encode_value,
)

SAFE_INTEGERS = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
"""Without lone surrogates, which become U+FFFD, and NUL, which no door lets in."""

SCALARS = st.none() | st.booleans() | SAFE_INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(JSON)
def test_whatever_json_holds_comes_through_both_ways_unchanged(value: Any) -> None:
    encoded = encode_value(value)
    assert json.loads(encoded) == value
    assert decode_body(encoded) == value


@given(st.text())
def test_any_text_is_encoded_and_lone_surrogates_become_fffd(text: str) -> None:
    expected = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert json.loads(encode_value([text, {text: 1}])) == [expected, {expected: 1}]


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


REFUSED: list[tuple[Any, str]] = [
    (math.nan, "nan at the top"),
    ({"a": [1, {"b": math.inf}]}, "inf at .a[1].b"),
    ([-math.inf, None], "-inf at [0]"),
    ({"n": MAX_SAFE_INTEGER + 1}, "beyond 2^53 at .n"),
    ([-MAX_SAFE_INTEGER - 1], "beyond 2^53 at [0]"),
    (2**64, "beyond 2^53 at the top"),
    (10**400, "beyond 2^53 at the top"),
    (object(), "not JSON"),
    ({1j: 1}, "not JSON"),
    (_nested(MAX_DEPTH + 1), "nested deeper than 32"),
    (["a\ud800", object()], "not JSON"),
    (["a\ud800", math.nan], "nan at [1]"),
    (["a\ud800", 2**60], "beyond 2^53 at [1]"),
]


@pytest.mark.parametrize(("value", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_the_rest_is_refused_by_name_and_place(value: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        encode_value(value)
    assert words in refused.value.message


def test_a_cycle_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(InvalidInput, match="cycle"):
        encode_value(cycle)


def test_the_deepest_allowed_nesting_is_allowed() -> None:
    assert json.loads(encode_value(_nested(MAX_DEPTH))) == _nested(MAX_DEPTH)
    assert decode_body(json.dumps(_nested(MAX_DEPTH)).encode()) == _nested(MAX_DEPTH)


@pytest.mark.parametrize("event", [None, [], "text", {}, {"type": ""}, {"type": 1}, {"Type": "RAW"}])
def test_an_event_is_an_object_with_a_type(event: Any) -> None:
    with pytest.raises(EventRefused, match='"type"'):
        encode_event(event)


@pytest.mark.parametrize("kind", ["RUN_STARTED", "RUN_FINISHED", "RUN_ERROR", "RUN_ANYTHING"])
def test_an_agent_writes_no_run_events(kind: str) -> None:
    with pytest.raises(EventRefused, match=kind):
        encode_event({"type": kind})


def test_an_event_may_have_exactly_its_limit() -> None:
    frame = len(encode_event({"type": "RAW", "event": ""}))
    assert len(encode_event({"type": "RAW", "event": "x" * (EVENT_BYTES - frame)})) == EVENT_BYTES
    with pytest.raises(EventRefused) as refused:
        encode_event({"type": "RAW", "event": "x" * (EVENT_BYTES - frame + 1)})
    assert refused.value.details == {"size_bytes": EVENT_BYTES + 1, "limit_bytes": EVENT_BYTES}
    with pytest.raises(EventRefused):  # the limit counts bytes, not characters
        encode_event({"type": "RAW", "event": "€" * (EVENT_BYTES // 2)})


NO_BODIES = [
    b"",
    b"{",
    b"nul",
    b"\xff",
    b'"\\ud800"',
    b'"\xed\xa0\x80"',
    b"NaN",
    b"[1,]",
    b'"\\u0000"',
    b'"a\\\\\\u0000"',
    b"[" * 40 + b"]" * 40,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
]


@pytest.mark.parametrize("body", NO_BODIES, ids=lambda body: repr(body[:20]))
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_body(body)


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", '"[[[[' * 20, "{" * 100])
def test_text_that_only_looks_like_poison_is_text(text: str) -> None:
    assert decode_body(json.dumps(text).encode()) == text


@pytest.mark.parametrize(
    ("message", "command_id"), [("[]", None), ("1", None), ("{}", None), ('{"id":7}', 7), ('{"id":"a","op":1}', "a")]
)
def test_a_message_is_an_object_with_an_op(message: str, command_id: Any) -> None:
    with pytest.raises(BadCommand) as refused:
        decode_message(message, limit_bytes=100)
    assert refused.value.details.get("id") == command_id


def test_a_message_that_is_binary_or_too_long_closes() -> None:
    with pytest.raises(ProtocolViolation) as binary:
        decode_message(b"{}", limit_bytes=100)
    assert binary.value.close_code == 1003
    with pytest.raises(TooLarge):
        decode_message('"' + "€" * 33 + '"', limit_bytes=100)


@given(st.text(max_size=60))
def test_no_message_whatever_breaks_the_decoder(text: str) -> None:
    try:
        decode_message(text, limit_bytes=1_000)
    except BadCommand:
        return
