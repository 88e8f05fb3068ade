"""Finds Chromium. Floor 4; any thread; looks at files only, starts nothing.

Order: the setting, Playwright's own download, the system's headless shell (the raw binary, not its wrapper script: a
shell in between breaks killing by process group and costs a start), a system Chromium. A window needs a whole browser,
and a display that it can stand on.
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


def find_executable(setting: str, *, headless: bool = True) -> Path | None:
    """Return the Chromium to launch, or None. A ``setting`` that names no executable file finds nothing."""
    if setting:
        found = executable_file(Path(setting))
        has_window = found is not None and "headless" not in found.name  # as every build of the shell is called
        return found if headless or has_window else None
    own = _playwright_shells() if headless else _playwright_browsers()
    system = (Path(name) for name in ((*SYSTEM_SHELLS, *SYSTEM_BROWSERS) if headless else SYSTEM_BROWSERS))
    return next((found for path in (*own, *system) if (found := executable_file(path))), None)


def why_unavailable(setting: str, *, headless: bool = True, whole: bool = False) -> str | None:
    """Return why no browser can be started here and the one command that mends it, or None. ``whole``: the headless
    shell will not do, since it has no extensions.
    """
    if find_spec("playwright") is None:
        return "Playwright is not installed; run: pip install 'runwire[browser]'"
    if not headless and not os.environ.get("DISPLAY"):
        return "a browser with a window needs a display, and DISPLAY is not set; run it headless, or under: xvfb-run"
    shell = headless and not whole
    if find_executable(setting, headless=shell) is not None:
        return None
    if setting and executable_file(Path(setting)) is not None:
        return f"the browser_executable {setting!r} is a headless shell; name a whole Chromium in its place"
    if setting:
        return f"the browser_executable {setting!r} is no executable file; correct the setting"
    if shell:
        return f"no Chromium was found; run: {_mend('chromium-headless-shell', '--only-shell chromium')}"
    return f"no whole Chromium was found, only that has windows and extensions; run: {_mend('chromium', 'chromium')}"


def _mend(package: str, download: str) -> str:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return f"apt-get install -y {package}"
    return f"{sys.executable} -m playwright install {download}"


def executable_file(path: Path) -> Path | None:
    """Return the path if a file is there that may be executed, or None."""
    return path if path.is_file() and os.access(path, os.X_OK) else None


def _playwright_shells() -> Iterator[Path]:
    """Yield the headless shells that Playwright has downloaded for its own version."""
    for name in _OWN_NAMES:
        yield from playwright_downloads("chromium-headless-shell", f"chromium_headless_shell-{{revision}}/*/{name}")


def _playwright_browsers() -> Iterator[Path]:
    """Yield the whole browsers that it has downloaded."""
    yield from playwright_downloads("chromium", "chromium-{revision}/*/chrome")


def playwright_downloads(kind: str, pattern: str) -> Iterator[Path]:
    """Yield what Playwright has downloaded of a kind for its own version, whose ``{revision}`` the pattern names."""
    spec = find_spec("playwright")
    if spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent / "driver" / "package"
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    root = package / ".local-browsers" if folder == "0" else Path(folder or Path.home() / ".cache" / "ms-playwright")
    try:
        listed = json.loads((package / "browsers.json").read_bytes())["browsers"]
        revision = next(item["revision"] for item in listed if item["name"] == kind)
    except (OSError, ValueError, KeyError, StopIteration):  # another layout of the package: then it has no download
        return
    yield from sorted(root.glob(pattern.format(revision=revision)))
