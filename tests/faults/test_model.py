"""Any sequence of starting, publishing, following, cutting, cancelling, pruning and killing, against plain lists.

The model knows of each run only what it was told outside the server: which events it emitted, which of them ``flush``
confirmed, and how it asked the run to end. The judge compares that, and everything that any socket saw, with the log.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.follower import Follower
from tests.faults.history import History
from tests.faults.observer import Wish
from tests.faults.server import Server, Zygote
from tests.faults.theatre import Puppet, Theatre

T = TypeVar("T")


@dataclass(slots=True)
class Run:
    """What the model knows of one run."""

    run_id: str
    recoverable: bool
    puppets: list[Puppet] = field(default_factory=list)
    followers: list[Follower] = field(default_factory=list)
    asked_to_end: str | None = None
    lost: bool = False

    @property
    def puppet(self) -> Puppet:
        """The attempt that is under way."""
        return self.puppets[-1]


class DeliveryMachine(RuleBasedStateMachine):
    """One server, its runs, their followers. Subclassed by :func:`machine_for` with where servers come from."""

    runs = Bundle("runs")
    new_server: Callable[[], Server]
    chance_seed: int

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.server = type(self).new_server()
        self.theatre = Theatre()
        self.chance = random.Random(self.chance_seed)
        self.all_runs: list[Run] = []
        self.pruned = False

    def do(self, work: Awaitable[T]) -> T:
        """Run ``work`` to its end on the machine's loop."""

        async def bounded() -> T:
            async with asyncio.timeout(15.0):
                return await work

        return self.runner.run(bounded())

    @initialize()
    def begin(self) -> None:
        """Start everything."""
        self.do(self.theatre.__aenter__())
        assert self.do(self.server.start())

    @rule(target=runs, recoverable=st.booleans())
    def start(self, recoverable: bool) -> Run:
        """Start a run and wait until its agent speaks."""
        agent = "puppet-again" if recoverable else "puppet"
        run_id = self.do(self.server.run(agent, {"port": self.theatre.port}))
        run = Run(run_id, recoverable, [self.do(self.theatre.puppet(run_id))])
        self.all_runs.append(run)
        return run

    @rule(run=runs, count=st.integers(1, 300))
    def publish(self, run: Run, count: int) -> None:
        """Emit events; the seq that comes back is the number of entries that the model expects, or it is gone."""
        if run.asked_to_end or run.lost:
            return
        seq = self.do(run.puppet.emit(count))
        attempts = len(run.puppets)
        events = sum(puppet.told.flushed_numbers for puppet in run.puppets[:-1]) + run.puppet.told.begun_numbers
        assert seq >= events + 2 * attempts
        assert run.puppet.told.flushed_numbers == run.puppet.told.begun_numbers

    @rule(run=runs, batch=st.booleans())
    def follow(self, run: Run, batch: bool) -> None:
        """Open another follower."""
        follower = Follower(lambda: self.server.address, run.run_id, self.chance, Wish(batch=batch))
        run.followers.append(follower)
        self.do(follower.open())

    @rule(run=runs)
    def come_back(self, run: Run) -> None:
        """Cut the newest follower and let it go on behind its cursor."""
        if run.followers:
            self.do(self.cut_and_open(run.followers[-1]))

    async def cut_and_open(self, follower: Follower) -> None:
        """Cut a follower's socket and open the next one."""
        follower.socket.cut()
        await follower.open()

    @rule(run=runs)
    def read(self, run: Run) -> None:
        """Let the followers catch up with everything that was confirmed."""
        for follower in run.followers:
            if not follower.socket.lost and run.puppet.told.flushed_seq:
                self.do(follower.socket.until_seq(run.puppet.told.flushed_seq, 10.0))

    @rule(run=consumes(runs), how=st.sampled_from(["end", "cancel"]))
    def finish(self, run: Run, how: str) -> None:
        """Let the agent return, or cancel it."""
        if run.lost:
            return
        run.asked_to_end = run.asked_to_end or how
        if how == "end":
            run.puppet.end()
        else:
            self.do(self.server.request("POST", f"/v1/runs/{run.run_id}/cancel"))
        self.do(self.server.until_ended(run.run_id, 8.0))

    @rule()
    def kill(self) -> None:
        """``kill -9`` and start again: recoverable runs have another attempt, the others have ended."""
        self.do(self.server.kill())
        assert self.do(self.server.start()), self.server.log
        for run in self.all_runs:
            if run.asked_to_end or run.lost:
                continue
            attempt = len(run.puppets) + 1
            if run.recoverable and attempt <= 3:
                run.puppets.append(self.do(self.theatre.puppet(run.run_id, attempt)))
            else:
                run.lost = True

    @precondition(lambda self: any(run.asked_to_end for run in self.all_runs))
    @rule()
    def prune(self) -> None:
        """Forget the entries of everything that has ended, while the server runs."""
        assert self.do(self.server.admin("db", "prune", "--older-than", "0m")) == 0
        self.pruned = True

    def teardown(self) -> None:
        """End everything, let everybody read to the end, and judge."""
        try:
            if self.server.pid:
                self.judge()
        finally:
            if self.server.pid:
                self.do(self.server.kill())
                self.do(self.theatre.__aexit__(None, None, None))
            self.runner.close()

    def judge(self) -> None:
        """Compare what was told, what was seen and what is stored."""
        history = History()
        for run in self.all_runs:
            if not run.asked_to_end and not run.lost:
                run.asked_to_end = "end"
                run.puppet.end()
            self.do(self.server.until_ended(run.run_id, 8.0))
            for follower in run.followers:
                if follower.socket.close_code != 1000:
                    self.do(follower.to_the_end(10.0))
                follower.tell(history, cuts=True, pruned=self.pruned)
            if not self.pruned:
                history.acknowledged += [puppet.told for puppet in run.puppets]
        logs = self.server.logs()
        history.check(logs)
        for run in self.all_runs:
            assert logs[run.run_id].status == self.expected(run)

    def expected(self, run: Run) -> str:
        """Return how a run must have ended."""
        if run.lost:
            return "FAILED"
        assert run.asked_to_end is not None
        return {"end": "SUCCEEDED", "cancel": "CANCELLED"}[run.asked_to_end]


def machine_for(zygote: Zygote, template: Path, folder: Path, chance_seed: int) -> Any:
    """Return a machine whose servers live in ``folder``."""
    made = 0

    def new_server() -> Server:
        nonlocal made
        made += 1
        return Server(zygote, folder / f"data-{made}", template, {"LOG_LEVEL": "error"})

    return type("Machine", (DeliveryMachine,), {"new_server": staticmethod(new_server), "chance_seed": chance_seed})


def explore(machine: Any, chance_seed: int, *, examples: int, steps: int) -> None:
    """Run ``examples`` sequences of at most ``steps`` steps."""
    run_state_machine_as_test(
        hypothesis.seed(chance_seed)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_any_sequence_of_events_keeps_the_promises(zygote: Zygote, template: Path, tmp_path: Path, seed: int) -> None:
    explore(machine_for(zygote, template, tmp_path, seed), seed, examples=4, steps=12)


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_many_long_sequences_of_events_keep_the_promises(
    zygote: Zygote, template: Path, tmp_path: Path, seed: int
) -> None:
    explore(machine_for(zygote, template, tmp_path, seed), seed, examples=40, steps=30)
