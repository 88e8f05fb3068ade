"""The slots of runs that wait for their children. Floor 4; writer thread only.

If every slot is held by a parent that waits for a queued child, nothing would ever end. So one child at a time of each
waiting parent may be executed on its parent's slot, beyond all limits of users and agents: no more runs work at once
than there are slots, and a chain of parents always has one end that works. Not stored: after a crash no parent waits.
"""

from __future__ import annotations

from collections.abc import Iterator

from runwire.errors import Conflict, LimitExceeded
from runwire.persistence.transaction import Transaction
from runwire.protocol.entries import state_data
from runwire.runs.limits import FamilyLimits
from runwire.runs.rank import PARKED
from runwire.runs.record import NewRun
from runwire.runs.state import ACTIVE, RunStatus

_COUNT_CHILDREN = "SELECT count(*) FROM runs WHERE parent_id = ?"
_COUNT_ANCESTORS = (
    "WITH RECURSIVE up (id, steps) AS (SELECT ?, 0 UNION ALL SELECT parent_id, steps + 1 FROM runs JOIN up USING (id)"
    " WHERE parent_id IS NOT NULL) SELECT max(steps) FROM up"
)
_LIVE_CHILDREN = "SELECT id FROM runs WHERE parent_id = ? AND status IN ('QUEUED', 'RUNNING', 'WAITING')"


class Seats:
    """Which parents wait for which children. Bounded by the calls that wait: each is here once."""

    def __init__(self) -> None:
        self._waits: dict[str, dict[str, str]] = {}
        self._left: list[tuple[str, str, str]] = []
        """The waits that the transaction under way has ended: parent, wait, child."""

    def __bool__(self) -> bool:
        return bool(self._waits)

    def wait(self, tx: Transaction, parent_id: str, fence: int, child_id: str, wait_id: str) -> None:
        """Note that a held run waits for its child; ``wait_id`` names this wait. Raises FenceLost."""
        tx.held(parent_id, fence)
        self._waits.setdefault(parent_id, {})[wait_id] = child_id
        tx.look = True

    def leave(self, tx: Transaction, parent_id: str, wait_id: str) -> None:
        """Note that it waits no longer; a child that goes on without it counts for itself from now on."""
        waits = self._waits.get(parent_id, {})
        child_id = waits.pop(wait_id, None)
        if not waits:
            self._waits.pop(parent_id, None)
        if child_id is None:
            return
        self._left.append((parent_id, wait_id, child_id))
        if child_id in waits.values():
            return
        child = tx.head(child_id)
        if child is not None and child.guest and child.status in ACTIVE:
            tx.moved.setdefault(child_id, child.status)
            tx.update(child, guest=False)

    def committed(self) -> None:
        """Forget the waits that have ended; called once the transaction is committed."""
        self._left.clear()

    def rolled_back(self) -> None:
        """Take back their ends: they are told again with the next attempt to commit."""
        for parent_id, wait_id, child_id in self._left:
            self._waits.setdefault(parent_id, {})[wait_id] = child_id
        self._left.clear()

    def next_guests(self, tx: Transaction) -> Iterator[str]:
        """Yield, for each parent on whose slot no child is executed, the first that waits in the queue."""
        for parent_id, waits in self._waits.items():
            parent = tx.head(parent_id)
            if parent is None or parent.status not in ACTIVE:
                continue
            if parent.status is RunStatus.WAITING and not parent.keeps_slot and not parent.guest:
                continue  # it waits for a person too, and has given its slot back
            children = [head for child_id in dict.fromkeys(waits.values()) if (head := tx.head(child_id)) is not None]
            if any(child.guest and child.status in ACTIVE for child in children):
                continue
            queued = (child for child in children if child.status is RunStatus.QUEUED and child.rank < PARKED)
            if (child := next(queued, None)) is not None:
                yield child.run_id


def admit_child(tx: Transaction, new: NewRun, limits: FamilyLimits) -> None:
    """Accept a run that another run starts, or say why not.

    Raises:
        FenceLost: the parent was taken from its worker.
        Conflict: the parent has been asked to stop.
        LimitExceeded: it has as many children as it may, or descends from as many runs as it may.
    """
    assert new.parent_id is not None
    parent = tx.held(new.parent_id, new.parent_fence)
    if parent.cancel_requested_ms is not None:
        raise Conflict("this run has been asked to stop: it starts no other run", run_id=parent.run_id)
    tx.flush()  # brothers may be as new as this very transaction
    if tx.run(_COUNT_CHILDREN, (parent.run_id,)).fetchone()[0] >= limits.children:
        raise LimitExceeded(f"a run starts at most {limits.children} others", limit="children_per_run")
    if tx.run(_COUNT_ANCESTORS, (parent.run_id,)).fetchone()[0] + 1 > limits.depth:
        raise LimitExceeded(f"runs start runs at most {limits.depth} deep", limit="child_depth")


def follow_parents(tx: Transaction) -> None:
    """Cancel the live children of the runs that have fallen in ``tx``, and theirs: at once where nothing has begun."""
    tx.flush()
    while tx.fallen:
        for (child_id,) in tx.run(_LIVE_CHILDREN, (tx.fallen.pop(),)).fetchall():
            child = tx.head(child_id)
            if child is None or child.cancel_requested_ms is not None:
                continue
            if child.status is RunStatus.QUEUED:
                data = state_data(RunStatus.CANCELLED, child.attempt, reason="parent")
                tx.move(child, RunStatus.CANCELLED, data, cancel_requested_ms=tx.now_ms)
            elif child.status in ACTIVE:
                tx.update(child, cancel_requested_ms=tx.now_ms)
                tx.fallen.append(child_id)
