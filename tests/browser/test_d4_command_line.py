"""The command line runs the same tests through the same pipeline, with an exit code. Row D4."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from runwire_client import Runwire
from tests.support.browser_tests import SHOP, WRONG_PRICE
from tests.support.process import ServerProcess, run_command, serving

pytestmark = pytest.mark.timeout(60)
LIMIT_S = 40.0
EXECUTABLE = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path]) -> Iterator[ServerProcess]:
    """A server process with browsers."""
    with serving(make_data(), browser_executable=EXECUTABLE) as running:
        yield running


def runwire(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return run_command(*arguments, cwd=cwd, limit_s=LIMIT_S, env={"RUNWIRE_BROWSER_EXECUTABLE": EXECUTABLE})


def write(folder: Path, name: str, test: Any) -> Path:
    """Write a test's file."""
    file = folder / name
    file.write_text(json.dumps(test), encoding="utf-8")
    return file


def test_d4_a_test_is_saved_run_and_reported_from_the_command_line(server: ServerProcess, tmp_path: Path) -> None:
    data = f"--data={server.data}"
    tests = write(tmp_path, "tour.json", SHOP), write(tmp_path, "wrong.json", WRONG_PRICE)
    assert runwire(tmp_path, "tests", "save", *(file.name for file in tests), data).returncode == 0
    assert runwire(tmp_path, "browser-configs", "save", '{"device": "Pixel 8"}', "--id=pixel", data).returncode == 0
    passed = runwire(tmp_path, "run", "--task", "tour", "--config", "pixel", data)
    failed = runwire(tmp_path, "run", "--task", "wrong", data)
    assert (passed.returncode, failed.returncode) == (0, 1), passed.stderr + failed.stderr
    assert "3/3 passed" in passed.stdout
    assert "1/3 passed" in failed.stdout
    line = runwire(tmp_path, "tests", "runs", "tour", data).stdout.split()
    assert line[3:] == ["passed", "tour", "pixel"]
    assert runwire(tmp_path, "tests", "report", line[2], "--junit=one.xml", "--html=one.html", data).returncode == 0
    assert Xml.parse(tmp_path / "one.xml").getroot().get("failures") == "0"
    assert "data:image/png;base64," in (tmp_path / "one.html").read_text(encoding="utf-8")
    with Runwire(server.origin, server.token) as client:
        steps = client.tests.run(line[2]).steps
    assert [step.status for step in steps] == ["PASSED"] * 3


def test_d4_saved_tests_run_together(server: ServerProcess, tmp_path: Path) -> None:
    data = f"--data={server.data}"
    assert runwire(tmp_path, "tests", "save", write(tmp_path, "one.json", SHOP).name, data).returncode == 0
    together = ("--task=one", "--task=one", "--browser-config=one_default", "--junit=out.xml")
    done = runwire(tmp_path, "suite", "run", *together, data)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2/2 passed"), done.stderr
    assert Xml.parse(tmp_path / "out.xml").getroot().get("tests") == "2"


def test_d4_a_folder_of_tests_runs_with_one_report(server: ServerProcess, tmp_path: Path) -> None:
    write(tmp_path, "1.json", SHOP)
    write(tmp_path, "2.json", WRONG_PRICE)
    reports = ("--junit=out.xml", "--html=out.html", "--name=Folder")
    done = runwire(tmp_path, "suite", "run", ".", *reports, f"--data={server.data}")
    assert done.returncode == 1, done.stderr
    assert "✓ passed  Look at the shop" in done.stdout
    assert "✗ failed  Wrong price" in done.stdout
    assert 'step 2, Verify text "free of charge"' in done.stdout
    assert done.stdout.splitlines()[-1] == "1/2 passed, 1 failed"
    root = Xml.parse(tmp_path / "out.xml").getroot()
    assert (root.get("name"), root.get("tests"), root.get("failures")) == ("Folder", "2", "1")
    assert "data:image/png;base64," in (tmp_path / "out.html").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"1.json", "2.json", "out.xml", "out.html"}


def test_d4_without_a_server_it_runs_here(make_data: Callable[[], Path], tmp_path: Path) -> None:
    file = write(tmp_path, "shop.json", SHOP)
    done = runwire(tmp_path, "suite", "run", str(file), "--embedded", f"--data={make_data()}")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1/1 passed"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("suite", "run", "bad.json"), "bad.json: step 2: no target given"),
        (("suite", "run", "empty"), "empty: no test in this folder"),
        (("suite", "run"), "give either files or folders"),
        (("suite", "run", "--saved", "absent"), "no suite absent"),
        (("run", "--task", "absent"), "no task absent"),
        (("run",), "give either an AGENT"),
        (("run", "echo", "--task", "x"), "give either an AGENT"),
    ],
)
def test_d4_what_cannot_start_is_exit_code_2(
    server: ServerProcess, tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    write(tmp_path, "bad.json", {"steps": ['Click "A"', "Click"]})
    (tmp_path / "empty").mkdir()
    done = runwire(tmp_path, *arguments, f"--data={server.data}")
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_suites_from_a_program(server: ServerProcess) -> None:
    with Runwire(server.origin, server.token) as client:
        suite = client.suites.create("Program", [{"test": SHOP}, {"test": WRONG_PRICE}], suite_id="program")
        ended = client.suites.result(client.suites.run(suite.id).id, timeout_s=LIMIT_S)
        assert (ended.status, ended.verdict, ended.counts["passed"], ended.counts["failed"]) == (
            "ENDED",
            "failed",
            1,
            1,
        )
        assert b"<h1>Program</h1>" in b"".join(client.suites.report(ended.id))
        assert b"<testsuites" in b"".join(client.tests.report(ended.runs[0].run_id, "xml"))
        assert [found.id for found in client.suites.list()] == ["program"]
        client.suites.delete("program")


def test_a_recorded_run_is_replayed_and_a_changed_page_is_found(server: ServerProcess, tmp_path: Path) -> None:
    with Runwire(server.origin, server.token) as client:
        test = {**SHOP, "name": "To replay"}
        run_id = client.start("browser-test", test).run_id
        client.result(run_id, timeout_s=LIMIT_S)
        (file,) = server.data.glob(f"tasks/to-replay/traversals/*_{run_id}.json")
        traversal = json.loads(file.read_bytes())
    data = f"--data={server.data}"
    by_id = runwire(tmp_path, "replay", run_id, data)
    assert by_id.returncode == 0, by_id.stdout + by_id.stderr
    assert "3/3 passed" in by_id.stdout
    traversal["steps"][0]["page_title"] = "The shop of last week"
    traversal["steps"][1]["action"]["target"]["text"] = "Green mug"
    changed = write(tmp_path, "changed.json", traversal)
    by_file = runwire(tmp_path, "replay", str(changed), data)
    assert by_file.returncode == 1
    assert 'the title was "The shop of last week", now it is "Products · Sample shop"' in by_file.stdout
    assert 'it passed when it was recorded; now link "Green mug" was not found' in by_file.stdout
    assert "Step 3/3 SKIPPED" in by_file.stdout
    assert runwire(tmp_path, "replay", "nosuchrun1", data).returncode == 2
