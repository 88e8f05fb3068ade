"""The judge itself: a good history passes, each broken promise is found. One that never convicts proves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.frames import parse_entry
from tests.faults.history import History, HistoryBroken, StoredLog, Stream
from tests.faults.journal import Acknowledged

RUN_ID, EPOCH = "judgedrun", "aa.bb"
CONNECTED = b'{"type":"connected","run_id":"judgedrun","epoch":"%b","first_seq":1,"last_seq":6,"resumed":%b}'
RESET = b'{"type":"reset","run_id":"judgedrun","reason":"ahead","first_seq":1,"last_seq":6}'


def state(seq: int, status: str, attempt: int = 1) -> bytes:
    """Return a state entry."""
    return b'{"type":"state","run_id":"judgedrun","seq":%d,"ts_ms":1,"data":{"status":"%b","attempt":%d}}' % (
        seq,
        status.encode(),
        attempt,
    )


def event(seq: int, value: int) -> bytes:
    """Return an event as the journaled agents emit it."""
    data = b'{"type":"CUSTOM","name":"journal.1","value":%d}' % value
    return b'{"type":"event","run_id":"judgedrun","seq":%d,"ts_ms":1,"data":%b}' % (seq, data)


GOOD = [state(1, "QUEUED"), state(2, "RUNNING"), event(3, 0), event(4, 1), event(5, 2), state(6, "SUCCEEDED")]


def log_of(entries: list[bytes], status: str = "SUCCEEDED") -> dict[str, StoredLog]:
    """Return a stored log of these entries."""
    return {RUN_ID: StoredLog(RUN_ID, EPOCH, status, 1, [parse_entry(entry) for entry in entries])}


def opening(epoch: bytes = EPOCH.encode(), resumed: bytes = b"true") -> bytes:
    """Return a connected frame."""
    return CONNECTED % (epoch, resumed)


def stream(texts: list[bytes], after: int | None = None, code: int | None = 1000, *, whole: bool = True) -> Stream:
    """Return what a socket saw."""
    return Stream(RUN_ID, after, texts, code, whole)


def batch(first_seq: int, entries: list[bytes]) -> bytes:
    """Return a batch frame."""
    return b'{"type":"batch","run_id":"judgedrun","first_seq":%d,"entries":[%b]}' % (first_seq, b",".join(entries))


@pytest.mark.parametrize(
    "seen",
    [
        stream([opening(), *GOOD]),
        stream([opening(), GOOD[0], batch(2, GOOD[1:])]),
        stream([opening(), *GOOD[3:]], after=3),
        stream([opening()], after=6),
        stream([opening(resumed=b"false"), RESET, *GOOD], after=99),
        stream([opening(), *GOOD[:4]], code=None, whole=False),
        stream([opening(), *GOOD], code=None, whole=False),
        stream([], code=None, whole=False),
    ],
    ids=["live", "batch", "resumed", "nothing new", "reset", "cut", "cut behind the end", "never opened"],
)
def test_a_good_history_passes(seen: Stream) -> None:
    History([seen], [Acknowledged(RUN_ID, "journal.1", 3, 5, 3)]).check(log_of(GOOD))


BROKEN: dict[str, tuple[History, Callable[[], dict[str, StoredLog]]]] = {
    "a hole on a socket": (History([stream([opening(), *GOOD[:2], *GOOD[3:]])]), lambda: log_of(GOOD)),
    "a double on a socket": (History([stream([opening(), *GOOD[:3], *GOOD[2:]])]), lambda: log_of(GOOD)),
    "out of order": (History([stream([opening(), GOOD[1], GOOD[0], *GOOD[2:]])]), lambda: log_of(GOOD)),
    "a hole in a batch": (History([stream([opening(), batch(1, [*GOOD[:2], *GOOD[3:]])])]), lambda: log_of(GOOD)),
    "not behind the cursor": (History([stream([opening(), *GOOD[2:]], after=3)]), lambda: log_of(GOOD)),
    "other bytes": (History([stream([opening(), *GOOD[:2], event(3, 7), *GOOD[3:]])]), lambda: log_of(GOOD)),
    "seen and not stored": (
        History([stream([opening(), *GOOD[:5]], code=None, whole=False)]),
        lambda: log_of([*GOOD[:4], state(5, "FAILED")], "FAILED"),
    ),
    "the run is gone": (History([stream([opening(), *GOOD])]), dict),
    "another epoch": (History([stream([opening(b"xx.yy"), *GOOD])]), lambda: log_of(GOOD)),
    "not resumed and no reset": (History([stream([opening(resumed=b"false"), *GOOD], 99)]), lambda: log_of(GOOD)),
    "no connected": (History([stream(GOOD)]), lambda: log_of(GOOD)),
    "1000 without the end": (History([stream([opening(), *GOOD[:4]])]), lambda: log_of(GOOD)),
    "the end without 1000": (History([stream([opening(), *GOOD], code=None)]), lambda: log_of(GOOD)),
    "the end with 1011": (History([stream([opening(), *GOOD], code=1011)]), lambda: log_of(GOOD)),
    "a hole in the log": (History(), lambda: log_of([*GOOD[:2], *GOOD[3:]])),
    "two terminal entries": (History(), lambda: log_of([*GOOD, state(7, "FAILED")], "FAILED")),
    "an event behind the end": (History(), lambda: log_of([*GOOD, event(7, 3)])),
    "an event before the start": (History(), lambda: log_of([GOOD[0], event(2, 0)], "QUEUED")),
    "an illegal move": (History(), lambda: log_of([state(1, "QUEUED"), state(2, "SUCCEEDED")])),
    "an attempt that was not counted": (
        History(),
        lambda: log_of([state(1, "QUEUED"), state(2, "RUNNING"), state(3, "QUEUED"), state(4, "FAILED")], "FAILED"),
    ),
    "the row says something else": (History(), lambda: log_of(GOOD, "FAILED")),
    "the run never ended": (History(), lambda: log_of(GOOD[:5], "RUNNING")),
    "confirmed and not stored": (
        History(acknowledged=[Acknowledged(RUN_ID, "journal.1", 4, 7, 4)]),
        lambda: log_of(GOOD),
    ),
    "confirmed in another order": (
        History(acknowledged=[Acknowledged(RUN_ID, "journal.1", 3, 5, 3)]),
        lambda: log_of([*GOOD[:2], event(3, 1), event(4, 0), event(5, 2), GOOD[5]]),
    ),
    "an event stored twice": (
        History(acknowledged=[Acknowledged(RUN_ID, "journal.1", 2, 4, 2)]),
        lambda: log_of([*GOOD[:2], event(3, 0), event(4, 0), event(5, 1), GOOD[5]]),
    ),
    "an event that was never emitted": (
        History(acknowledged=[Acknowledged(RUN_ID, "journal.1", 2, 4, 2)]),
        lambda: log_of(GOOD),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_every_broken_promise_is_found(name: str) -> None:
    history, stored = BROKEN[name]
    with pytest.raises(HistoryBroken):
        history.check(stored())
