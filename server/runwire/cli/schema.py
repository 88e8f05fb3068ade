"""``runwire schema``: write or check the generated descriptions of the protocol. Floor 8."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("schema", help="print, write or check the protocol's schemas")
    parser.add_argument("name", nargs="?", help="print this document, such as openapi.json; default: list them")
    parser.add_argument("--out", metavar="DIR", help="write all documents into this folder")
    parser.add_argument(
        "--check", metavar="DIR", help="exit 1 if the documents in this folder are not those of the code"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print, write or check."""
    from runwire.web.openapi import all_documents

    documents = all_documents()
    if arguments.out:
        for name, document in documents.items():
            path = Path(arguments.out) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(document)
        return 0
    if arguments.check:
        folder = Path(arguments.check)
        stale = [name for name, document in documents.items() if _read(folder / name) != document]
        for name in stale:
            print(f"{folder / name} is not what the code says; run: runwire schema --out {folder}", file=sys.stderr)
        return 1 if stale else 0
    if arguments.name is None:
        print("\n".join(documents))
        return 0
    if arguments.name not in documents:
        print(f"runwire: no document {arguments.name}; there are: {', '.join(documents)}", file=sys.stderr)
        return 2
    sys.stdout.write(documents[arguments.name].decode())
    return 0


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
