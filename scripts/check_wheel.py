"""Builds the packages and looks into them: ``python scripts/check_wheel.py``.

The server's wheel is built twice, from the checkout and from its own source archive, and must hold the same files: the
page, the migrations, the examples, and one import package, nothing else. What is packed is then started outside the
checkout, as after a ``pip install``. Needs the built page and no network; runs in one thread; leaves nothing behind.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = (
    "runwire/__init__.py",
    "runwire/__main__.py",
    "runwire/py.typed",
    "runwire/static/index.html",
    "runwire/_migrations/env.py",
)
# Folders of the checkout → folders in the wheel; every tracked file must arrive.
PACKED = {"alembic": "runwire/_migrations", "examples": "runwire/_examples", "server/runwire": "runwire"}
FORBIDDEN_PARTS = ("__pycache__", "node_modules", ".venv", "data")
LIMIT_S = 120.0


def main() -> int:
    """Print every fault found; 0 if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        wheel = build(ROOT, "wheel", work / "direct")
        archive = build(ROOT, "sdist", work / "sdist")
        with tarfile.open(archive) as source:
            # Python 3.11.2, which Debian 12 ships, has no `filter` argument yet.
            source.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
            source.extractall(work / "source")
        unpacked = next((work / "source").iterdir())
        again = build(unpacked, "wheel", work / "again")
        faults = [
            *server_faults(wheel),
            *difference(wheel, again),
            *client_faults(work / "client"),
            *start_faults(wheel, work / "installed"),
        ]
    for fault in faults:
        print(f"wheel: {fault}")
    if not faults:
        print(f"wheel: {wheel.name} holds what it should")
    return 1 if faults else 0


def build(project: Path, target: str, destination: Path) -> Path:
    """Build one package with the pinned hatchling of this environment and return the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(destination)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        raise SystemExit(f"wheel: hatchling cannot build the {target} of {project}:\n{done.stderr}")
    return next(destination.iterdir())


def names(wheel: Path) -> set[str]:
    """Return the paths of the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def top_level_faults(found: set[str], package: str) -> list[str]:
    """Check that a wheel installs exactly one import package."""
    top = {name.split("/")[0] for name in found}
    strangers = sorted(name for name in top if name != package and not name.endswith(".dist-info"))
    litter = sorted(name for name in found if any(part in FORBIDDEN_PARTS for part in Path(name).parts))
    return [
        *(f"{name} would be installed beside {package}" for name in strangers),
        *(f"{name} does not belong in a wheel" for name in litter),
    ]


def server_faults(wheel: Path) -> list[str]:
    """Check the contents of the server's wheel."""
    found = names(wheel)
    missing = sorted({*REQUIRED, *tracked_files()} - found)
    modules = sorted(entry_point_modules(wheel))
    absent = [name for name in modules if not found & {f"{name}.py", f"{name}/__init__.py"}]
    return [*top_level_faults(found, "runwire"), *(f"{name} is missing" for name in [*missing, *absent])]


def tracked_files() -> set[str]:
    """Return where each tracked file of the packed folders has to be in the wheel."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PACKED], cwd=ROOT, check=True, capture_output=True, text=True, timeout=LIMIT_S
    )
    present = (name for name in listed.stdout.split("\0") if name and (ROOT / name).exists())
    return {
        name.replace(source, target, 1)
        for name in present
        for source, target in PACKED.items()
        if name.startswith(source + "/")
    }


def entry_point_modules(wheel: Path) -> set[str]:
    """Return the modules that the wheel's entry points name, as paths without an ending."""
    with zipfile.ZipFile(wheel) as archive:
        table = next(name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        text = archive.read(table).decode("utf-8")
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(text)
    modules = {value.split(":")[0] for section in parser.sections() for value in parser[section].values()}
    return {module.replace(".", "/") for module in modules}


def difference(direct: Path, again: Path) -> list[str]:
    """Check that the source archive builds the same wheel as the checkout."""
    return [
        f"{name} differs between the checkout's wheel and the source archive's"
        for name in sorted(names(direct) ^ names(again))
    ]


def client_faults(destination: Path) -> list[str]:
    """Check the contents of the client's wheel."""
    return [
        f"client: {fault}"
        for fault in top_level_faults(names(build(ROOT / "clients/python", "wheel", destination)), "runwire_client")
    ]


def start_faults(wheel: Path, installed: Path) -> list[str]:
    """Start what was packed, away from the checkout: it must find its own migrations, examples and agents."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    faults = []
    for arguments in (["db", "upgrade", "--data", "data"], ["db", "check", "--data", "data"], ["agents"]):
        command = [sys.executable, "-m", "runwire", *arguments]
        done = subprocess.run(
            command, cwd=installed, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        if done.returncode != 0:
            faults.append(f"runwire {' '.join(arguments)} fails when installed: {(done.stderr or done.stdout).strip()}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
