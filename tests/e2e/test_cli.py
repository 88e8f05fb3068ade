"""The command line: exit codes, what is printed where, and refusals in one line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runwire.persistence.data_folder import token_file
from tests.e2e.conftest import StartServer
from tests.support.agents import PATHS
from tests.support.database import change, query, stored_entries
from tests.support.deadlines import eventually
from tests.support.process import ROOT, ServerProcess, command, environment, run_command

PASSED = {"steps": [{"step": {"name": "one", "status": "PASSED"}}]}
MIXED = {"steps": [{"step": {"name": "one", "status": "PASSED"}}, {"step": {"name": "two", "status": "FAILED"}}]}
HANG = {"steps": [{"text": "begun "}, {"hang": "async"}]}

EXITS = [
    ("succeeded", ["echo", "hello there"], 0),
    ("passed", ["scripted", json.dumps(PASSED)], 0),
    ("failed verdict", ["scripted", json.dumps(MIXED)], 1),
    ("failed", ["scripted", json.dumps({"steps": [{"fail": "no"}]})], 1),
    ("timed out", ["scripted", json.dumps(HANG), "--timeout-s", "0.3"], 1),
    ("unknown agent", ["nobody", "hi"], 2),
    ("refused input", ["scripted", '{"steps":[{"dance":1}]}'], 2),
    ("wrong token", ["echo", "hi", "--token", "wrong"], 2),
    ("no such file", ["scripted", "absent.json"], 2),
]


@pytest.mark.parametrize(("arguments", "code"), [(a, c) for _, a, c in EXITS], ids=[name for name, _, _ in EXITS])
def test_run_against_a_server_tells_the_end_by_its_exit_code(
    process: ServerProcess, tmp_path: Path, arguments: list[str], code: int
) -> None:
    done = run_command("run", *arguments, "--server", process.origin, "--data", str(process.data), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if code == 2:
        assert done.stderr.startswith("runwire: ")
        assert len(done.stderr.strip().splitlines()) == 1


def test_run_prints_the_answer_to_stdout_and_the_rest_to_stderr(process: ServerProcess, tmp_path: Path) -> None:
    done = run_command("run", "echo", "hello  there", "--data", str(process.data), cwd=tmp_path)
    assert done.stdout == "hello  there\n"
    assert "SUCCEEDED" in done.stderr


def test_run_as_json_prints_the_log_itself(process: ServerProcess, tmp_path: Path) -> None:
    arguments = ("run", "echo", "a b", "--json", "--run-id", "jsonlines01", "--data", str(process.data))
    done = run_command(*arguments, cwd=tmp_path)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    stored = stored_entries(process.data, "jsonlines01")
    assert [(line["type"], line["data"]) for line in printed] == [(e["type"], e["data"]) for e in stored]


def test_retry_repeats_an_ended_run_and_watches_it(process: ServerProcess, tmp_path: Path) -> None:
    where = ("--data", str(process.data))
    assert run_command("run", "echo", "once more", "--run-id", "tobeagain", *where, cwd=tmp_path).returncode == 0
    done = run_command("retry", "tobeagain", *where, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "once more\n")
    (again,) = query(process.data, "SELECT retry_of, thread_id FROM runs WHERE retry_of IS NOT NULL")
    (first,) = query(process.data, "SELECT thread_id FROM runs WHERE id = 'tobeagain'")
    assert again == {"retry_of": "tobeagain", "thread_id": first["thread_id"]}
    _refused(run_command("retry", "nosuchrun", *where, cwd=tmp_path), "no run")
    _refused(run_command("retry", "tobeagain", "--from-seq", "1", *where, cwd=tmp_path), "leave out from_seq")


def test_run_without_a_server_executes_embedded(data: Path, tmp_path: Path) -> None:
    done = run_command("run", "echo", "all alone", "--data", str(data), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "all alone\n")
    assert [row["status"] for row in query(data, "SELECT status FROM runs")] == ["SUCCEEDED"]


def test_run_embedded_beside_a_server_refuses_and_says_what_to_do(process: ServerProcess, tmp_path: Path) -> None:
    _refused(run_command("run", "echo", "--embedded", "--data", str(process.data), cwd=tmp_path), "--server")


def test_run_to_a_server_that_is_not_there_is_2(tmp_path: Path) -> None:
    done = run_command("run", "echo", "hi", "--server", "http://127.0.0.1:9", "--token", "t", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_ctrl_c_cancels_the_run_and_exits_130(process: ServerProcess, tmp_path: Path) -> None:
    arguments = ("run", "scripted", json.dumps(HANG), "--run-id", "interrupted01", "--data", str(process.data))
    with subprocess.Popen(
        command(*arguments), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.read(6) == b"begun ", "it streams while the run goes on"
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=5)
    assert watching.returncode == 130
    assert stored_entries(process.data, "interrupted01")[-1]["data"]["status"] == "CANCELLED"


def test_an_embedded_run_that_does_not_stop_holds_nobody(data: Path, tmp_path: Path) -> None:
    arguments = ("run", "sleeps-in-own-pool", "--timeout-s", "0.2", "--data", str(data), "--agents", ",".join(PATHS))
    done = run_command(*arguments, cwd=tmp_path, limit_s=8)
    assert done.returncode == 1
    assert "timeout" in done.stderr


def test_token_create_prints_only_the_token_and_it_works(process: ServerProcess, tmp_path: Path) -> None:
    done = run_command("token", "create", "ann", "--name", "laptop", "--data", str(process.data), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    token = done.stdout.strip()
    assert done.stdout == token + "\n"
    assert token.startswith("rw_")
    used = run_command("run", "echo", "hi", "--server", process.origin, "--token", token, cwd=tmp_path)
    assert (used.returncode, used.stdout) == (0, "hi\n")
    stored = query(process.data, "SELECT user_id, name, hash, admin FROM tokens WHERE user_id = 'ann'")
    assert [(row["user_id"], row["name"], row["admin"]) for row in stored] == [("ann", "laptop", 0)]
    assert token not in str(stored), "only its hash is kept"


def test_an_expired_token_is_none(process: ServerProcess, tmp_path: Path) -> None:
    arguments = ("token", "create", "bob", "--expires-days", "0", "--data", str(process.data))
    token = run_command(*arguments, cwd=tmp_path).stdout.strip()
    assert run_command("run", "echo", "--server", process.origin, "--token", token, cwd=tmp_path).returncode == 2


def test_the_first_token_is_private(process: ServerProcess) -> None:
    assert token_file(process.data).stat().st_mode & 0o777 == 0o600


def _refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("runwire: "), done.stderr
    assert words in last
    assert "Traceback" not in done.stderr


def test_a_second_server_on_the_same_data_refuses_and_says_what_to_do(process: ServerProcess, tmp_path: Path) -> None:
    _refused(run_command("serve", "--port", "0", "--data", str(process.data), cwd=tmp_path), "--server")


@pytest.mark.parametrize("state", ["empty file", "older", "not a database"])
def test_a_database_of_another_version_refuses_and_names_the_command(data: Path, tmp_path: Path, state: str) -> None:
    if state == "empty file":
        (data / "runwire.db").write_bytes(b"")
    elif state == "not a database":
        (data / "runwire.db").write_bytes(b"this is no database file at all, but long enough to be read as one" * 20)
    else:
        change(data, "UPDATE alembic_version SET version_num = ?", "0000" if state == "older" else "9999")
    done = run_command("serve", "--port", "0", "--data", str(data), cwd=tmp_path)
    _refused(done, "database" if state == "not a database" else "runwire db upgrade")


def test_serve_makes_the_database_of_a_new_folder(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "new")
    assert query(server.data, "SELECT count(*) AS n FROM runs") == [{"n": 0}]
    assert (server.data / "lock").exists()


def test_a_taken_port_and_a_public_address_are_refused(process: ServerProcess, data: Path, tmp_path: Path) -> None:
    port = process.origin.rpartition(":")[2]
    _refused(run_command("serve", "--port", port, "--data", str(data), cwd=tmp_path), port)
    _refused(run_command("serve", "--host", "0.0.0.0", "--data", str(data), cwd=tmp_path), "TLS")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--max-running", "many"], "the flag --max-running"),
        (["--agents", "absent_module:agent"], "absent_module:agent"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(data: Path, tmp_path: Path, flags: list[str], words: str) -> None:
    _refused(run_command("serve", "--port", "0", "--data", str(data), *flags, cwd=tmp_path), words)


def test_db_upgrade_and_check(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert run_command("db", "upgrade", "--data", str(folder), cwd=tmp_path).returncode == 0
    assert run_command("db", "upgrade", "--data", str(folder), cwd=tmp_path).returncode == 0, "again is nothing"
    done = run_command("db", "check", "--data", str(folder), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "the schema is up to date\n")
    change(folder, "ALTER TABLE runs ADD COLUMN stranger TEXT")
    done = run_command("db", "check", "--data", str(folder), cwd=tmp_path)
    assert done.returncode == 1
    assert "stranger" in done.stdout


def test_agents_are_listed(tmp_path: Path) -> None:
    done = run_command("agents", "--agents", "tests.support.agents:facts", cwd=tmp_path)
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]  # else a hint
    assert names == sorted(names)
    assert {"browser-test", "echo", "facts", "scripted"} <= set(names)


def test_the_example_agent_runs_as_the_tutorial_says(data: Path, tmp_path: Path) -> None:
    where = {"PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'examples' / 'agents'}"}
    arguments = ("run", "countdown", "3", "--data", str(data), "--agents", "countdown:countdown")
    done = run_command(*arguments, cwd=tmp_path, env=where)
    assert done.returncode == 0, done.stderr


def test_serve_help_names_every_setting_with_unit_and_default(tmp_path: Path) -> None:
    from runwire.settings_sources import describe

    text = " ".join(run_command("serve", "--help", cwd=tmp_path, env={"COLUMNS": "200"}).stdout.split())
    for info in describe():
        assert info.flag in text
        assert info.env in text
        if info.name.endswith("_s"):
            assert info.help.endswith("seconds") or "a second" in info.help, info.name


def test_a_ready_line_is_all_that_a_terminal_sees(start_server: StartServer) -> None:
    server = start_server(log_level="error")
    eventually(lambda: server.output.count("\n") >= 2, "both lines")
    assert [line.split()[0] for line in server.output.splitlines()] == ["Open", "Try"]
    assert sys.version_info >= (3, 11)


@pytest.mark.timeout(20)
def test_threads_lists_finds_exports_and_deletes(process: ServerProcess, tmp_path: Path) -> None:
    where = ("--data", str(process.data))
    assert run_command("run", "echo", "a \x1b[31m kingfisher", *where, cwd=tmp_path).returncode == 0
    listed = run_command("threads", "list", *where, cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "\x1b" not in listed.stdout
    [line] = [line for line in listed.stdout.splitlines() if "kingfisher" in line]
    thread_id = line.split()[2]

    def found() -> bool:
        return thread_id in run_command("threads", "list", "kingf", *where, cwd=tmp_path).stdout

    eventually(found, "it is indexed", 8)
    exported = run_command("threads", "export", thread_id, *where, cwd=tmp_path)
    assert "kingfisher" in exported.stdout
    assert run_command("threads", "delete", thread_id, *where, cwd=tmp_path).returncode == 0
    again = run_command("threads", "export", thread_id, *where, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("runwire: no thread")


def test_files_are_put_listed_read_and_deleted(process: ServerProcess, tmp_path: Path) -> None:
    where = ("--data", str(process.data))
    (tmp_path / "note.txt").write_text("some words")
    file_id = run_command("files", "put", "note.txt", *where, cwd=tmp_path).stdout.strip()
    assert file_id in run_command("files", "list", *where, cwd=tmp_path).stdout
    assert run_command("files", "get", file_id, *where, cwd=tmp_path).stdout == "some words"
    assert run_command("files", "delete", file_id, *where, cwd=tmp_path).returncode == 0
    assert run_command("files", "get", file_id, *where, cwd=tmp_path).returncode == 2


@pytest.mark.timeout(20)
def test_schedules_are_added_listed_paused_and_deleted(process: ServerProcess, tmp_path: Path) -> None:
    where = ("--data", str(process.data))
    added = run_command("schedule", "add", "yearly", "0 0 1 1 *", "echo", "hi", *where, cwd=tmp_path)
    schedule_id = added.stdout.strip()
    assert run_command("schedule", "pause", schedule_id, *where, cwd=tmp_path).returncode == 0
    listed = run_command("schedule", "list", *where, cwd=tmp_path).stdout
    assert schedule_id in listed
    assert "paused" in listed
    assert run_command("schedule", "delete", schedule_id, *where, cwd=tmp_path).returncode == 0
    refused = run_command("schedule", "add", "bad", "61 * * * *", "echo", *where, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")


@pytest.mark.timeout(20)
def test_links_are_made_listed_and_revoked(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(share_links=True)
    where = ("--data", str(server.data))
    run_command("run", "echo", "shown", "--run-id", "sharedrun1", *where, cwd=tmp_path)
    made = run_command("share", "run", "sharedrun1", "--expires-days", "1", *where, cwd=tmp_path).stdout
    assert made.startswith(f"{server.origin}/shared#link=rwl_")
    listed = run_command("share", "list", *where, cwd=tmp_path).stdout
    assert "run sharedrun1" in listed
    assert run_command("share", "revoke", listed.split()[0], *where, cwd=tmp_path).returncode == 0
    assert run_command("share", "list", *where, cwd=tmp_path).stdout == ""
    refused = run_command("share", "thread", "nosuchthread", *where, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")


def test_commands_that_need_a_server_say_so(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    done = run_command("threads", "list", "--data", str(tmp_path), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "runwire serve" in done.stderr
