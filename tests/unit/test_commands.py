"""Commands as values: checked while they are decoded, and what makes two starts the same (protocol, L7)."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from runwire.errors import BadCommand, InvalidInput
from runwire.ids import ID_LENGTH, IDS_DRAWN, is_client_run_id, new_epoch_part, new_id, new_secret
from runwire.protocol.codec import encode_value
from runwire.protocol.commands import OPS, FollowRun, StartRun, convert, parse_command
from runwire.runs.state import Priority


def _start(**changes: Any) -> StartRun:
    return convert({"agent": "echo", "input": {"a": [1, None]}, **changes}, StartRun)


def _hash(**changes: Any) -> str:
    start = _start(**changes)
    return start.body_hash(encode_value(start.input))


def test_a_start_has_its_defaults() -> None:
    start = _start()
    assert (start.priority, start.on_disconnect, start.run_id, start.timeout_s) == (
        Priority.NORMAL,
        "continue",
        UNSET,
        UNSET,
    )
    follow = convert({"run_id": "abcdefgh"}, FollowRun)
    assert (follow.after, follow.epoch, follow.batch) == (None, None, False)


OTHERS: list[dict[str, Any]] = [
    {"agent": "plain"},
    {"input": {}},
    {"priority": "low"},
    {"thread_id": "t"},
    {"timeout_s": 1},
    {"on_disconnect": "cancel"},
]


@pytest.mark.parametrize("changes", OTHERS, ids=lambda changes: next(iter(changes)))
def test_another_body_has_another_hash(changes: dict[str, Any]) -> None:
    assert _hash(**changes) != _hash()


def test_the_same_body_has_the_same_hash_whatever_its_id() -> None:
    assert _hash(run_id="abcdefgh") == _hash(run_id="zyxwvuts") == _hash()


def test_hashes_cannot_be_confused_by_shifting_text_between_fields() -> None:
    hashes = {_hash(agent=agent, thread_id=thread) for agent, thread in (("ab", "c"), ("a", "bc"))}
    assert len(hashes) == 2


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=64))
def test_every_run_id_of_the_alphabet_is_one(run_id: str) -> None:
    assert is_client_run_id(run_id)
    assert _start(run_id=run_id).run_id == run_id


@given(st.text(max_size=70).filter(lambda text: not is_client_run_id(text)))
def test_nothing_else_is_a_run_id(text: str) -> None:
    with pytest.raises(InvalidInput):
        _start(run_id=text)


@pytest.mark.parametrize("tail", ["\n", "\r", " ", "\x00", "\u2028"])
def test_nothing_may_hang_behind_an_id(tail: str) -> None:
    assert not is_client_run_id("abcdefgh" + tail)
    for field in ("run_id", "thread_id"):
        with pytest.raises(InvalidInput):
            _start(**{field: "abcdefgh" + tail})


def test_unknown_ops_name_those_there_are() -> None:
    with pytest.raises(BadCommand) as refused:
        parse_command({"op": "run.dance", "id": 1})
    assert all(op in refused.value.message for op in OPS)


def test_ids_are_long_lower_case_and_never_the_same() -> None:
    ids = {new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(len(one) == ID_LENGTH and one.isalnum() and one.islower() and one[0].isalpha() for one in ids)


def test_a_forked_child_makes_ids_of_its_own() -> None:
    new_id(), new_epoch_part()  # some of what was drawn is left
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, f"{new_id()} {new_epoch_part()}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    its = os.read(reading, 100).decode().split()
    os.close(reading)
    os.close(writing)
    assert not {new_id() for _ in range(IDS_DRAWN)} & set(its)
    assert not {new_epoch_part() for _ in range(IDS_DRAWN)} & set(its)


def test_every_character_of_an_id_is_as_likely_as_the_others() -> None:
    counts = Counter("".join(new_id()[1:] for _ in range(20_000)))
    assert len(counts) == 36
    assert max(counts.values()) < 1.1 * min(counts.values())  # each some 12,800 times, give or take 110


def test_secrets_carry_256_bits() -> None:
    secret = new_secret("rw_")
    assert secret.startswith("rw_")
    assert len(secret) == 3 + 43
