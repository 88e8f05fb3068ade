"""Ids: made before the thing they name exists. Floor 0; any thread.

Run, thread and artifact ids have the form of cuid2 (24 characters of base 36, a letter first;
https://github.com/paralleldrive/cuid2): they sort nowhere, leak no count and collide nowhere. They are drawn from the
operating system's randomness: hashing time, counter and fingerprint besides, as cuid2 does for weak sources, costs 36
µs an id, a good part of the way to a run's first event. Secrets come from :mod:`secrets`: an id authenticates nothing.

Randomness is drawn for many ids at once: ``os.urandom`` gives the interpreter lock away, and with busy threads beside,
getting it back costs 80 µs a call.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections import deque

ID_LENGTH = 24
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CLIENT_RUN_ID = re.compile(r"[a-z0-9]{8,64}")

IDS_DRAWN = 256
"""Ids that are made of one draw of randomness."""

_ids: deque[str] = deque()  # its methods are atomic: no two threads take the same one
_epoch_parts: deque[str] = deque()
for _made in (_ids, _epoch_parts):
    os.register_at_fork(after_in_child=_made.clear)  # a child must not use its parent's


def new_id() -> str:
    """Return a fresh id: 123 random bits."""
    try:
        return _ids.pop()
    except IndexError:
        letters, characters = _drawn(_LETTERS, IDS_DRAWN), _drawn(_ALPHABET, IDS_DRAWN * (ID_LENGTH - 1))
        tails = range(0, len(characters), ID_LENGTH - 1)
        made, *spare = [letter + characters[at : at + ID_LENGTH - 1] for letter, at in zip(letters, tails, strict=True)]
        _ids.extend(spare)
        return made


def _drawn(alphabet: str, count: int) -> str:
    """Return random characters, each as likely as the others: bytes that would favour the first ones are left out."""
    fair = 256 // len(alphabet) * len(alphabet)
    table = bytes(ord(alphabet[byte % len(alphabet)]) for byte in range(256))
    drawn = b""
    while len(drawn) < count:
        drawn += os.urandom(count).translate(table, bytes(range(fair, 256)))
    return drawn[:count].decode()


def _spelled(number: int) -> str:
    number, first = divmod(number, 26)
    characters = [_LETTERS[first]]
    for _ in range(ID_LENGTH - 1):
        number, digit = divmod(number, 36)
        characters.append(_ALPHABET[digit])
    return "".join(characters)


def is_client_run_id(value: str) -> bool:
    """Return whether a client may use ``value`` as its run id: ``[a-z0-9]{8,64}`` (protocol, L7)."""
    return _CLIENT_RUN_ID.fullmatch(value) is not None


def id_from(*parts: str) -> str:
    """Return the id, of the same form, that these parts always give."""
    number = int.from_bytes(hashlib.sha256("\x00".join(parts).encode()).digest()[:18], "big")
    return _spelled(number)


def new_secret(prefix: str) -> str:
    """Return ``prefix`` followed by 256 random bits in URL-safe text: a token, a ticket, a login code."""
    return prefix + secrets.token_urlsafe(32)


def new_epoch_part() -> str:
    """Return 8 random hexadecimal characters: the part of an epoch that tells two runs of one id apart
    (protocol, L6).
    """
    try:
        return _epoch_parts.pop()
    except IndexError:
        drawn = os.urandom(4 * IDS_DRAWN).hex()
        made, *spare = [drawn[at : at + 8] for at in range(0, len(drawn), 8)]
        _epoch_parts.extend(spare)
        return made
