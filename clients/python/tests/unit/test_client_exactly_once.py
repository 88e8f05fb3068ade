"""Exactly once, as a property: whatever network and server do, each entry is handed out once and in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.python.tests import wire
from runwire_client.entries import Event, Frame, Reset, State
from runwire_client.errors import ConnectionFailed
from runwire_client.follower import Closed, Cursor, Finished, Follower, Happening, Received, Retry, Silent, Unreachable
from runwire_client.timing import Timing

CUTS: list[Happening] = [Closed(code) for code in (1000, 1001, 1005, 1006, 1011, 1012, 1013, 4008, 4009, 4029)]


@dataclass(frozen=True)
class Connection:
    """What one connection does: sizes of its frames, what is sent twice or left out, where and how it is cut.

    ``rewrite`` recreates the log under a new epoch before the connection is made.
    """

    sizes: list[int]
    again: set[int]
    left_out: set[int]
    cut_at: int
    cut_by: Happening
    rewrite: bool


connections = st.builds(
    Connection,
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    again=st.sets(st.integers(0, 12), max_size=3),
    left_out=st.sets(st.integers(0, 12), max_size=1),
    cut_at=st.integers(0, 12),
    cut_by=st.sampled_from([*CUTS, Silent(), Unreachable(ConnectionFailed("refused"))]),
    rewrite=st.booleans(),
)


class FaultyServer:
    """A log behind a network that cuts, and a server that repeats itself and loses frames."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.epoch = 1

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The log as it is now; each entry says of which epoch it is."""
        rows = wire.log_rows(self.size)
        for row in rows:
            row["data"]["epoch"] = f"e{self.epoch}"
        return rows

    def messages(self, cursor: Cursor, plan: Connection) -> Iterator[str]:
        """What is sent on one connection, before it is cut."""
        rows, size, epoch = self.rows, self.size, f"e{self.epoch}"
        resumed = cursor.epoch in (None, epoch) and cursor.after <= size
        yield wire.connected(size, resumed=resumed, epoch=epoch)
        if not resumed:
            yield wire.reset(size)
        position, number = (cursor.after if resumed else 0), 0
        while position < size:
            part = rows[position : position + plan.sizes[number % len(plan.sizes)]]
            message = wire.batch(part) if len(part) > 1 else json.dumps(part[0])
            if number not in plan.left_out:
                yield message
            if number in plan.again:
                yield wire.batch(rows[max(position - 2, 0) : position + 1])
            position += len(part)
            number += 1


GOOD = Connection(sizes=[2], again=set(), left_out=set(), cut_at=10**6, cut_by=Closed(1000), rewrite=False)


def followed(server: FaultyServer, plans: list[Connection]) -> list[Frame]:
    """All frames that a follower hands out over these connections and good ones after them."""
    follower = Follower(wire.RUN, Cursor(), Timing(reconnect_for_s=1e9), lambda: 0.5)
    frames: list[Frame] = []
    now_s = 0.0
    for plan in [*plans, *[GOOD] * 3]:
        server.epoch += plan.rewrite
        now_s += 11.0
        follower.begin(now_s)
        messages = list(server.messages(follower.cursor, plan))[: plan.cut_at]
        happenings: list[Happening] = [*map(Received, messages), plan.cut_by]
        for happening in happenings:
            step = follower.feed(happening, now_s)
            frames.extend(step.frames)
            if isinstance(step.decision, Finished):
                return frames
            if step.decision is not None:
                assert isinstance(step.decision, Retry)
                break
    raise AssertionError("good connections did not finish it")


@settings(max_examples=300, deadline=None)
@given(size=st.integers(3, 30), plans=st.lists(connections, max_size=8))
def test_any_cuts_duplicates_and_losses_give_each_entry_once_and_in_order(size: int, plans: list[Connection]) -> None:
    server = FaultyServer(size)
    logs: list[list[State | Event]] = [[]]
    for frame in followed(server, plans):
        if isinstance(frame, Reset):
            logs.append([])
        elif isinstance(frame, State | Event):
            logs[-1].append(frame)
    for log in logs:
        assert [entry.seq for entry in log] == list(range(1, len(log) + 1))
        assert len({entry.data["epoch"] for entry in log}) <= 1
    assert [entry.data for entry in logs[-1]] == [row["data"] for row in server.rows]


def test_a_cut_at_every_frame_of_a_run_loses_and_repeats_nothing() -> None:
    for cut_at in range(22):
        plan = Connection([1], set(), set(), cut_at, Closed(1006), rewrite=False)
        frames = followed(FaultyServer(20), [plan] * 3)
        assert [frame.seq for frame in frames if isinstance(frame, State | Event)] == list(range(1, 21))
