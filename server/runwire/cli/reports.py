"""Reports and archives that a command writes to files. Floor 8."""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Literal

from runwire.errors import ConfigurationError

Format = Literal["xml", "html"]


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where reports go."""
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write the report as JUnit XML")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the report as one HTML page with screenshots")


async def write_reports(arguments: argparse.Namespace, report: Callable[[Format], AsyncGenerator[bytes, None]]) -> None:
    """Write what the flags ask for; ``report`` gives the pieces of one. Raises ConfigurationError."""
    if arguments.junit is not None:
        await write_pieces(arguments.junit, report("xml"))
    if arguments.html is not None:
        await write_pieces(arguments.html, report("html"))


async def write_pieces(path: Path, pieces: AsyncGenerator[bytes, None]) -> None:
    """Write a file as its pieces come; what is there before stays until it is whole. Raises ConfigurationError."""
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            async with aclosing(pieces):
                async for piece in pieces:
                    file.write(piece)
        temporary.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
