"""Close codes and statuses: one table each, and every error of the tree has its place in both (protocol, section 5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runwire import errors
from runwire.errors import RunwireError
from runwire.protocol.close_codes import CloseCode
from runwire.web.error_map import close_code_of, error_object, problem, status_of

PROTOCOL = {1000, 1001, 1002, 1003, 1007, 1009, 1011, 1012, 1013, 4008, 4009, 4029, 4401, 4501, 4503}


def test_the_codes_are_the_protocols() -> None:
    assert {int(code) for code in CloseCode} == PROTOCOL


@pytest.mark.parametrize("code", CloseCode)
def test_every_reason_is_short_ascii(code: CloseCode) -> None:
    assert code.reason.isascii()
    assert 0 < len(code.reason) <= 64


def _tree(kind: type[RunwireError] = RunwireError) -> Iterator[type[RunwireError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = {word for line in (errors.__doc__ or "").splitlines() for word in line.split() if word[:1].isupper()}
    assert {kind.__name__ for kind in _tree()} <= drawn


STATUSES = {
    "InvalidInput": 422,
    "BadCommand": 400,
    "NotAuthenticated": 401,
    "ScopeMissing": 403,
    "NotFound": 404,
    "Conflict": 409,
    "RunIdTaken": 409,
    "TooLarge": 413,
    "OverCapacity": 429,
    "StorageUnavailable": 503,
    "IllegalTransition": 500,
    "FenceLost": 500,
}


@pytest.mark.parametrize("name", STATUSES)
def test_each_error_has_its_status(name: str) -> None:
    kind = getattr(errors, name)
    error = kind.__new__(kind)
    assert status_of(error) == STATUSES[name]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotAuthenticated("x"), 4401),
        (errors.ScopeMissing("x"), 4503),
        (errors.TooLarge("x"), 1009),
        (errors.OverCapacity("x", retry_after_s=5), 1013),
        (errors.BadCommand("x"), 4501),
        (errors.InvalidInput("x"), 4501),
        (errors.NotFound("x"), 4501),
        (errors.ProtocolViolation("x", close_code=1003), 1003),
        (errors.ProtocolViolation("x", close_code=4029), 4029),
        (errors.FenceLost("x"), 1011),
        (errors.StorageUnavailable("x"), 1011),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, RunwireError) else str(value),
)
def test_each_error_has_its_close_code(error: RunwireError, code: int) -> None:
    assert close_code_of(error) == code


def test_a_problem_names_the_catalogues_code() -> None:
    answer = problem(errors.OverCapacity("full", retry_after_s=4.6, limit="queued"))
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "5"
    assert b'"code":"over_capacity"' in answer.body
    assert b'"limit":"queued"' in answer.body


def test_an_error_on_a_socket_does_not_repeat_the_commands_id() -> None:
    told = error_object(errors.BadCommand("no", id=7, why="x"))
    assert (told.code, told.details) == ("bad_command", {"why": "x"})
