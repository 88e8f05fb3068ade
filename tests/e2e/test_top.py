"""``runwire top`` on a real server: a snapshot, a terminal of 80 columns, Ctrl-C, and what is said when it cannot."""

from __future__ import annotations

import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

import httpx
import pytest

from tests.support.database import new_token
from tests.support.deadlines import eventually
from tests.support.process import ServerProcess, command, environment, run_command

COLUMNS, ROWS = 80, 24
RUN_ID = "topmostrun00000000000000"


@pytest.fixture
def busy(process: ServerProcess) -> Iterator[ServerProcess]:
    """A server on which one run hangs."""
    headers = {"Authorization": f"Bearer {process.token}"}
    body = {"agent": "scripted", "input": {"steps": [{"text": "a"}, {"hang": "async"}]}, "run_id": RUN_ID}
    with httpx.Client(base_url=process.origin, headers=headers, trust_env=False) as http:
        assert http.post("/v1/runs", json=body).status_code in (200, 202)
        eventually(lambda: len(http.get("/v1/status").json()["runs"]) == 1, "it runs")
        yield process


def test_once_prints_a_snapshot(busy: ServerProcess, tmp_path: Path) -> None:
    done = run_command("top", "--once", "--data", str(busy.data), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout
    assert max(map(len, lines)) <= COLUMNS
    assert lines[0].startswith(f"runwire 0.1.0  {busy.origin}  up ")
    assert [line.split()[0] for line in lines[1:7]] == ["queue", "runs", "sockets", "writer", "process", "browsers"]
    assert "1/5 running" in lines[1]
    assert lines[-1].split()[:4] == [RUN_ID, "scripted", "admin", "1"]


@contextmanager
def _terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    mine, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    env = environment(TERM="xterm-256color")
    child = subprocess.Popen(command(*arguments), env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.set_blocking(mine, False)
    try:
        yield child, mine
    finally:
        child.kill()
        child.wait(5)
        os.close(mine)


def test_a_terminal_is_refreshed_until_ctrl_c_and_left_as_it_was(busy: ServerProcess) -> None:
    seen = bytearray()

    def read() -> bytes:
        try:
            while chunk := os.read(terminal, 65_536):
                seen.extend(chunk)
        except (BlockingIOError, OSError):  # nothing more yet; or closed at the other end
            return bytes(seen)
        return bytes(seen)

    with _terminal("top", "--interval-s", "0.2", "--data", str(busy.data)) as (child, terminal):
        eventually(lambda: read().count(b"runwire 0.1.0") >= 3, "it is shown again and again", 8)
        child.send_signal(signal.SIGINT)
        assert child.wait(5) == 0
        text = read().decode()
    assert text.endswith("\x1b[?25h\x1b[?1049l"), "the cursor is given back, and the screen"
    assert "Traceback" not in text
    plain = re.sub(r"\x1b\[\??[0-9;]*[A-Za-z]", "\n", text)
    assert RUN_ID in plain
    assert max(map(len, plain.splitlines())) <= COLUMNS


def test_what_stands_in_the_way_is_said(busy: ServerProcess, tmp_path: Path) -> None:
    user = new_token(busy.data, "ann")
    for arguments, said in (
        (("top", "--once", "--data", str(tmp_path)), "start one with"),
        (("top", "--once", "--server", busy.origin, "--token", user), "admin's token"),
        (("top", "--once", "--server", busy.origin, "--token", "wrong"), "token"),
        (
            ("top", "--once", "--server", "http://127.0.0.1:1", "--token", "x"),
            "no server answers at http://127.0.0.1:1",
        ),
        (("top", "--data", str(busy.data)), "--once"),
        (("top", "--once", "--interval-s", "0", "--data", str(busy.data)), "--interval-s"),
    ):
        done = run_command(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr.startswith("runwire: ")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
