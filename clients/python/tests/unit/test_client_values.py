"""Addresses, credentials, problems and fields: pure parts, one promise each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clients.python.tests import wire
from runwire_client import errors
from runwire_client.address import Address, new_run_id
from runwire_client.credentials import Credentials
from runwire_client.decode import decode_entry, decode_message
from runwire_client.entries import RunFailure, State, Verdict
from runwire_client.errors import InvalidInput, ProtocolViolation, RunwireError
from runwire_client.follower import Cursor
from runwire_client.problems import problem_error


@pytest.mark.parametrize(
    ("base", "socket"),
    [
        ("http://127.0.0.1:8700", "ws://127.0.0.1:8700/ws/runs/"),
        ("https://runs.example/", "wss://runs.example/ws/runs/"),
        ("https://runs.example/some/prefix/", "wss://runs.example/some/prefix/ws/runs/"),
        ("http://[::1]:80", "ws://[::1]:80/ws/runs/"),
    ],
)
def test_the_socket_lies_beside_the_api(base: str, socket: str) -> None:
    address = Address(base)
    assert address.http("/v1/runs") == base.rstrip("/") + "/v1/runs"
    assert address.follow("r" * 8, Cursor(7, "e 1&x")) == f"{socket}rrrrrrrr?after=7&epoch=e+1%26x&follow=1&batch=1"


@pytest.mark.parametrize(
    "base",
    [
        "",
        "127.0.0.1:8700",
        "ftp://x",
        "http://",
        "http://u:p@x",
        "http://x?q=1",
        "http://x#f",
        "http://x:99999",
        "http://a..b",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(base: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Address(base)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "local"), [("http://localhost", True), ("http://[::1]", True), ("http://10.0.0.1", False)]
)
def test_loopback_is_recognised(base: str, local: bool) -> None:
    assert Address(base).is_loopback is local


def test_run_ids_are_fresh_and_of_the_allowed_shape() -> None:
    ids = {new_run_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 24 and one.isalnum() and one.islower() and one[0].isalpha() for one in ids)


def test_the_token_comes_from_the_argument_then_the_variable_then_the_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("from-file\n")
    environ = {"RUNWIRE_TOKEN": "from-variable", "RUNWIRE_TOKEN_FILE": str(path)}
    assert Credentials("given", environ).header() == {"Authorization": "Bearer given"}
    assert Credentials(None, environ).header() == {"Authorization": "Bearer from-variable"}
    del environ["RUNWIRE_TOKEN"]
    assert Credentials(None, environ).header() == {"Authorization": "Bearer from-file"}
    assert Credentials(None, {}).header() == {}


def test_fresh_credentials_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    credentials = Credentials(None, {"RUNWIRE_TOKEN_FILE": str(path)})
    assert credentials.header() == {"Authorization": "Bearer one"}
    assert not credentials.refresh()
    path.write_text("two")
    assert credentials.refresh()
    assert credentials.header() == {"Authorization": "Bearer two"}


@pytest.mark.parametrize("token", ["line\nbreak", "with space", "é"])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Credentials(token, {}).header()
    assert token not in str(caught.value)
    assert token not in repr(caught.value)


def test_a_token_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InvalidInput, match="RUNWIRE_TOKEN_FILE names /nowhere/token"):
        Credentials(None, {"RUNWIRE_TOKEN_FILE": "/nowhere/token"}).header()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"", errors.InvalidInput),
        (401, b"", errors.NotAuthenticated),
        (403, b"", errors.ScopeMissing),
        (404, b"", errors.NotFound),
        (409, b"", errors.Conflict),
        (409, b'{"code":"run_id_taken"}', errors.RunIdTaken),
        (413, b"", errors.TooLarge),
        (418, b"[]", errors.ServerFault),
        (429, b"", errors.OverCapacity),
        (500, b"<html>", errors.ServerFault),
        (503, b'{"code":7}', errors.ServerUnavailable),
    ],
)
def test_each_status_is_its_class(status: int, body: bytes, kind: type[RunwireError]) -> None:
    error = problem_error(status, {}, body)
    assert type(error) is kind
    assert error.status == status
    assert error.message


def test_a_problem_keeps_its_facts() -> None:
    body = b'{"title":"Full","detail":"come back","code":"over_capacity","details":{"retry_after_s":2,"of":9}}'
    error = problem_error(429, {"retry-after": "60"}, body)
    assert (error.message, error.code, error.retry_after_s) == ("come back", "over_capacity", 2.0)
    assert error.details == {"retry_after_s": 2, "of": 9}


def test_retry_after_is_read_from_the_header_where_the_problem_is_silent() -> None:
    assert problem_error(503, {"retry-after": "60"}, b"").retry_after_s == 60.0
    assert problem_error(503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"").retry_after_s is None


def test_every_error_stands_in_the_drawing() -> None:
    drawing = errors.__doc__ or ""
    named = [
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, RunwireError)
    ]
    assert len(named) > 10
    assert all(f" {name}" in drawing for name in named)


def test_a_failed_state_is_typed() -> None:
    failure = {"code": "timeout", "message": "too long", "retryable": True}
    more: dict[str, Any] = {"error": failure, "verdict": "failed", "usage": {"tokens": 3}, "reason": "timeout"}
    entry = decode_entry(wire.state_row(4, "FAILED", **more))
    assert isinstance(entry, State)
    assert entry.error == RunFailure("timeout", "too long", retryable=True)
    assert (entry.verdict, entry.usage, entry.reason) == (Verdict.FAILED, {"tokens": 3}, "timeout")


@pytest.mark.parametrize(
    "row",
    [
        wire.event_row(0),
        {**wire.event_row(1), "seq": True},
        {**wire.event_row(1), "seq": "1"},
        {**wire.event_row(1), "ts_ms": -1},
        {**wire.event_row(1), "data": []},
        {**wire.event_row(1), "run_id": None},
        {**wire.event_row(1), "type": "heartbeat"},
        wire.state_row(1, "SLEEPING"),
        {**wire.state_row(1, "QUEUED"), "data": {"status": "QUEUED"}},
    ],
)
def test_an_entry_of_a_wrong_shape_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation):
        decode_entry(row)


def test_a_batch_says_truly_where_it_begins_and_is_bounded() -> None:
    with pytest.raises(ProtocolViolation):
        decode_message(wire.batch([wire.event_row(3)]).replace('"first_seq": 3', '"first_seq": 2'))
    with pytest.raises(ProtocolViolation):
        decode_message(wire.batch([wire.event_row(seq) for seq in range(1, 66)]))
    assert len(decode_message(wire.batch([wire.event_row(seq) for seq in range(1, 65)]))) == 64
