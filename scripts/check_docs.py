"""Checks what the documents claim about the repository: ``python scripts/check_docs.py``.

- every relative link leads to a file, and its fragment to a heading;
- every path of the repository in backticks exists, every ``make`` target is one;
- every setting stands in the settings page, and every ``RUNWIRE_…`` name in the documents is known to the code.

Reads files only; no network; one thread. Outside addresses are not visited: a gate must not
fail for somebody else's server.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from runwire.settings_sources import describe

ROOT = Path(__file__).resolve().parent.parent
SETTINGS_PAGE = ROOT / "docs/settings.md"
# A word in backticks is a path of the repository if it begins with one of these; built things need not be there.
FOLDERS = (
    "server",
    "clients",
    "docs",
    "tests",
    "examples",
    "scripts",
    "bench",
    "alembic",
    "requirements",
    "deploy",
    ".ci",
)
BUILT = ("server/runwire/static", "clients/web/node_modules", "bench/results")

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]+")
MAKE = re.compile(r"^\s*(?:\$ )?make ([a-z][a-z-]+)", re.MULTILINE)
VARIABLE = re.compile(r"\bRUNWIRE_[A-Z][A-Z_]*[A-Z]\b")


def main() -> int:
    """Print every fault found; 0 if there is none."""
    documents = tracked("*.md")
    faults = [f"{page.relative_to(ROOT)}: {fault}" for page in documents for fault in page_faults(page)]
    faults += settings_faults()
    for fault in faults:
        print(f"docs: {fault}")
    if not faults:
        print(f"docs: {len(documents)} documents agree with the repository")
    return 1 if faults else 0


def tracked(*patterns: str) -> list[Path]:
    """Return the repository's files that match a pattern, new and not yet added ones included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    return sorted({ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()})


def page_faults(page: Path) -> Iterator[str]:
    """Yield what is wrong on one page."""
    text = page.read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    for match in LINK.finditer(CODE.sub("", prose)):
        yield from link_faults(page, match.group(1) or match.group(2))
    for code in CODE.findall(prose):
        if (path := PATH.fullmatch(code.strip())) and not exists(path.group()):
            yield f"names {path.group()}, which does not exist"
    commands = "\n".join([*CODE.findall(prose), *(match.group() for match in FENCE.finditer(text))])
    for target in sorted(set(MAKE.findall(commands)) - make_targets()):
        yield f"names make {target}, which the Makefile does not have"
    for name in sorted(set(VARIABLE.findall(text)) - known_variables()):
        yield f"names {name}, which the code does not know"


def link_faults(page: Path, link: str) -> Iterator[str]:
    """Check one link of a page; outside addresses pass."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link):
        return
    name, _, fragment = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists():
        yield f"links to {name}, which does not exist"
    elif not target.is_relative_to(ROOT):
        yield f"links to {name}, which is outside the repository"
    elif fragment and target.suffix == ".md" and fragment not in anchors(target):
        yield f"links to {link}, but there is no such heading"


def anchors(page: Path) -> set[str]:
    """Return the fragments of a page's headings, made the way that the usual hosts of Git repositories make them."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(path: str) -> bool:
    """Tell whether a path of the repository is there or is something that is built."""
    return path.rstrip("/").startswith(BUILT) or (ROOT / path.rstrip(".")).exists()


def make_targets() -> set[str]:
    """Return the Makefile's targets that people may type."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def known_variables() -> set[str]:
    """Return the environment variables that settings define or any code reads."""
    code = tracked("*.py", "*.sh", "*.ts", "Makefile")
    return {setting.env for setting in describe()}.union(*(VARIABLE.findall(file.read_text("utf-8")) for file in code))


def settings_faults() -> Iterator[str]:
    """Check that the settings page names each setting by flag and by environment variable."""
    if not SETTINGS_PAGE.exists():
        yield "docs/settings.md is missing"
        return
    text = SETTINGS_PAGE.read_text(encoding="utf-8")
    for setting in describe():
        for name in (setting.flag, setting.env):
            if not re.search(rf"{re.escape(name)}(?![\w-])", text):
                yield f"docs/settings.md does not name {name}"


if __name__ == "__main__":
    sys.exit(main())
