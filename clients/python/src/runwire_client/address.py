"""Where the server is, and the names of its paths. Any thread; pure but for the source of random ids."""

from __future__ import annotations

import ipaddress
import re
import secrets
import string
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from runwire_client.errors import InvalidInput
from runwire_client.follower import Cursor

DEFAULT_URL: Final = "http://127.0.0.1:8700"
URL_VARIABLE: Final = "RUNWIRE_URL"

_RUN_ID: Final = re.compile(r"[a-z0-9]{8,64}\Z")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}


def new_run_id() -> str:
    """Return a fresh run id: 24 characters, the shape of the server's own (protocol, L7); 119 random bits."""
    first = secrets.choice(string.ascii_lowercase)
    return first + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(23))


def checked_run_id(run_id: str) -> str:
    """Return ``run_id``. Raises InvalidInput for what cannot be one: it would name another path."""
    if not _RUN_ID.match(run_id):
        raise InvalidInput(f"{run_id!r} is no run id: 8 to 64 of a-z and 0-9 (protocol, L7)")
    return run_id


class Address:
    """A server's base address, such as ``https://runs.example/prefix``.

    Raises:
        InvalidInput: no http or https URL, or one with credentials, a query or a fragment in it.
    """

    def __init__(self, base_url: str) -> None:
        try:
            parts = urlsplit(base_url)
            usable = parts.scheme in _SOCKET_SCHEMES and parts.hostname and parts.port != 0
            (parts.hostname or "").encode("idna")  # A name that no resolver can be asked for (an empty label, say).
        except ValueError as error:
            raise InvalidInput(f"the server's address is no URL: {error}") from error
        if not usable or parts.query or parts.fragment or "@" in parts.netloc:
            raise InvalidInput(
                "the server's address must be http(s)://host[:port][/prefix], without credentials or query"
            )
        self._parts: SplitResult = parts
        self._root = f"{parts.netloc}{parts.path.rstrip('/')}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, so that no proxy of the environment stands between."""
        host = self._parts.hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def http(self, path: str) -> str:
        """Return the URL of an HTTP path."""
        return f"{self._parts.scheme}://{self._root}{path}"

    def converse(self) -> str:
        """Return the URL of a socket for commands (protocol, section 4)."""
        return f"{_SOCKET_SCHEMES[self._parts.scheme]}://{self._root}/ws"

    def follow(self, run_id: str, cursor: Cursor) -> str:
        """Return the URL that follows a run from a cursor to its end, in batches (protocol, section 3)."""
        query: dict[str, str | int] = {"after": cursor.after}
        if cursor.epoch is not None:
            query["epoch"] = cursor.epoch
        query |= {"follow": 1, "batch": 1}
        return f"{_SOCKET_SCHEMES[self._parts.scheme]}://{self._root}/ws/runs/{run_id}?{urlencode(query)}"


def checked_id(value: str, what: str) -> str:
    """Return an id that may stand in a path. Raises InvalidInput that names ``what`` it is not."""
    if not _PLAIN_ID.fullmatch(value):
        raise InvalidInput(f"{value!r} is no {what}: letters, digits, - and _ make one")
    return value
