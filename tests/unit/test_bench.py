"""What the benchmark's figures rest on: the frame reader, the proof of order, the verdict on a row."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.proof import BrokenStream, Data, Entry, entries_of, prove_order
from bench.report import Line, Measured, judge, table
from bench.rows import Goal, Kind
from bench.wire import FrameReader, WireError, client_frame, close_reply


def server_frame(payload: bytes, head: int = 0x81) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 65_536:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload


@given(
    sizes=st.lists(st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536]), max_size=6),
    cuts=st.lists(st.integers(0, 200_000), max_size=12),
)
def test_frames_are_read_however_they_are_cut(sizes: list[int], cuts: list[int]) -> None:
    payloads = [bytes([index]) * size for index, size in enumerate(sizes)]
    stream = b"".join(map(server_frame, payloads)) + server_frame((1000).to_bytes(2, "big"), 0x88)
    reader, read = FrameReader(), []
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for begin, end in itertools.pairwise(edges):
        read += reader.feed(stream[begin:end])
    assert read == payloads
    assert reader.close_code == 1000


@pytest.mark.parametrize(
    "frame",
    [
        server_frame(b"half", 0x01),
        server_frame(b"rest", 0x80),
        server_frame(b"reserved", 0xC1),
        client_frame(b"masked"),
    ],
    ids=["fragment", "continuation", "reserved bit", "masked"],
)
def test_a_frame_that_no_server_may_send_is_an_error(frame: bytes) -> None:
    with pytest.raises(WireError):
        FrameReader().feed(frame)


def test_pings_are_answered_once() -> None:
    reader = FrameReader()
    reader.feed(server_frame(b"a", 0x89) + server_frame(b"", 0x88))
    assert reader.take_pongs() == client_frame(b"a", 0xA)
    assert reader.take_pongs() == b""
    assert reader.close_code == 1005
    assert close_reply(1001).endswith(b"\x03\xe9")


def log(*seqs: int, end: str = "SUCCEEDED") -> list[Entry]:
    return [*(Entry("event", seq) for seq in seqs[:-1]), Entry("state", seqs[-1], data=Data(status=end))]


def test_a_whole_log_in_order_is_proven() -> None:
    prove_order(log(1, 2, 3, 4), 3, durable=True)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (log(1, 2, 4, 5), "seq 4 came after 2"),
        (log(1, 2, 2, 3), "seq 2 came after 2"),
        (log(2, 3, 4, 5), "seq 2 came after 0"),
        (log(1, 2, 3), "2 of 3 events"),
        (log(1, 2, 3, 4, end="CANCELLED"), "CANCELLED"),
        ([*log(1, 2, 3), Entry("state", 4, data=Data(status="FAILED", error={"code": "x"}))], "failed"),
    ],
)
def test_anything_else_is_no_figure(entries: list[Entry], said: str) -> None:
    with pytest.raises(BrokenStream, match=said):
        prove_order(entries, 3, durable=True)


def test_entries_are_found_alone_and_in_batches() -> None:
    event = b'{"type":"event","seq":7,"run_id":"r","ts_ms":1,"data":{"type":"CUSTOM","value":{"t":0.5}}}'
    batch = b'{"type":"batch","run_id":"r","first_seq":7,"entries":[' + event + b"]}"
    assert [entry.seq for entry in entries_of(event)] == [7]
    assert entries_of(batch) == entries_of(event)
    assert entries_of(b'{"type":"heartbeat","run_id":"r","last_seq":7}') == []


def judged(*goals: Goal, ours: list[float], theirs: list[float], failure: str = "") -> list[Line]:
    samples = [[{"figure": value} for value in side] for side in (theirs, ours)]
    return list(judge(Measured("row", "bare", "runwire", samples[0], samples[1], goals, failure)))


def test_a_ratio_is_the_median_of_the_ratios_of_each_repetition() -> None:
    (line,) = judged(Goal("figure", "x", at_most=2.5), ours=[20, 30, 800], theirs=[10, 10, 100])
    assert (line.ratio, line.verdict) == (3, "MISSED")
    (line,) = judged(Goal("figure", "x", at_least=3.0), ours=[20, 30, 800], theirs=[10, 10, 100])
    assert line.verdict == "ok"


def test_a_value_is_judged_by_itself_and_a_line_without_bound_only_informs() -> None:
    value, plain = judged(
        Goal("figure", "x", Kind.VALUE, at_most=30), Goal("figure", "y"), ours=[20, 30, 80], theirs=[1, 1, 1]
    )
    assert (value.subject, value.verdict, plain.verdict) == (30, "ok", "")


def test_a_row_that_failed_is_shown_as_failed() -> None:
    (line,) = judged(Goal("figure", "events/s", at_least=1.0), ours=[], theirs=[], failure="closed with 1006")
    assert line.verdict == "FAILED"
    assert "FAILED" in table([line])
