"""Finds Chromium. Floor 4; any thread; looks at files only, starts nothing.

Order: the setting, Playwright's own download, the system's headless shell (the raw binary, not its wrapper script: a
shell in between breaks killing by process group and costs a start), a system Chromium.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

SYSTEM_SHELLS = ("/usr/lib/chromium/chromium-headless-shell", "/usr/lib64/chromium-browser/headless_shell")
SYSTEM_BROWSERS = (
    "/usr/lib/chromium/chromium",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
)
_OWN_NAMES = ("chrome-headless-shell", "headless_shell")


def find_executable(setting: str) -> Path | None:
    """Return the Chromium to launch, or None. A ``setting`` that names no executable file finds nothing."""
    if setting:
        return _executable(Path(setting))
    system = (Path(name) for name in (*SYSTEM_SHELLS, *SYSTEM_BROWSERS))
    return next((found for path in (*_playwright_shells(), *system) if (found := _executable(path))), None)


def why_unavailable(setting: str) -> str | None:
    """Return why no browser can be started here and the one command that mends it, or None."""
    if find_spec("playwright") is None:
        return "Playwright is not installed; run: pip install 'runwire[browser]'"
    if find_executable(setting) is not None:
        return None
    if setting:
        return f"the browser_executable {setting!r} is no executable file; correct the setting"
    return f"no Chromium was found; run: {_mend()}"


def _mend() -> str:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return "apt-get install -y chromium-headless-shell"
    return f"{sys.executable} -m playwright install --only-shell chromium"


def _executable(path: Path) -> Path | None:
    return path if path.is_file() and os.access(path, os.X_OK) else None


def _playwright_shells() -> Iterator[Path]:
    """Yield the headless shells that Playwright has downloaded for its own version."""
    spec = find_spec("playwright")
    if spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent / "driver" / "package"
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    root = package / ".local-browsers" if folder == "0" else Path(folder or Path.home() / ".cache" / "ms-playwright")
    try:
        listed = json.loads((package / "browsers.json").read_bytes())["browsers"]
        revision = next(item["revision"] for item in listed if item["name"] == "chromium-headless-shell")
    except (OSError, ValueError, KeyError, StopIteration):  # another layout of the package: then it has no download
        return
    for name in _OWN_NAMES:
        yield from sorted(root.glob(f"chromium_headless_shell-{revision}/*/{name}"))
