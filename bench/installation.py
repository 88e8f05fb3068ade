"""How big an installation of the server without extras is: a fresh virtual environment, counted. Needs an index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_LIMIT_S: Final = 240.0
_TOOLS: Final = frozenset({"pip", "setuptools"})
_COUNT: Final = "import importlib.metadata as m; print(*{d.metadata['Name'] for d in m.distributions()}, sep='\\n')"


def measure_install(folder: Path) -> dict[str, float]:
    """Install this checkout as a wheel into ``folder`` and return ``mib`` on disk and ``distributions``.

    The tools that made the environment (pip, setuptools) do not count; compiled bytecode, which pip writes, does.
    """
    _call(sys.executable, "-m", "venv", str(folder))
    python = str(folder / "bin" / "python")
    before = _size_bytes(folder)
    _call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", str(_ROOT))
    names = set(_call(python, "-c", _COUNT).split()) - _TOOLS
    return {"mib": (_size_bytes(folder) - before) / 2**20, "distributions": float(len(names))}


def _call(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_S).stdout


def _size_bytes(folder: Path) -> int:
    files = (path.lstat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(info.st_blocks * 512 for info in files)
