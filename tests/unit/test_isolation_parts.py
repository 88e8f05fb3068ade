"""What the processes of an isolated run say to each other, and what is kept of their output."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.browser.health import Sign
from runwire.browser.statistics import PoolStatistics
from runwire.contracts.agent import InputExpired, InputWithdrawn
from runwire.engine.isolation.guard import KeptOutput
from runwire.engine.isolation.messages import (
    Answered,
    Asked,
    CloseTimes,
    Counted,
    Ended,
    Forgotten,
    FrameReader,
    FromWorker,
    Gone,
    Held,
    Job,
    Message,
    Pictured,
    PipeBroken,
    Said,
    Stop,
    Taken,
    ToWorker,
    Used,
    Watch,
    frame,
    raised_error,
    told_error,
)
from runwire.engine.isolation.process_browsers import MOST_PER_REPORT, MOST_S_PER_REPORT, ProcessBrowsers
from runwire.errors import LimitExceeded, NotFound, OverCapacity, RunwireError, StorageUnavailable, TooLarge
from runwire.isolated import config_for, environment_for
from runwire.protocol.view import MouseInput, TextInput
from runwire.runs.limits import RunLimits
from runwire.runs.record import ClaimedRun
from runwire.settings import Settings

CLAIMED = ClaimedRun("run1", "me", "thread1", "echo", b'"x"', 1, 1, 600.0)
FROM_WORKER: list[Message] = [
    Said(b'{"type":"RAW"}'),
    Asked(1, "flush", {"data": b"\x00\xff"}),
    Forgotten(1),
    Ended(b"null", "passed", {"tokens": 1}, ("agent_error", "why", True, None)),
    Pictured(1, 1280, 720, b"\xff\xd8\xff", polled=True),
    Held(1, "busy"),
]
TO_WORKER: list[Message] = [
    Job(CLAIMED, RunLimits(events=5), "/work", None),
    Taken(64, 1_000),
    Answered(1, [1, None], ("NotFound", "no run", {})),
    Stop("cancel"),
    Watch(watch=1, pictures=1, hold=0, limit_s=2.0),
    Used(MouseInput(action="click", x=1, y=2)),
    Used(TextInput(text="a")),
]


@pytest.mark.parametrize(("messages", "kinds"), [(FROM_WORKER, FromWorker), (TO_WORKER, ToWorker)])
@given(cuts=st.lists(st.integers(0, 500), max_size=8))
def test_messages_come_whole_however_the_stream_is_cut(messages: list[Message], kinds: Any, cuts: list[int]) -> None:
    stream = b"".join(map(frame, messages))
    reader, seen, places = FrameReader(kinds, limit_bytes=1_000), [], [0, *sorted(cuts), len(stream)]
    for begin, end in pairwise(places):
        seen += reader.feed(stream[begin:end])
    assert seen == messages


@given(st.binary(max_size=200))
def test_what_is_no_message_is_refused_and_nothing_else_is_raised(data: bytes) -> None:
    reader = FrameReader(FromWorker, limit_bytes=100)
    try:
        found = reader.feed(data)
    except PipeBroken:
        return
    assert all(isinstance(message, Message) for message in found)


def test_a_worker_cannot_say_what_the_guard_says() -> None:
    with pytest.raises(PipeBroken):
        FrameReader(FromWorker, limit_bytes=1_000).feed(frame(Gone(0, None, "", b"")))


def test_a_frame_above_its_limit_is_refused_before_it_has_come() -> None:
    with pytest.raises(PipeBroken, match="1001 bytes"):
        FrameReader(FromWorker, limit_bytes=1_000).feed(b"\x00\x00\x03\xe9")


ERRORS: list[RunwireError] = [
    TooLarge("too much"),
    NotFound("no file x"),
    LimitExceeded("enough", limit="artifacts"),
    StorageUnavailable("full"),
    OverCapacity("later", retry_after_s=3.0),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_cross_as_what_they_are(error: RunwireError) -> None:
    raised = raised_error(told_error(error))
    assert type(raised) is type(error)
    assert (str(raised), raised.__dict__) == (str(error), error.__dict__)


@pytest.mark.parametrize("kind", [InputExpired, InputWithdrawn])
def test_so_do_the_ends_of_questions(kind: type[InputExpired | InputWithdrawn]) -> None:
    raised = raised_error(told_error(kind("why")))
    assert type(raised) is kind
    assert str(raised) == "why"


COUNTED = Counted(1, 1, 3, 0, 2, 0, 1, {Sign.LOST: 1}, {"page": 1}, {"page": CloseTimes([2] + [0] * 13, 0.5)}, 0.4)


def test_what_browsers_of_processes_have_come_to_is_added_up() -> None:
    browsers, own = ProcessBrowsers(), PoolStatistics(leases=1, launches=1, removed={"worn": 1}, circuit="open")
    browsers.note("a", COUNTED)
    browsers.note("a", msgspec.structs.replace(COUNTED, leased=0))
    browsers.note("b", COUNTED)
    while_live = browsers.with_own(own)
    assert (while_live.isolated, while_live.leased, while_live.leases, while_live.launches) == (2, 1, 7, 5)
    assert (while_live.removed, while_live.hung_closes) == ({"worn": 1, "lost": 2}, {"page": 2})
    assert (while_live.close_s[0][1].count, while_live.closed, while_live.close_mean_s) == (4, 4, 0.25)
    for run_id in ("a", "b", "b", "never"):
        browsers.end(run_id)
    after = browsers.with_own(own)
    assert (after.isolated, after.leased, after.leases, after.circuit) == (0, 0, 7, "open")
    assert after.close_s[0][1].cumulative()[-1][1] == 4


NONE = Counted(0, 0, 0, 0, 0, 0, 0, {}, {}, {}, 0.0)
M = 1_000_000
MANY = Counted(M, M, M, M, M, M, M, {Sign.LOST: M}, {"page": M}, {"page": CloseTimes([M] * 14, M)}, M)


def test_no_process_can_have_a_count_fall() -> None:
    browsers = ProcessBrowsers()
    browsers.note("a", COUNTED)
    before = browsers.with_own(PoolStatistics())
    browsers.note("a", NONE)
    after = browsers.with_own(PoolStatistics())
    assert (after.isolated, after.leased) == (0, 0)  # these are no counters
    assert (after.leases, after.launches, after.lost_runs) == (before.leases, before.launches, before.lost_runs)
    assert (after.removed, after.hung_closes) == (before.removed, before.hung_closes)
    assert after.close_s[0][1].counts == before.close_s[0][1].counts
    assert (after.close_s[0][1].sum, after.close_longest_s) == (0.5, 0.4)


def test_a_report_adds_no_more_than_a_run_can_have_done_meanwhile() -> None:
    browsers = ProcessBrowsers()
    browsers.note("a", COUNTED)
    browsers.note("a", MANY)
    after, most = browsers.with_own(PoolStatistics()), MOST_PER_REPORT
    assert (after.isolated, after.leased) == (most, most)
    assert (after.leases, after.warm, after.launches) == (3 + most, most, 2 + most)
    assert (after.removed, after.hung_closes) == ({"lost": 1 + most}, {"page": 1 + most})
    assert after.close_s[0][1].counts == [2 + most] + [most] * 13
    assert (after.close_s[0][1].sum, after.close_longest_s) == (0.5 + MOST_S_PER_REPORT, 0.4 + MOST_S_PER_REPORT)


@pytest.mark.parametrize(
    "changed",
    [
        {"leases": -1},
        {"launches": 2_000_000},
        {"removed": {"because": 1}},
        {"hung_closes": {"x": 1}},
        {"close_s": {"page": CloseTimes([1], 0.0)}},
        {"close_s": {"page": CloseTimes([1] * 15, 0.0)}},
        {"close_longest_s": "long"},
    ],
)
def test_counts_that_none_could_have_are_no_message(changed: dict[str, Any]) -> None:
    wrong = frame(msgspec.structs.replace(COUNTED, **changed))
    with pytest.raises(PipeBroken):
        FrameReader(FromWorker, limit_bytes=10_000).feed(wrong)


@given(st.lists(st.binary(max_size=60)), st.integers(2, 100))
def test_output_keeps_its_beginning_and_its_end(pieces: list[bytes], limit: int) -> None:
    kept, whole = KeptOutput(limit), b"".join(pieces)
    for piece in pieces:
        kept.add(piece)
    half = limit // 2
    if len(whole) <= 2 * half:
        assert kept.value() == whole
    else:
        gap = b"\n[... %d bytes left out ...]\n" % (len(whole) - 2 * half)
        assert kept.value() == whole[:half] + gap + whole[-half:]


def test_the_environment_is_an_allow_list_of_patterns() -> None:
    settings = Settings(process_environment=("PATH", "OPENAI_*"))
    seen = environment_for(settings, {"PATH": "/bin", "OPENAI_KEY": "k", "AWS_SECRET": "s", "MYPATH": "x"})
    assert seen == {"PATH": "/bin", "OPENAI_KEY": "k"}


PATHS = [
    field.name
    for field in msgspec.structs.fields(Settings)
    if field.name.startswith("browser_") and isinstance(field.default, str) and not field.default
]
"""What may be left empty and else names a file: every setting of browsers that is free text."""


@pytest.mark.parametrize("name", PATHS)
def test_a_relative_path_is_the_same_file_in_the_folder_of_a_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named").touch()
    settings = msgspec.convert({name: "./named"}, Settings)
    told = msgspec.json.decode(config_for(settings, browsers=True))["settings"]
    assert told[name] == str(tmp_path / "named")


def test_the_settings_of_browsers_that_are_paths_are_known() -> None:
    assert PATHS == ["browser_executable", "browser_wrapper", "browser_secrets", "browser_ffmpeg"]
