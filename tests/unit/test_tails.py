"""A run's tail: what is held of the newest entries, and that holding less never changes what a follower gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runwire.contracts.event_log import Published
from runwire.engine.bridge import TAIL_BYTES, TAIL_ENTRIES, RunTail
from runwire.protocol.wire import text_frame
from runwire.runs.state import RunStatus


def _published(first: int, frames: list[bytes], *, ended: bool = False) -> Published:
    status = RunStatus.SUCCEEDED if ended else RunStatus.RUNNING
    return Published("run00001", first, frames, status, 1, ended)


def _filled(sizes: list[int], first: int = 1) -> tuple[RunTail, list[bytes]]:
    tail, frames = RunTail(), [b"%d:" % number + b"x" * size for number, size in enumerate(sizes)]
    seq = first
    for frame in frames:
        tail.add(_published(seq, [frame]))
        seq += 1
    return tail, frames


def test_an_empty_tail_reaches_nobody() -> None:
    assert not any(RunTail().reaches(cursor) for cursor in (0, 1, 100))


@given(st.integers(1, 50), st.integers(1, 40), st.integers(-3, 6))
def test_a_tail_reaches_exactly_the_cursors_that_miss_nothing_before_it(first: int, count: int, offset: int) -> None:
    tail, frames = _filled([1] * count, first)
    cursor = max(0, first + offset)
    assert tail.next_seq == first + count
    assert tail.reaches(cursor) == (cursor >= first - 1)
    if tail.reaches(cursor):
        assert tail.after(cursor, 1_000, 10**9) == frames[cursor + 1 - first :]


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(0, 39), st.integers(1, 10), st.integers(1, 200)
)
def test_what_is_taken_is_bounded_and_never_empty_while_something_waits(
    sizes: list[int], cursor: int, entries: int, size_bytes: int
) -> None:
    tail, frames = _filled(sizes)
    taken = tail.after(cursor, entries, size_bytes)
    assert taken == frames[cursor : cursor + len(taken)]
    assert len(taken) <= entries
    assert sum(map(len, taken)) <= size_bytes or len(taken) == 1
    assert bool(taken) == (cursor < len(frames))


def test_a_tail_is_bounded_in_entries_and_forgets_the_oldest() -> None:
    tail, frames = _filled([1] * (TAIL_ENTRIES * 3))
    assert tail.next_seq == len(frames) + 1
    assert len(frames) + 1 - tail.first_seq <= TAIL_ENTRIES
    assert not tail.reaches(0)
    assert tail.after(tail.first_seq - 1, 10**6, 10**9) == frames[tail.first_seq - 1 :]


def test_a_tail_is_bounded_in_bytes() -> None:
    tail, frames = _filled([60_000] * 100)
    held = tail.after(tail.first_seq - 1, 10**6, 10**9)
    assert sum(map(len, held)) <= TAIL_BYTES
    assert held == frames[tail.first_seq - 1 :]


def test_the_end_is_the_last_entrys_seq() -> None:
    tail = RunTail()
    tail.add(_published(1, [b"a", b"b"]))
    assert tail.end_seq is None
    tail.add(_published(3, [b"c", b"d"], ended=True))
    assert tail.end_seq == 4


def test_a_frame_for_many_followers_is_made_once() -> None:
    tail, frames = _filled([1, 2, 3])
    one, again = (tail.wire("run00001", 1, frames[:1]) for _ in range(2))
    assert one is again
    assert one == text_frame(frames[0])
    batch = tail.wire("run00001", 1, frames)
    assert batch == text_frame(
        b'{"type":"batch","run_id":"run00001","first_seq":1,"entries":[' + b",".join(frames) + b"]}"
    )


@given(st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 70_000]))
def test_a_frame_on_the_wire_is_what_rfc_6455_says(size: int) -> None:
    payload = b"x" * size
    wire = text_frame(payload)
    assert wire[0] == 0x81, "final, text"
    length, head = wire[1], 2
    if length == 126:
        length, head = int.from_bytes(wire[2:4], "big"), 4
        assert length >= 126, "the shortest form"
    elif length == 127:
        length, head = int.from_bytes(wire[2:10], "big"), 10
        assert length >= 65_536, "the shortest form"
    assert (length, wire[head:]) == (size, payload)
