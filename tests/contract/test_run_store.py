"""The contract of the run store, over every implementation: one transaction, compare-and-set, ownership, recovery."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runwire.contracts.actors import OwnedRun, System
from runwire.contracts.run_store import RunFilter
from runwire.errors import NotFound, OverCapacity, RunIdTaken
from runwire.runs.record import Outcome
from runwire.runs.state import Priority, RunStatus
from tests.contract.conftest import ANN, BOB, OpenStorage
from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually_async
from tests.support.sockets import statuses


def _recoverable(agent: str) -> bool:
    return agent == "again"


async def test_a_stored_run_has_its_first_entry(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        storage.pause()
        created = await storage.create("run00001")
        assert not created.existed
        record = created.run.record
        assert (record.status, record.attempt, record.fence, record.last_seq) == (RunStatus.QUEUED, 1, 1, 1)
        assert storage.entries("run00001")[0]["data"] == {"status": "QUEUED", "attempt": 1}
        assert (await storage.store.get("run00001", ANN)).record == record


async def test_the_same_id_is_the_same_run_or_taken(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        storage.pause()
        await storage.create("run00001")
        again = await storage.create("run00001")
        assert (again.existed, again.run.run_id) == (True, "run00001")
        for other in ({"body_hash": "other"}, {"owner": BOB}):
            with pytest.raises(RunIdTaken):
                await storage.create("run00001", **other)
        assert len(storage.entries("run00001")) == 1


async def test_the_same_id_a_hundred_times_in_one_commit_is_one_run(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        storage.pause()
        created = await asyncio.gather(*(storage.create("run00001") for _ in range(100)))
        assert [one.existed for one in created].count(False) == 1
        assert len(storage.entries("run00001")) == 1


async def test_foreign_and_absent_runs_are_the_same_nothing(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        await storage.create("run00001", BOB)
        errors = []
        for run_id in ("run00001", "run00002"):
            with pytest.raises(NotFound) as refused:
                await storage.store.get(run_id, ANN)
            errors.append(refused.value.message.replace(run_id, ""))
        assert errors[0] == errors[1]
        assert (await storage.store.get("run00001", System("test"))).run_id == "run00001"
        assert (await storage.store.list(ANN, RunFilter())).runs == []


async def test_a_foreign_thread_cannot_be_joined(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        await storage.create("run00001", BOB, thread_id="bobs", thread_from_client=True)
        with pytest.raises(NotFound):
            await storage.create("run00002", ANN, thread_id="bobs", thread_from_client=True)
        await storage.create("run00003", BOB, thread_id="bobs", thread_from_client=True)


async def test_claims_follow_class_then_turn_and_never_exceed_the_limit(open_store: OpenStorage) -> None:
    async with open_store(max_running=1) as storage:
        holder, _ = await storage.running("run00000")
        kinds = [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.NORMAL]
        ids = [f"run0000{n}" for n in range(1, 5)]
        for run_id, kind in zip(ids, kinds, strict=True):
            await storage.create(run_id, priority=kind)
        places = (await storage.queue.view(ANN)).own.places
        expected = [ids[2], ids[1], ids[3], ids[0]]
        assert [(place.run_id, place.position) for place in places] == [(r, n) for n, r in enumerate(expected, 1)]
        order, fence, current = [], holder.fence, "run00000"
        for following in expected:
            storage.store.finish(current, fence, Outcome(RunStatus.SUCCEEDED))
            fence, current = (await storage.claimed(following)).fence, following
            order.append(following)
            state = storage.queue.state
            assert (state.running, state.queued) == (1, len(expected) - len(order))
        assert order == expected


async def test_exactly_one_end_whoever_is_first(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        claimed, _ = await storage.running("run00001")
        for outcome in (Outcome(RunStatus.SUCCEEDED), Outcome.failed("timeout", "x"), Outcome(RunStatus.CANCELLED)):
            storage.store.finish("run00001", claimed.fence, outcome)
        storage.store.finish("run00001", claimed.fence + 1, Outcome.failed("agent_error", "no such fence"))
        await storage.settled("run00001", "SUCCEEDED")
        await storage.create("run00002")
        await storage.claimed("run00002")
        assert_log_is_whole(storage.entries("run00001"))
        assert statuses(storage.entries("run00001")) == ["QUEUED", "RUNNING", "SUCCEEDED"]


async def test_a_wish_to_cancel_is_stored_once_and_ends_what_waits(open_store: OpenStorage) -> None:
    async with open_store(max_running=1) as storage:
        await storage.running("run00001")
        await storage.create("run00002")
        waiting, held = await storage.store.get("run00002", ANN), await storage.store.get("run00001", ANN)
        assert await storage.store.request_cancel(waiting) is RunStatus.CANCELLED
        assert await storage.store.request_cancel(waiting) is RunStatus.CANCELLED
        assert statuses(storage.entries("run00002")) == ["QUEUED", "CANCELLED"]
        assert await storage.store.request_cancel(held) is RunStatus.RUNNING
        record = (await storage.store.get("run00001", ANN)).record
        assert (record.status, record.cancel_requested_ms is not None) == (RunStatus.RUNNING, True)


async def test_limits_hold_also_within_one_commit(open_store: OpenStorage) -> None:
    async with open_store(max_running=1, queued_per_user=3, queued_runs=5) as storage:
        await storage.running("run00000")
        tries = [storage.create(f"ann{n:05}") for n in range(5)] + [storage.create(f"bob{n:05}", BOB) for n in range(5)]
        done = await asyncio.gather(*tries, return_exceptions=True)
        refused = [one for one in done if isinstance(one, OverCapacity)]
        assert len(done) - len(refused) == 5
        assert storage.queue.state.queued == 5
        assert len((await storage.queue.view(ANN)).own.places) == 3


async def test_pages_hold_every_run_once_newest_first(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        storage.pause()
        ids = [f"run{n:05}" for n in range(23)]
        for run_id in ids:
            await storage.create(run_id)
        seen: list[str] = []
        mark: str | None = None
        while True:
            page = await storage.store.list(ANN, RunFilter(limit=5, before=mark))
            seen += [record.id for record in page.runs]
            mark = page.next
            if mark is None:
                break
        assert sorted(seen) == ids
        assert len(seen) == 23


async def _held_by_a_dead_process(open_store: OpenStorage) -> None:
    async with open_store(max_running=3) as storage:
        for run_id, agent in (("again001", "again"), ("never001", "never"), ("cancel01", "again")):
            await storage.create(run_id, agent=agent)
            await storage.claimed(run_id)
        await storage.create("waiting1", priority=Priority.LOW)
        await storage.store.request_cancel(await storage.store.get("cancel01", ANN))


async def test_recovery_leaves_nothing_held_and_tells_the_truth(open_store: OpenStorage) -> None:
    await _held_by_a_dead_process(open_store)
    async with open_store(max_running=3) as storage:
        store: Any = storage.store
        assert await store.recover(_recoverable) == 3
        again = await storage.claimed("again001")
        assert (again.attempt, again.fence) == (2, 2)
        await storage.claimed("waiting1")
        assert statuses(storage.entries("again001")) == ["QUEUED", "RUNNING", "QUEUED", "RUNNING"]
        assert storage.entries("again001")[2]["data"]["reason"] == "worker_lost"
        assert storage.entries("never001")[-1]["data"]["error"]["code"] == "worker_lost"
        assert statuses(storage.entries("cancel01"))[-1] == "CANCELLED"
        for run_id in ("never001", "cancel01"):
            assert_log_is_whole(storage.entries(run_id))
        assert await store.recover(lambda _: True) == 2, "those that run now: the store asks nobody's leave"


async def test_a_run_that_is_lost_each_time_is_given_up(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        claimed, _ = await storage.running("run00001")
        for attempt in (2, 3):
            storage.store.requeue("run00001", claimed.fence, "worker_lost")
            claimed = await storage.claimed("run00001", attempt)
            assert claimed.attempt == attempt
        storage.store.requeue("run00001", claimed.fence, "worker_lost")
        await storage.settled("run00001", "FAILED")
        end = storage.entries("run00001")[-1]["data"]
        assert (end["attempt"], end["error"]["code"]) == (3, "worker_lost")


async def test_a_cancel_overtakes_another_attempt(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        claimed, _ = await storage.running("run00001")
        run: OwnedRun = await storage.store.get("run00001", ANN)
        await storage.store.request_cancel(run)
        storage.store.requeue("run00001", claimed.fence, "drain")
        await storage.settled("run00001", "CANCELLED")
        assert_log_is_whole(storage.entries("run00001"))


async def test_the_queue_survives_the_process(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        storage.pause()
        for run_id, kind in (("low00001", Priority.LOW), ("high0001", Priority.HIGH), ("norm0001", Priority.NORMAL)):
            await storage.create(run_id, priority=kind)
    async with open_store(max_running=1) as storage:
        order = []
        await storage.create("late0001", priority=Priority.HIGH)
        for run_id in ("high0001", "late0001", "norm0001", "low00001"):
            claimed = await storage.claimed(run_id)
            order.append(run_id)
            storage.store.finish(run_id, claimed.fence, Outcome(RunStatus.SUCCEEDED))
        assert list(storage.listener.claimed) == order
        await eventually_async(lambda: len(storage.entries("low00001")) == 3, "the last has ended")
