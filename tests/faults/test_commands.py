"""Random commands against a real server: whatever is sent, every run's life is a walk on the table of states."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    rule,
    run_state_machine_as_test,
)

from runwire.runs.state import TERMINAL, TRANSITIONS, RunStatus
from tests.support import attempt_agents, family_agents
from tests.support.database import assert_log_is_whole, query
from tests.support.deadlines import eventually
from tests.support.embedded import EmbeddedServer, settings_for

AGENTS: list[tuple[str, Any]] = [
    ("echo", "words"),
    ("flaky", {"fails": 1}),
    ("flaky", {"fails": 9}),
    ("very-patient", {}),
    ("silent", {}),
    ("hangs", None),
    ("parent", {"agent": "leaf", "input": 1, "count": 2}),
    ("parent", {"agent": "hangs", "input": None, "count": 2}),
    ("parent", {"agent": "leaf", "input": {"fail": "no leaf"}, "catch": True}),
    ("nests", 2),
    ("scripted", {"steps": [{"text": "a"}, {"sleep_s": 0.05}, {"fail": "on purpose"}]}),
]
REFUSALS = {400, 404, 409, 422, 429}


class CommandMachine(RuleBasedStateMachine):
    """One server, its runs, and somebody who asks for anything. Subclassed with a running server."""

    runs = Bundle("runs")
    server: EmbeddedServer
    asked_to_stop: set[str]

    @initialize()
    def begin(self) -> None:
        """Open the client."""
        headers = {"Authorization": f"Bearer {self.server.token}"}
        self.http = httpx.Client(base_url=self.server.origin, headers=headers, timeout=5, trust_env=False)

    def post(self, path: str, body: Any) -> httpx.Response:
        """Send a command; whatever it is, the answer is one of the catalogue's."""
        answer = self.http.post(path, json=body)
        assert answer.status_code in {200, 202} | REFUSALS, answer.text
        return answer

    @rule(target=runs, what=st.sampled_from(AGENTS), priority=st.sampled_from(["high", "normal", "low"]))
    def start(self, what: tuple[str, Any], priority: str) -> str:
        """Start a run."""
        agent, input = what
        body = {"agent": agent, "input": input, "priority": priority, "limits": {"idle_timeout_s": 30}}
        run_id: str = self.post("/v1/runs", body).json()["run_id"]
        return run_id

    @rule(run_id=runs, same=st.booleans())
    def start_again(self, run_id: str, same: bool) -> None:
        """Start what exists: the same run with the same body, a conflict with another."""
        run = self.http.get(f"/v1/runs/{run_id}").json()
        body = {name: run[name] for name in ("agent", "input", "priority", "limits")}
        answer = self.post("/v1/runs", {**body, "run_id": run_id, **({} if same else {"timeout_s": 7})})
        original = run["parent_id"] is None and run["retry_of"] is None
        assert answer.status_code == (200 if same and original else 409)

    @rule(run_id=runs)
    def cancel(self, run_id: str) -> None:
        """Cancel a run, in whatever state."""
        assert self.post(f"/v1/runs/{run_id}/cancel", {}).status_code == 202
        self.asked_to_stop.add(run_id)

    @rule(run_id=runs, from_seq=st.none() | st.integers(1, 9))
    def retry(self, run_id: str, from_seq: int | None) -> None:
        """Repeat a run; refused while it lives, and in the middle.

        Whether it lives is a matter of time, so the new run joins no bundle: the same commands must draw the same runs.
        """
        answer = self.post(f"/v1/runs/{run_id}/retry", {} if from_seq is None else {"from_seq": from_seq})
        if answer.status_code != 202:
            assert answer.json()["code"] in ("conflict", "invalid_input")
        else:
            assert from_seq is None

    @rule(run_id=runs)
    def nonsense(self, run_id: str) -> None:
        """Ask for what makes no sense; nothing changes."""
        for path, body in (
            (f"/v1/runs/{run_id}/retry", {"from_seq": "x"}),
            (f"/v1/runs/{run_id}/respond", {"request_id": "none", "payload": 1}),
            ("/v1/runs", {"agent": "nobody"}),
            ("/v1/runs", {"agent": "echo", "run_id": "no id"}),
        ):
            assert self.post(path, body).status_code in REFUSALS

    @rule(run_id=consumes(runs))
    def forget(self, run_id: str) -> None:
        """Leave a run alone from now on."""

    def teardown(self) -> None:
        """Cancel what lives, let everything end, and judge every log."""
        if not hasattr(self, "http"):
            return
        try:
            self.judge()
        finally:
            self.http.close()

    def judge(self) -> None:
        """Compare every run's states with the table."""
        alive = "SELECT id FROM runs WHERE status NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')"
        for row in query(self.server.data, alive):
            self.cancel(row["id"])
        eventually(lambda: not query(self.server.data, alive), "everything ends", 8)
        parents = {row["id"]: row["parent_id"] for row in query(self.server.data, "SELECT id, parent_id FROM runs")}
        for run_id in parents:
            self.walk(run_id, parents)
        counts = self.http.get("/v1/queue").json()
        assert (counts["queued"], counts["running"], counts["waiting"]) == (0, 0, 0)

    def walk(self, run_id: str, parents: dict[str, str | None]) -> None:
        """Check one run's log."""
        entries = self.server.entries(run_id)
        assert_log_is_whole(entries)
        states = [entry["data"] for entry in entries if entry["type"] == "state"]
        walked = [RunStatus(state["status"]) for state in states]
        assert walked[0] is RunStatus.QUEUED
        assert all(after in TRANSITIONS[before] for before, after in pairwise(walked)), walked
        attempts = [state["attempt"] for state in states]
        assert all(
            after == before + (status is RunStatus.QUEUED)
            for (before, after), status in zip(pairwise(attempts), walked[1:], strict=True)
        ), states
        assert walked[-1] in TERMINAL
        if walked[-1] is RunStatus.CANCELLED:
            asked = {"requested": run_id in self.asked_to_stop, "parent": parents[run_id] is not None}
            assert asked[states[-1]["reason"]], "CANCELLED only if somebody asked for it"


def machine_for(server: EmbeddedServer) -> type[CommandMachine]:
    """Return a machine that talks to ``server``."""
    return type("Machine", (CommandMachine,), {"server": server, "asked_to_stop": set()})


def explore(machine: type[CommandMachine], seed: int, *, examples: int, steps: int) -> None:
    """Run ``examples`` sequences of at most ``steps`` steps."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=chosen)


@pytest.fixture
def server(make_data: Callable[[], Path]) -> Any:
    """A server with few slots, quick to give up, and agents of every kind."""
    agents = (*attempt_agents.PATHS, *family_agents.PATHS)
    running = EmbeddedServer(settings_for(make_data(), agents=agents, max_running=3, cancel_grace_s=1.0))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.mark.timeout(30)
def test_random_commands_never_leave_the_table_of_states(server: EmbeddedServer, seed: int) -> None:
    explore(machine_for(server), seed, examples=6, steps=15)


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_many_random_commands_never_leave_the_table_of_states(server: EmbeddedServer, seed: int) -> None:
    explore(machine_for(server), random.Random(seed).randrange(2**31), examples=80, steps=40)
