"""Which Chromium is launched, and what is told where none is: the one command that mends it. Files only."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from runwire.__main__ import main
from runwire.browser import executable
from runwire.browser.executable import find_executable, why_unavailable
from runwire.settings import Settings
from runwire.wiring.core import load_registry


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any browser, root or display; ``shell`` and ``chromium`` are where its system's would be."""
    monkeypatch.setattr(executable, "SYSTEM_SHELLS", (str(tmp_path / "chromium-headless-shell"),))
    monkeypatch.setattr(executable, "SYSTEM_BROWSERS", (str(tmp_path / "chromium"),))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    return tmp_path


def _install(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def _downloaded(machine: Path, kind: str, name: str) -> Path:
    """Put a browser where Playwright would have downloaded it to."""
    import json

    import playwright

    listed = json.loads((Path(playwright.__file__).parent / "driver/package/browsers.json").read_bytes())["browsers"]
    revision = next(item["revision"] for item in listed if item["name"] == kind)
    return _install(machine / "downloads" / f"{kind.replace('-', '_')}-{revision}" / "chrome-linux" / name)


def test_the_settings_come_first_then_playwrights_own_then_the_systems(machine: Path) -> None:
    system = _install(machine / "chromium")
    assert find_executable("") == system
    shell = _install(machine / "chromium-headless-shell")
    assert find_executable("") == shell
    own = _downloaded(machine, "chromium-headless-shell", "headless_shell")
    assert find_executable("") == own
    mine = _install(machine / "mine")
    assert find_executable(str(mine)) == mine


def test_a_window_is_shown_by_whole_browsers_only(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    shell = _install(machine / "chromium-headless-shell")
    assert find_executable("", headless=False) is None
    assert find_executable(str(shell), headless=False) is None
    assert "is a headless shell" in (why_unavailable(str(shell), headless=False) or "")
    system = _install(machine / "chromium")
    assert find_executable("", headless=False) == system
    own = _downloaded(machine, "chromium", "chrome")
    assert find_executable("", headless=False) == own
    assert why_unavailable("", headless=False) is None


def test_a_window_needs_a_display(machine: Path) -> None:
    _install(machine / "chromium")
    assert "DISPLAY is not set" in (why_unavailable("", headless=False) or "")
    assert why_unavailable("") is None, "without a window none is needed"


def test_a_shell_is_no_whole_browser(machine: Path) -> None:
    shell = _install(machine / "chromium-headless-shell")
    assert why_unavailable("") is None
    missing = f"no whole Chromium was found, only that has windows and extensions; run: {sys.executable} -m playwright"
    assert why_unavailable("", whole=True) == f"{missing} install chromium"
    assert "is a headless shell; name a whole Chromium" in (why_unavailable(str(shell), whole=True) or "")
    _install(machine / "chromium")
    assert why_unavailable("", whole=True) is None, "and it needs no display"


def test_where_none_is_one_command_mends_it(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download = f"{sys.executable} -m playwright install"
    assert why_unavailable("") == f"no Chromium was found; run: {download} --only-shell chromium"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/apt-get")
    assert why_unavailable("") == "no Chromium was found; run: apt-get install -y chromium-headless-shell"
    monkeypatch.setenv("DISPLAY", ":0")
    assert (why_unavailable("", headless=False) or "").endswith("run: apt-get install -y chromium")
    monkeypatch.setattr(executable, "find_spec", lambda _: None)
    assert why_unavailable("") == "Playwright is not installed; run: pip install 'runwire[browser]'"


def test_the_list_of_agents_says_what_is_missing(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents"]) == 0
    printed = capsys.readouterr().out.splitlines()
    browsers = [line for line in printed if re.search("unavailable: no (whole )?Chromium was found", line)]
    assert len(browsers) == len(load_registry(Settings()).browser_agents) >= 3


def test_a_setting_that_names_no_program_says_so(machine: Path) -> None:
    plain = machine / "plain"
    plain.touch(mode=0o644)
    for named in (plain, machine / "absent"):
        assert find_executable(str(named)) is None
        assert "is no executable file; correct the setting" in (why_unavailable(str(named)) or "")
