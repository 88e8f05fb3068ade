"""``runwire run`` asks at the terminal; ``respond`` and ``send`` reach a live run from another one."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.support.database import stored_entries, stored_status
from tests.support.deadlines import eventually
from tests.support.people import asked
from tests.support.process import ServerProcess, command, environment, run_command

QUESTIONS = {
    "steps": [
        {"ask": {"question": "How many?", "schema": {"type": "integer"}}},
        {"approve": {"name": "deploy", "arguments": {"to": "prod"}}},
    ]
}


def _waiting(process: ServerProcess, run_id: str, questions: int = 1) -> str:
    """Wait until the run waits, and return its newest question's id."""

    def ready() -> bool:
        return stored_status(process.data, run_id) == "WAITING" and len(
            asked(stored_entries(process.data, run_id))
        ) == (questions)

    eventually(ready, "the run asks", 6)
    request_id: str = asked(stored_entries(process.data, run_id))[-1]["id"]
    return request_id


def test_run_asks_whoever_sits_at_the_terminal(process: ServerProcess, tmp_path: Path) -> None:
    run_id = "attheterminal1"
    ours, theirs = pty.openpty()
    arguments = command("run", "scripted", json.dumps(QUESTIONS), "--run-id", run_id, f"--data={process.data}")
    said: dict[str, Any] = {}
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment(), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        reading = threading.Thread(target=lambda: said.update(err=running.communicate(timeout=8)[1].decode()))
        reading.start()
        try:
            _waiting(process, run_id)
            os.write(ours, b"many\n3\n")  # the first does not fit, and is told so
            _waiting(process, run_id, 2)
            os.write(ours, b"y\n")
            reading.join(8)
        finally:
            running.kill()
            os.close(ours)
            os.close(theirs)
    assert running.returncode == 0, said
    assert "How many?" in said["err"]
    assert "'many' is not of type 'integer'" in said["err"]
    assert "deploy({'to': 'prod'})" in said["err"]
    answers = stored_entries(process.data, run_id)[-1]["data"]["result"]["answers"]
    assert answers == [3, {"approved": True, "arguments": {"to": "prod"}, "comment": None}]


def test_without_a_terminal_run_says_how_to_answer_and_respond_does(process: ServerProcess, tmp_path: Path) -> None:
    run_id, data = "fromelsewhere1", f"--data={process.data}"
    script = json.dumps({"steps": [QUESTIONS["steps"][0]]})
    with subprocess.Popen(
        command("run", "scripted", script, "--run-id", run_id, data),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        request_id = _waiting(process, run_id)
        refused = run_command("respond", run_id, request_id, "many", data, cwd=tmp_path)
        assert (refused.returncode, refused.stderr.splitlines()[0][:8]) == (2, "runwire:")
        assert run_command("respond", run_id, request_id, "7", data, cwd=tmp_path).returncode == 0
        said = running.communicate(timeout=8)[1].decode()
    assert running.returncode == 0
    assert f"runwire respond {run_id} {request_id} JSON" in said
    assert "answered by admin" in said


def test_send_reaches_a_live_run(process: ServerProcess, tmp_path: Path) -> None:
    run_id, data = "listenerrun1", f"--data={process.data}"
    (tmp_path / "one.json").write_text("1")
    with subprocess.Popen(
        command("run", "listens", "one.json", "--run-id", run_id, data),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        eventually(lambda: stored_status(process.data, run_id) == "RUNNING", "it runs", 6)
        sent = run_command("send", run_id, "hello", data, cwd=tmp_path)
        assert (sent.returncode, sent.stdout) == (0, "delivered\n")
        said = running.communicate(timeout=8)[0].decode()
    assert (running.returncode, "heard 1" in said) == (0, True)
    late = run_command("send", run_id, "hello", data, cwd=tmp_path)
    assert (late.returncode, "the run has ended" in late.stderr) == (2, True)
