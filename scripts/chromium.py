"""Makes browser runs possible: a driver and a Chromium that start. ``scripts/chromium.py [--whole] [OUTCOME_FILE]``.

What exists comes first, in the server's own order (``runwire.browser.executable``); then Playwright's download; then
apt-get (root only). A Chromium is believed only after it has answered ``--version``: a download whose shared libraries
are missing is a file that does not start, and the server would prefer it to a system browser that does. Playwright's
driver is tried first, for the same reason: a bare Debian lacks one of its libraries.

With ``--whole`` it must be a whole Chromium, which the agent ``stagehand`` needs: the headless shell has no extensions.

Never fails a set-up: with OUTCOME_FILE the reason is written there (empty = found) instead of printed, and the exit
code is 0. Runs once, in one thread, before any server; every child process has a time limit.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from runwire.browser.executable import find_executable

SETTING = "RUNWIRE_BROWSER_EXECUTABLE"
# What the Node inside Playwright's wheel needs and a bare Debian or Ubuntu does not have.
DRIVER_LIBRARY = "libatomic1"
PLAYWRIGHT = (sys.executable, "-m", "playwright")
# The shell is about 110 MB, a whole one 170; three minutes allow 5 and 8 Mbit/s. A host that does not resolve fails in
# about two seconds.
DOWNLOAD_LIMIT_S = 180.0
APT_LIMIT_S = 300.0
ANSWER_LIMIT_S = 20.0


@dataclass(frozen=True)
class Wanted:
    """A kind of Chromium: what goes without it, how Playwright and Debian call it, and Playwright's folder for it."""

    whole: bool
    work: str
    download: tuple[str, ...]
    packages: tuple[tuple[str, ...], ...]
    folder: str
    again: str


# The second of each pair gives a sandbox where the kernel refuses one to ordinary users (containers, new Ubuntus).
WHOLE_PACKAGES = ("chromium", "chromium-sandbox")
SHELL = Wanted(
    False,
    "browser runs",
    ("--only-shell", "chromium"),
    (("chromium-headless-shell", "chromium-sandbox"), WHOLE_PACKAGES),
    "chromium_headless_shell-",
    "make chromium",
)
WHOLE = Wanted(True, "the agent stagehand", ("--no-shell", "chromium"), (WHOLE_PACKAGES,), "chromium-", "make test")


def main(arguments: list[str]) -> int:
    """Find or get a Chromium; print one line that names it or says what is missing."""
    wanted = WHOLE if "--whole" in arguments else SHELL
    arguments = [argument for argument in arguments if argument != "--whole"]
    fault = driver_fault() or chromium_fault(wanted)
    line = f"{wanted.work} will not work, everything else does: {fault}; then: {wanted.again}" if fault else ""
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


def chromium_fault(wanted: Wanted) -> str:
    """Find or get a Chromium and name it; return what would mend it if none can be had, else an empty text."""
    if found := find(wanted) or get(wanted):
        say(f"Chromium for {wanted.work}: {found}")
        return ""
    debian = f"{sudo()}apt-get install -y chromium chromium-sandbox"
    ubuntu = f"{sudo()}{sys.executable} -m playwright install-deps chromium"
    return f"there is no Chromium that starts; on Debian: {debian}, on Ubuntu: {ubuntu}"


def candidate(wanted: Wanted) -> Path | None:
    """Return the Chromium that the server would launch, whether it starts or not."""
    return find_executable(os.environ.get(SETTING, ""), headless=not wanted.whole)


def find(wanted: Wanted) -> Path | None:
    """Return the Chromium that the server would launch if it starts: it answers and finds its shared libraries."""
    path = candidate(wanted)
    return path if path and run(str(path), "--version", limit_s=ANSWER_LIMIT_S) else None


def get(wanted: Wanted) -> Path | None:
    """Fetch a Chromium: Playwright's download, then the distribution's package."""
    if candidate(wanted) is None:
        say(f"looking for a Chromium to download for {wanted.work} (Playwright's, above 100 MB)")
        run(*PLAYWRIGHT, "install", *wanted.download, limit_s=DOWNLOAD_LIMIT_S)
    if may_install() and candidate(wanted) and not find(wanted):
        say("Chromium is here but does not start; installing the libraries that it needs")
        run(*PLAYWRIGHT, "install-deps", "chromium", limit_s=APT_LIMIT_S)
    if found := find(wanted):
        return found
    remove_broken_download(wanted)
    return find(wanted) or (install_package(wanted) if may_install() else None)


def remove_broken_download(wanted: Wanted) -> None:
    """Remove Playwright's download if that is what does not start: the server would go on preferring it."""
    path = candidate(wanted)
    for folder in path.parents if path else ():
        if folder.name.startswith(wanted.folder):
            say(f"removing {path}, which does not start here")
            shutil.rmtree(folder)


def install_package(wanted: Wanted) -> Path | None:
    """Install the first of the distribution's packages that gives a Chromium that starts."""
    say("Playwright's Chromium cannot be had here; asking apt-get")
    for packages in wanted.packages:
        apt_install(*packages)
        if found := find(wanted):
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
