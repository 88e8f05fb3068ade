"""A run's artifacts from a terminal and from Python: listed, fetched, packed, refused in one line."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runwire_client import Runwire
from runwire_client.errors import NotFound
from tests.support.process import ServerProcess, run_command, serving

FILES = [{"name": "one.txt"}, {"name": "päper.txt"}]


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path]) -> Iterator[ServerProcess]:
    """A server process."""
    with serving(make_data()) as running:
        yield running


@pytest.fixture(scope="module")
def run_id(server: ServerProcess) -> str:
    """A run that has stored two files."""
    with Runwire(server.origin, server.token) as client:
        started = client.start("files", FILES)
        client.result(started.run_id, timeout_s=9)
    return started.run_id


def test_from_the_terminal(server: ServerProcess, run_id: str, tmp_path: Path) -> None:
    data = f"--data={server.data}"
    listed = run_command("artifacts", "list", run_id, data, cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert [row[-1] for row in rows] == ["one.txt", "päper.txt"]
    assert run_command("artifacts", "get", run_id, rows[0][0], data, cwd=tmp_path).stdout == "xxx"
    packed = run_command("artifacts", "zip", run_id, "all.zip", data, cwd=tmp_path)
    assert packed.returncode == 0, packed.stderr
    with zipfile.ZipFile(tmp_path / "all.zip") as opened:
        assert opened.testzip() is None
        assert len(opened.namelist()) == 2


def test_from_python(server: ServerProcess, run_id: str) -> None:
    with Runwire(server.origin, server.token) as client:
        first, second = client.artifacts.list(run_id)
        assert (first.name, second.name, second.size_bytes) == ("one.txt", "päper.txt", 3)
        assert b"".join(client.artifacts.download(run_id, second.id)) == b"xxx"
        archive = b"".join(client.artifacts.archive(run_id))
        with pytest.raises(NotFound):
            client.artifacts.list("absentrun1")
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert all(name.startswith(f"artifacts/{run_id}/") for name in opened.namelist())


def test_without_a_server_too(data: Path, tmp_path: Path) -> None:
    where = f"--data={data}"
    given = ("run", "scripted", json.dumps({"steps": [{"text": "a"}]}), "--run-id=alonealone1", where)
    assert run_command(*given, cwd=tmp_path).returncode == 0
    listed = run_command("artifacts", "list", "alonealone1", "--embedded", where, cwd=tmp_path)
    assert (listed.returncode, listed.stdout) == (0, ""), listed.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("list", "absentrun1"), "no run absentrun1"),
        (("get", "RUN", "absent"), "no such artifact"),
        (("zip", "RUN", "no/such/folder/a.zip"), "cannot write no/such/folder/a.zip"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    server: ServerProcess, run_id: str, tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    named = [run_id if argument == "RUN" else argument for argument in arguments]
    done = run_command("artifacts", *named, f"--data={server.data}", cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
