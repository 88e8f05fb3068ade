"""Saved tests and browser configurations from a terminal: kept, shown, deleted, refused in one line. No browser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.database import change
from tests.support.process import ServerProcess, run_command

pytestmark = pytest.mark.timeout(60)  # a test is many commands, each a process
TEST = "# A comment that is kept\nname: Tour\nsteps:\n  - Navigate to https://example.org/\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sound test, a broken one and a configuration."""
    (tmp_path / "tour.yaml").write_text(TEST)
    (tmp_path / "broken.yaml").write_text("steps: [Click]\n")
    (tmp_path / "phone.json").write_text('{"device": "Pixel 8"}')
    return tmp_path


def _done(folder: Path, *arguments: str) -> str:
    done = run_command(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _refused(done: subprocess.CompletedProcess[str], *complaints: str) -> None:
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for complaint in complaints:
        assert complaint in done.stderr


def test_a_test_is_saved_changed_shown_and_deleted(process: ServerProcess, folder: Path) -> None:
    data = f"--data={process.data}"
    assert "version 1" in _done(folder, "tests", "save", "tour.yaml", data)
    assert "version 1" in _done(folder, "tests", "save", "tour.yaml", data), "the same test makes no version"
    (folder / "tour.yaml").write_text(TEST.replace("Tour", "Grand tour"))
    assert "version 2" in _done(folder, "tests", "save", "tour.yaml", data)
    (line,) = [line for line in _done(folder, "tests", "list", data).splitlines() if line.startswith("tour ")]
    assert line.split()[:3] == ["tour", "version", "2"]
    assert line.endswith("Grand tour")
    assert _done(folder, "tests", "show", "tour", "--version=1", data) == TEST
    assert "Grand tour" in _done(folder, "tests", "show", "tour", data)
    assert _done(folder, "tests", "runs", "tour", data) == ""
    _done(folder, "tests", "delete", "tour", data)
    _refused(run_command("tests", "show", "tour", data, cwd=folder), "no task tour")


def test_a_configuration_is_saved_shown_and_deleted(process: ServerProcess, folder: Path) -> None:
    data = f"--data={process.data}"
    _done(folder, "browser-configs", "save", "phone.json", data)
    assert "version 2" in _done(folder, "browser-configs", "save", '{"locale": "de-CH"}', "--id=phone", data)
    assert json.loads(_done(folder, "browser-configs", "show", "phone", data)) == {"locale": "de-CH"}
    assert "phone " in _done(folder, "browser-configs", "list", data)
    _done(folder, "browser-configs", "delete", "phone", data)
    _refused(run_command("browser-configs", "show", "phone", data, cwd=folder), "no browser configuration phone")


def test_nothing_is_saved_unless_every_file_is_sound(process: ServerProcess, folder: Path) -> None:
    data = f"--data={process.data}"
    done = run_command("tests", "save", "tour.yaml", "broken.yaml", data, cwd=folder)
    _refused(done, "broken.yaml: step 1: no target given")
    assert "tour " not in _done(folder, "tests", "list", data)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("tests", "save", "absent.yaml"), "absent.yaml: cannot be read"),
        (("tests", "save", "tour.yaml", "phone.json", "--id=one"), "--id names one test"),
        (("tests", "save", "tour.yaml", "--id=A B"), "'A B' is no test id"),
        (("tests", "delete", "absent"), "no task absent"),
        (("tests", "report", "absentrun1", "--html=out.html"), "no run absentrun1"),
        (("tests", "report", "absentrun1"), "--junit FILE, --html FILE"),
        (("browser-configs", "save", '{"device": "Abacus"}', "--id=x"), '"Abacus" is no known device'),
        (("browser-configs", "save", '{"device": "Pixel 8"}'), "--id ID is needed"),
        (("browser-configs", "save", "pixel"), "an object of options"),
        (("run", "--task=tour", "--headed"), "--headed shows this process's own browser"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    process: ServerProcess, folder: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    _refused(run_command(*arguments, f"--data={process.data}", cwd=folder), complaint)
    assert not (folder / "out.html").exists()


def test_without_a_server_it_is_asked_for_or_done_in_this_process(data: Path, folder: Path) -> None:
    where = f"--data={data}"
    _refused(run_command("tests", "list", where, cwd=folder), "start one with `runwire serve`")
    assert "version 1" in _done(folder, "tests", "save", "tour.yaml", "--embedded", where)
    assert _done(folder, "tests", "show", "tour", "--embedded", where) == TEST
    _refused(run_command("tests", "list", where, cwd=folder), "start one with `runwire serve`")


def test_a_window_is_refused_where_no_display_is(data: Path, folder: Path) -> None:
    done = run_command(
        "run", "browser-test", "tour.yaml", "--embedded", "--headed", f"--data={data}", cwd=folder, env={"DISPLAY": ""}
    )
    _refused(done, "--headed: a browser with a window needs a display", "xvfb-run")


def test_what_a_model_made_of_free_words_is_listed_shown_and_forgotten(process: ServerProcess, folder: Path) -> None:
    data = f"--data={process.data}"
    insert = "INSERT INTO sentences VALUES ('admin', ?, 'Have a look\x1b[2J', 1, 'Click \"A\"', 'eyes', 1)"
    for scope in ("test Shop\n/shop", "task shop", "task other"):
        change(process.data, insert, scope)
    lines = _done(folder, "readings", "list", data).splitlines()
    assert sorted(line.split("  ", 1)[1] for line in lines) == [
        '"Shop" at /shop: Have a look [2J -> Click "A"',
        'task other: Have a look [2J -> Click "A"',
        'task shop: Have a look [2J -> Click "A"',
    ]
    (named,) = (line.split()[0] for line in lines if "Shop" in line)
    assert "by        eyes, " in _done(folder, "readings", "show", named, data)
    assert _done(folder, "readings", "forget", named, "--task=shop", data) == "forgotten: 2\n"
    (left,) = _done(folder, "readings", "list", data).splitlines()
    assert "task other" in left
    _refused(run_command("readings", "show", named, data, cwd=folder), "no reading")
    _refused(run_command("readings", "forget", data, cwd=folder), "name the readings to forget")
