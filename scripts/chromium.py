"""Makes browser runs possible: a driver and a Chromium that start. ``python scripts/chromium.py [OUTCOME_FILE]``.

What exists comes first, in the server's own order (``runwire.browser.executable``); then Playwright's download; then
apt-get (root only). A Chromium is believed only after it has answered ``--version``: a download whose shared libraries
are missing is a file that does not start, and the server would prefer it to a system browser that does. Playwright's
driver is tried first, for the same reason: a bare Debian lacks one of its libraries.

Never fails a set-up: with OUTCOME_FILE the reason is written there (empty = found) instead of printed, and the exit
code is 0. Runs once, in one thread, before any server; every child process has a time limit.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from runwire.browser.executable import find_executable

# The second of each pair gives a sandbox where the kernel refuses one to ordinary users (containers, new Ubuntus).
PACKAGES = (("chromium-headless-shell", "chromium-sandbox"), ("chromium", "chromium-sandbox"))
# What the Node inside Playwright's wheel needs and a bare Debian or Ubuntu does not have.
DRIVER_LIBRARY = "libatomic1"
PLAYWRIGHT = (sys.executable, "-m", "playwright")
# The shell is about 110 MB; three minutes allow 5 Mbit/s. A host that does not resolve fails in about two seconds.
DOWNLOAD_LIMIT_S = 180.0
APT_LIMIT_S = 300.0
ANSWER_LIMIT_S = 20.0


def main(arguments: list[str]) -> int:
    """Find or get a Chromium; print one line that names it or says what is missing."""
    fault = driver_fault() or chromium_fault()
    line = f"browser runs will not work, everything else does: {fault}; then: make chromium" if fault else ""
    if arguments:
        Path(arguments[0]).write_text(line and f"runwire setup: {line}\n", encoding="utf-8")
        return 0
    if line:
        say(line)
    return 1 if line else 0


def driver_fault() -> str:
    """Return why Playwright's driver does not start and what mends it; empty if it does."""
    if run(*PLAYWRIGHT, "--version", limit_s=ANSWER_LIMIT_S):
        return ""
    if may_install():
        say(f"Playwright's driver does not start; installing {DRIVER_LIBRARY} with apt-get")
        apt_install(DRIVER_LIBRARY)
        if run(*PLAYWRIGHT, "--version", limit_s=ANSWER_LIMIT_S):
            return ""
    return f"Playwright's driver does not start; on Debian and Ubuntu: {sudo()}apt-get install -y {DRIVER_LIBRARY}"


def chromium_fault() -> str:
    """Find or get a Chromium and name it; return what would mend it if none can be had, else an empty text."""
    if found := find() or get():
        say(f"Chromium for browser runs: {found}")
        return ""
    debian = f"{sudo()}apt-get install -y chromium chromium-sandbox"
    ubuntu = f"{sudo()}{sys.executable} -m playwright install-deps chromium-headless-shell"
    return f"there is no Chromium that starts; on Debian: {debian}, on Ubuntu: {ubuntu}"


def candidate() -> Path | None:
    """Return the Chromium that the server would launch, whether it starts or not."""
    return find_executable(os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""))


def find() -> Path | None:
    """Return the Chromium that the server would launch if it starts: it answers and finds its shared libraries."""
    path = candidate()
    return path if path and run(str(path), "--version", limit_s=ANSWER_LIMIT_S) else None


def get() -> Path | None:
    """Fetch a Chromium: Playwright's download, then the distribution's package."""
    if candidate() is None:
        say("looking for a Chromium to download (Playwright's, about 110 MB)")
        run(*PLAYWRIGHT, "install", "--only-shell", "chromium", limit_s=DOWNLOAD_LIMIT_S)
    if may_install() and candidate() and not find():
        say("Chromium is here but does not start; installing the libraries that it needs")
        run(*PLAYWRIGHT, "install-deps", "chromium-headless-shell", limit_s=APT_LIMIT_S)
    if found := find():
        return found
    remove_broken_download()
    return find() or (install_package() if may_install() else None)


def remove_broken_download() -> None:
    """Remove Playwright's shell if that is what does not start: the server would go on preferring it."""
    path = candidate()
    for folder in path.parents if path else ():
        if folder.name.startswith("chromium_headless_shell-"):
            say(f"removing {path}, which does not start here")
            shutil.rmtree(folder)


def install_package() -> Path | None:
    """Install the first of the distribution's packages that gives a Chromium that starts."""
    say("Playwright's Chromium cannot be had here; asking apt-get")
    for packages in PACKAGES:
        apt_install(*packages)
        if found := find():
            return found
    return None


def run(*command: str, limit_s: float) -> bool:
    """Run a command without input or output; False if it fails, is missing or takes longer than ``limit_s`` seconds."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = subprocess.DEVNULL
    try:
        # Its own session: Playwright's download and apt-get work in grandchildren, which have to be stopped as well.
        with subprocess.Popen(
            command, stdin=quiet, stdout=quiet, stderr=quiet, env=environment, start_new_session=True
        ) as child:
            try:
                return child.wait(timeout=limit_s) == 0
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
    except (OSError, subprocess.TimeoutExpired):
        return False


def apt_install(*packages: str) -> None:
    """Install some of the distribution's packages; whether it helped is for the caller to try."""
    run("apt-get", "update", limit_s=APT_LIMIT_S)
    run("apt-get", "install", "-y", "--no-install-recommends", *packages, limit_s=APT_LIMIT_S)


def may_install() -> bool:
    """Tell whether packages may be installed: as root, with apt-get."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def sudo() -> str:
    """Return what a person has to type before a command that installs."""
    return "" if os.geteuid() == 0 else "sudo "


def say(line: str) -> None:
    """Print one line of the set-up."""
    print(f"runwire setup: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
