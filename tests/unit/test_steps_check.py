"""``runwire check``: test files are checked without running them; the place of a fault and the exit code are exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwire.__main__ import main
from runwire.protocol.steps.shape import MAX_TEXT

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/tests"
GOOD = 'steps: [Click "Add", Verify text "Added"]\n'


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(str(file) for file in EXAMPLES.glob("*.yaml"))
    assert files
    assert main(["check", *files]) == 0
    assert [line.split(": ok, ")[0] for line in capsys.readouterr().out.splitlines()] == files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('steps:\n  - Click "Add"\n  - Reload\n  - Click\n', "step 3: no target given"),
        ("steps:\n  - Juggle\n", "step 1: "),
        ('steps:\n  - Reload\n  - Verify text "${nme}"\n', "step 2: unknown variable ${nme}; known are none"),
        ("steps: [Reload]\nstep_timeout_s: 0\n", "step_timeout_s: a number of seconds above 0"),
        ("steps: [\n", "the test is no YAML: line 2: "),
        ('{"steps": ["Reload"],}', "the test is no JSON: line 1: "),
        ("", "a browser test is an object with steps, not nothing"),
        ("name: a\nname: b\nsteps: [Reload]\n", "the key 'name' stands twice"),
        ("#" * (MAX_TEXT + 1), f"the test is longer than {MAX_TEXT} characters"),
    ],
)
def test_a_fault_is_told_with_its_place(
    written: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (written / "test.yaml").write_text(text, encoding="utf-8")
    assert main(["check", "test.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"test.yaml: {said}")


def test_one_faulty_step_hides_no_other(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (written / "test.yaml").write_text("steps:\n  - Click\n  - Reload\n  - Juggle\n  - a: b\n", encoding="utf-8")
    assert main(["check", "test.yaml"]) == 1
    places = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]
    assert places == ["step 1", "step 3", "step 4"]


def test_one_faulty_file_hides_no_other(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (written / "good.yaml").write_text(GOOD, encoding="utf-8")
    (written / "binary.yaml").write_bytes(b"steps: \xff")
    (written / "rows.yaml").write_text(GOOD + "data: [{x: 1}, {x: 2}]\n", encoding="utf-8")
    assert main(["check", "absent.yaml", "good.yaml", "binary.yaml", "rows.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["good.yaml: ok, 2 steps", "rows.yaml: ok, 2 steps × 2 rows"]
    assert printed.err.splitlines() == [
        "absent.yaml: cannot be read: No such file or directory",
        "binary.yaml: is no UTF-8 text: byte 7",
    ]


UNREAD = "name: Unread\nsteps:\n  - Reload\n  - Put the blue mug into the basket\n"


def test_it_tells_which_sentences_need_a_model(
    written: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (written / "test.yaml").write_text(UNREAD, encoding="utf-8")
    monkeypatch.delenv("RUNWIRE_MODEL_URL", raising=False)
    assert main(["check", "test.yaml"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith('test.yaml: step 2: no known sentence starts with "Put"')
    assert said.err.endswith("(only a model could read it, and RUNWIRE_MODEL_URL names none)\n")
    monkeypatch.setenv("RUNWIRE_MODEL_URL", "http://127.0.0.1:1/v1")
    assert main(["check", "test.yaml"]) == 0
    expected = ["test.yaml: ok, 2 steps", "test.yaml: step 2 is for a model: Put the blue mug into the basket"]
    assert capsys.readouterr().out.splitlines() == expected


def test_a_fault_that_no_model_mends_is_one_also_with_a_model(
    written: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNWIRE_MODEL_URL", "http://127.0.0.1:1/v1")
    (written / "test.yaml").write_text(UNREAD + "  - Click 'never closed\n  - Press ${nobody}\n", encoding="utf-8")
    assert main(["check", "test.yaml"]) == 1
    assert "is not closed" in capsys.readouterr().err
