"""The bearer token: where it comes from, and how it becomes fresh. One event loop; reads the environment and one file.

It never shows the token: neither ``repr`` nor any error holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from runwire_client.errors import InvalidInput

TokenSource = str | Callable[[], str] | None
"""A token; or a function that returns the current one (called again when the server refuses it); or the environment."""

TOKEN_VARIABLE: Final = "RUNWIRE_TOKEN"
TOKEN_FILE_VARIABLE: Final = "RUNWIRE_TOKEN_FILE"
_FILE_BYTES: Final = 16 * 1024


class Credentials:
    """The current token. None given: ``RUNWIRE_TOKEN``, else the file that ``RUNWIRE_TOKEN_FILE`` names, else none."""

    def __init__(self, source: TokenSource, environ: Mapping[str, str]) -> None:
        self._source = source
        self._environ = environ
        self._token: str | None = None
        self._read = False

    def header(self) -> dict[str, str]:
        """Return the ``Authorization`` header, or nothing if there is no token.

        Raises:
            InvalidInput: the token cannot be read, or holds characters that no header can carry.
        """
        if not self._read:
            self.refresh()
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    def refresh(self) -> bool:
        """Read the source again; return whether the token is another one than before.

        Raises:
            InvalidInput: as for :meth:`header`.
        """
        before, self._token = self._token, _checked(self._current())
        self._read = True
        return self._token != before

    def _current(self) -> str | None:
        if callable(self._source):
            return self._source()
        if self._source is not None:
            return self._source
        token = self._environ.get(TOKEN_VARIABLE)
        path = self._environ.get(TOKEN_FILE_VARIABLE)
        return _file_token(Path(path)) if not token and path else token


def _file_token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{TOKEN_FILE_VARIABLE} names {path}, which holds no readable token") from error


def _checked(token: str | None) -> str | None:
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInput("the token holds characters that an HTTP header cannot carry")
    return token
