"""Mission F9 and L4: random commands in any order against the table of states; every log tells one truth."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from runwire.runs.request_state import RequestStatus
from runwire.runs.state import TERMINAL, TRANSITIONS, RunStatus
from tests.conftest import MakeServer
from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually
from tests.support.embedded import EmbeddedServer
from tests.support.people import asked, settled

SCRIPT = {
    "steps": [
        {"ask": {"question": "One?", "timeout_s": 30}},
        {"receive": {"timeout_s": 0.02}},
        {"ask": {"question": "Two?", "timeout_s": 0.3}},
    ]
}
REFUSALS = {404, 409, 422, 429}


def machine_for(server: EmbeddedServer) -> type[RuleBasedStateMachine]:
    """Return a machine whose commands go to ``server``, all in two threads of one user."""

    class Commands(RuleBasedStateMachine):
        runs = Bundle("runs")

        def __init__(self) -> None:
            super().__init__()
            headers = {"Authorization": f"Bearer {server.token}"}
            self._http = httpx.Client(base_url=server.origin, headers=headers, timeout=5, trust_env=False)
            self._known: list[str] = []
            self._answers: dict[str, Any] = {}
            self._thread = f"random{time.monotonic_ns()}"

        def teardown(self) -> None:
            """Cancel what is left: every run ends, whatever was done to it."""
            for run_id in self._known:
                self._http.post(f"/v1/runs/{run_id}/cancel")
            for run_id in self._known:
                eventually(lambda r=run_id: server.status(r) in TERMINAL, f"run {run_id} ends", 6)  # type: ignore[misc]
            self.every_log_is_a_walk_through_the_table()
            self._http.close()

        def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
            answer = self._http.post(path, json=body)
            assert answer.status_code in {200, 202} | REFUSALS, answer.text
            return answer

        @rule(
            target=runs,
            agent=st.sampled_from(["scripted", "asks-releasing", "asks-plainly", "echo"]),
            thread=st.sampled_from("ab"),
            if_busy=st.sampled_from(["parallel", "reject", "enqueue", "interrupt", "rollback", "steer"]),
        )
        def start(self, agent: str, thread: str, if_busy: str) -> str:
            """Start a run, or be told why not."""
            script = SCRIPT if agent == "scripted" else {}
            body = {"agent": agent, "input": script, "thread_id": self._thread + thread, "if_busy": if_busy}
            answer = self._post("/v1/runs", body)
            if answer.status_code == 409:
                assert (answer.json()["code"], if_busy) == ("thread_busy", "reject")
                return str(answer.json()["details"]["run_id"])
            run_id = str(answer.json()["run_id"])
            self._known += [run_id] if run_id not in self._known else []
            return run_id

        @rule(run_id=runs)
        def cancel(self, run_id: str) -> None:
            """Cancel, at whatever moment this is."""
            assert self._post(f"/v1/runs/{run_id}/cancel", {}).status_code == 202

        @rule(run_id=runs, payload=st.sampled_from(["yes", "no"]))
        def respond(self, run_id: str, payload: str) -> None:
            """Answer the newest question: it is taken, or somebody is told why not."""
            requests = self._http.get(f"/v1/runs/{run_id}/requests").json()["data"]
            if not requests:
                return
            request_id = requests[-1]["request_id"]
            answer = self._post(f"/v1/runs/{run_id}/respond", {"request_id": request_id, "payload": payload})
            if answer.status_code == 200:
                assert self._answers.setdefault(request_id, payload) == payload, "the first answer wins"
            elif answer.json()["code"] == "already_answered":
                assert answer.json()["details"]["payload"] == self._answers[request_id]
            else:
                assert answer.json()["code"] == "request_closed"

        @rule(run_id=runs)
        def send(self, run_id: str) -> None:
            """Say something."""
            answer = self._post(f"/v1/runs/{run_id}/messages", {"message": "hi"})
            if answer.status_code == 409:
                assert answer.json()["code"] == "run_ended"

        @rule()
        def let_time_pass(self) -> None:
            """Let runs come to their next step."""
            time.sleep(0.02)  # the pace of the one who types

        @invariant()
        def every_log_is_a_walk_through_the_table(self) -> None:
            """Each state follows from the one before, answers stand once, nothing comes behind the end."""
            for run_id in self._known:
                entries = server.entries(run_id)
                assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
                walk = [RunStatus(entry["data"]["status"]) for entry in entries if entry["type"] == "state"]
                assert walk[0] is RunStatus.QUEUED
                for before, after in pairwise(walk):
                    assert after in TRANSITIONS[before], (run_id, walk)
                if any(status in TERMINAL for status in walk):
                    assert_log_is_whole(entries)
                told = settled(entries)
                assert len({response["interruptId"] for response in told}) == len(told)
                assert {response["interruptId"] for response in told} <= {one["id"] for one in asked(entries)}
                for response in told:
                    assert response["status"] in set(RequestStatus) - {RequestStatus.OPEN}
                    if response["status"] == "answered":
                        assert response["payload"] == self._answers[response["interruptId"]]

        @invariant()
        def no_slot_is_lost_or_given_twice(self) -> None:
            """The server never counts more runs than it may execute, nor fewer than it does."""
            assert 0 <= server.services.health()["running"] <= server.settings.max_running

    return Commands


@pytest.mark.timeout(30)
@pytest.mark.slow
def test_f9_random_commands_never_leave_the_table_of_states(make_server: MakeServer) -> None:
    server = make_server(max_running=2)
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    chosen = settings(max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(machine_for(server), settings=chosen)
    with httpx.Client(base_url=server.origin, headers={"Authorization": f"Bearer {server.token}"}) as http:
        last = http.post("/v1/runs", json={"agent": "echo", "input": "still here"}).json()["run_id"]
    eventually(lambda: server.status(last) == "SUCCEEDED", "slots are free again")
    assert server.services.health()["running"] == 0
